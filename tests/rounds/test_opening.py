"""The machine's peak, as it is measured when a round is opened."""

import itertools
import json

import numpy as np
import pytest

from evenhand.core.schemas import schema
from evenhand.rounds import matmul, opening
from toolbox.launch import RECORDED

pytestmark = pytest.mark.fast

STEP = 128, [784, 256, 10]  # batch size and layers
# In place of matmul.py: how fast each kernel is, with one thread by the factor CORE, and what the
# process saw of the user's shell.
PROGRAM = """
import json, os, sys
kernel = os.environ.get("OPENBLAS_CORETYPE", "Haswell")
rates = {"Haswell": 2.0, "SKYLAKEX": 3.0, "HASWELL": 9.0}
seen = sorted(name for name in os.environ if name.startswith(RECORDED))
with open(LOG, "a") as log:
    print(json.dumps([int(sys.argv[1]), kernel, seen]), file=log)
found = {"size": 512, "kernel": kernel, "library": "openblas 1"}
found["step_seconds"] = float(len(sys.argv)) / rates[kernel]
print(json.dumps([found | {"flops": rates[kernel] * share} for share in (CORE, 1)]))
"""


@pytest.fixture(params=[0.5])
def started(tmp_path, monkeypatch, request):
    """Has another program measure; returns what it was started with, start by start."""
    program, log = tmp_path / "matmul.py", tmp_path / "log"
    program.write_text(
        f"RECORDED, LOG, CORE = {RECORDED!r}, {str(log)!r}, {request.param}\n{PROGRAM}"
    )
    monkeypatch.setattr(matmul, "__file__", str(program))
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


def can(monkeypatch, *flags):
    """The processor has these flags."""
    monkeypatch.setattr(opening, "processor_flags", lambda: set(flags))


def test_nothing_that_the_user_set_steers_the_library(started, monkeypatch):
    can(monkeypatch)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS", "MKL_CBWR"):
        monkeypatch.setenv(name, "1")
    opening.peak(3, *STEP)
    assert started() == [[3, "Haswell", []]]


def test_the_fastest_kernel_counts_whichever_the_library_chose(started, monkeypatch):
    can(monkeypatch, *opening.KERNELS["SKYLAKEX"])
    found = {"flops": 3.0, "size": 512, "kernel": "SKYLAKEX", "library": "openblas 1"}
    # with the quickest products of a step, whichever kernel does them
    found["step_seconds"] = pytest.approx(6 / 3)
    assert opening.peak(2, *STEP) == {"threads": 2, "core_flops": 1.5} | found
    assert started() == [[2, "Haswell", []], [2, "SKYLAKEX", ["OPENBLAS_CORETYPE"]]]


def test_no_kernel_is_tried_that_the_processor_cannot_run_or_that_was_chosen(started, monkeypatch):
    can(monkeypatch, "avx2", "fma", "avx512f")
    assert opening.peak(1, *STEP)["kernel"] == "Haswell"
    assert len(started()) == 1


@pytest.mark.parametrize("started", [4], indirect=True)
def test_on_a_busy_machine_one_thread_may_be_the_fastest(started, monkeypatch):
    can(monkeypatch)
    found = opening.peak(2, *STEP)
    assert (found["flops"], found["core_flops"]) == (8.0, 8.0)


def test_the_real_one_tells_the_best_of_its_sizes(monkeypatch):
    """Whatever the shell says: this kernel is for a processor of 2004."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    found = opening.peak(1, *STEP)
    assert set(found) == set(schema("round")["properties"]["peak"]["required"])
    assert found["size"] in matmul.SIZES and found["flops"] > 0
    assert found["library"].startswith("openblas")
    if opening.processor_flags() >= opening.KERNELS["HASWELL"]:
        assert found["kernel"].upper() in opening.KERNELS


def test_more_than_one_size_is_tried(monkeypatch):
    clock = itertools.count()  # a hundredth of a second each time that somebody looks at it
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(matmul.time, name, lambda: next(clock) / 100)
    sizes, multiply = [], np.matmul
    monkeypatch.setattr(matmul, "SIZES", (8, 16, 24))
    monkeypatch.setattr(
        np, "matmul", lambda a, b, out: (sizes.append(len(a)), multiply(a, b, out=out))
    )
    assert matmul.best_rate(1, seconds=1)["size"] == 24, "the same time for more work"
    assert {*sizes} == {8, 16, 24}


@pytest.mark.parametrize(
    ("usable", "asked", "threads"),
    [(1.5, "default", 2), (4, "default", 4), (4, 2, 2), (1, 2, 1), (0.5, "default", 1)],
)
def test_it_is_measured_with_the_threads_that_a_run_can_use(monkeypatch, usable, asked, threads):
    monkeypatch.setattr(opening, "machine", lambda secret: {"usable_cores": usable})
    monkeypatch.setattr(opening, "peak", lambda threads, size, layers: {"threads": threads})
    products = {"threads": asked, "batch_size": 128, "layers": [784, 256, 10]}
    opened = opening.open_round("controlled", "baseline", 0, "here", 0, [], products, "secret")
    assert opened["peak"]["threads"] == threads
