"""Open a round: who takes part in which order, on what machine, and how fast that machine is."""

import json
import math
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from evenhand.rounds import matmul
from toolbox.launch import RECORDED
from toolbox.machine import load, machine, read, where
from toolbox.record import SCHEMA, hidden, sealed

# Kernels of OpenBLAS, which NumPy comes with, and what a processor needs to run them. The widest is
# not always the fastest: some processors take two turns for 512 bits.
KERNELS = {
    "SKYLAKEX": {"avx512f", "avx512dq", "avx512bw", "avx512vl"},
    "HASWELL": {"avx2", "fma"},
}


def peak(threads: int, batch_size: int, layers: Sequence[int]) -> dict:
    """The best rate of matrix multiplication with so many threads, as the round's file has it.

    And the least time of the products of a training step with this batch size and these layers.

    It is the best of the library's own choice of kernel, whatever variables the user's shell sets,
    and of the other kernels that the processor can run: a library may take it for an older one. On
    a busy machine many threads can be slower than one, whose best rate is known in any case: times
    their number it is more than they can do.
    """
    sizes = [batch_size, *layers]
    chosen = rates(threads, sizes)
    able = processor_flags()
    measured = [chosen]
    for kernel, needs in KERNELS.items():
        if needs <= able and kernel != str(chosen[0]["kernel"]).upper():
            with suppress(subprocess.CalledProcessError):  # the processor cannot run it after all
                measured.append(rates(threads, sizes, kernel))
    found = [rate for both in measured for rate in both]
    best = max(found, key=lambda rate: rate["flops"])
    core_flops = max(with_one["flops"] for with_one, _ in measured)
    step_seconds = min(rate["step_seconds"] for rate in found)
    return {"threads": threads, **best, "core_flops": core_flops, "step_seconds": step_seconds}


def rates(threads: int, sizes: Sequence[int], kernel: str | None = None) -> list[dict]:
    """What matmul.py prints in a process whose libraries nothing steers but this kernel."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(RECORDED)}
    env |= {"OPENBLAS_CORETYPE": kernel} if kernel else {}
    command = [sys.executable, matmul.__file__, *map(str, [threads, *sizes])]
    return json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)


def processor_flags() -> set[str]:
    """What the processor can do, as the kernel names it; nothing where it uses other words."""
    lines = (read("/proc/cpuinfo") or "").splitlines()
    return next((set(line.split()[2:]) for line in lines if line.startswith("flags")), set())


def open_round(
    track: str,
    scenario: str,
    round_: int,
    nodes: str,
    seed: int,
    order: list,
    products: Mapping,
    secret: str,
) -> dict:
    """The content of the file that opens a round, sealed.

    `nodes`: the kind that was requested. `products`: batch_size and layers of the
    training, and its threads, a number or `default` for every usable core. `secret`: what the
    machine's aliases are made with.
    """
    here = machine(secret)
    cores = math.ceil(here["usable_cores"])  # those of a quota may not be whole
    before, threads = load(), products["threads"]
    # more threads than cores are slower, and no run gains by them either
    threads = cores if threads == "default" else min(threads, cores)
    content = {
        "schema": SCHEMA,
        "id": uuid.uuid4().hex,
        "track": track,
        "scenario": scenario,
        "round": round_,
        "nodes": nodes,
        "seed": seed,
        "order": order,
        "opened": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "machine": here,
        "load": before,
        "peak": peak(threads, products["batch_size"], products["layers"]),
    }
    return sealed(content | hidden(where()))
