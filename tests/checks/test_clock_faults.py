"""A trainer that keeps work out of its clock, or gets help, is found out.

Each fault is a change in the text of NumPy's controlled trainer, which then runs through launcher
and toolbox on made-up images; where another framework is at fault, in its own environment.
"""

import re
import subprocess

import pytest

from evenhand.checks import audit_record, audit_round
from evenhand.core import axes
from evenhand.core.identity import Round
from evenhand.core.schemas import ROOT
from support import launching, records
from toolbox.record import Record

TRAINER = axes.trainer("controlled", "numpy")
RUN = Round("controlled", "x", 0).run("numpy-cpu")
SETTINGS = launching.settings(epochs=4, layers=(784, 256, 10))
# What concerns files and packages, which are not those of a project here.
ABOUT_FILES = {"lock", "trainer", "toolbox", "protocol"}
# The trainer's own loop.
LOOP = re.search(r"for epoch in .*?finish\(weights\)\n", TRAINER.read_text(), re.DOTALL)[0]
# A trainer that reads the order for itself, which is not handed over before the clock starts.
TRAINED_ALONE = """import numpy
orders = numpy.load(run.protocol)["order"]
def train(index):
    losses = []
    for start in range(0, len(orders[index]), run.batch_size):
        batch = orders[index][start : start + run.batch_size]
        values, logits = net(images[batch])
        loss, gradient = loss_fn(logits, labels[batch])
        step(values, gradient)
        losses.append(loss)
    return losses, [w.copy() for w in weights]
"""
PRETENDED = """    with epoch.clock() as order:
        for batch in epoch.batches(order):
            epoch.losses.append(losses[epoch.steps])
        epoch.finish(trained)
"""
SPIN = """import os, time
def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""
BUSY = "import time\nwhile time.process_time() < 0.2: pass"
CLOCK = "    with epoch.clock() as order:\n"

# The trainer's loop instead of the right one, and what is found.
FAULTS = {
    "trained between the clocks": (
        f"{TRAINED_ALONE}for epoch in run.epochs():\n"
        f"    losses, trained = train(epoch.index)\n{PRETENDED}",
        "gap",
    ),
    "trained before the first clock": (
        f"{TRAINED_ALONE}everything = [train(index) for index in range({SETTINGS.epochs})]\n"
        f"for epoch in run.epochs():\n    losses, trained = everything[epoch.index]\n{PRETENDED}",
        "peak",
    ),
    "the first batch left out": (LOOP.replace("batches(order)", "batches(order[128:])"), "steps"),
    "the last batch left out": (LOOP.replace("batches(order)", "batches(order[:-128])"), "steps"),
    # No slow one: these epochs may be so short that half of them is within what is allowed.
    "a clock that runs tenfold": (
        "import time\nright = time.monotonic\ntime.monotonic = lambda: right() * 10\n" + LOOP,
        "clock",
    ),
    "a helper process": (
        SPIN
        + LOOP.replace(
            CLOCK,
            CLOCK + "        helper = os.fork()\n"
            "        if not helper:\n            spin(0.2)\n            os._exit(0)\n"
            "        os.waitpid(helper, 0)\n",
        ),
        "helpers",
    ),
    "a helper process that is detached": (
        SPIN
        + LOOP.replace(
            CLOCK,
            CLOCK + "        between = os.fork()\n"
            "        if not between:\n            os.setsid()\n"
            "            if not os.fork():\n                spin(0.2)\n"
            "            os._exit(0)\n"
            "        os.waitpid(between, 0)\n        time.sleep(0.5)\n",
        ),
        "helpers",
    ),
    "a helper process that is left running": (
        SPIN + LOOP + "if not os.fork():\n    os.setsid()\n    time.sleep(60)\n    os._exit(0)\n",
        "helpers",
    ),
}
# What the toolbox refuses at once, in the trainer's process.
REFUSED = {
    "the first batch taken before the clock": (
        TRAINED_ALONE + LOOP.replace(CLOCK, "    next(epoch.batches(orders[0]))\n" + CLOCK),
        "trained outside of its clock",
    ),
    "the last batch trained after the clock": (
        LOOP.replace(
            "        for batch in epoch.batches(order):",
            "        pass\n    if True:\n        for batch in epoch.batches(order):",
        ),
        "its clock stopped before finish",
    ),
    "trained on after the weights were handed over": (
        LOOP + "        next(epoch.batches(order))\n",
        "trained outside of its clock",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A round of 12,000 made-up images, in which somebody may run."""
    place = tmp_path_factory.mktemp("clock")
    return launching.prepare(place, "numpy", requested=SETTINGS, images=12000)


def launched(folder, loop: str, *options: str) -> subprocess.CompletedProcess:
    """Run the trainer with another loop than its own."""
    head, own = TRAINER.read_text().split(LOOP)
    (folder / "trainer.py").write_text(f"{head}{loop}{own}")
    return launching.launch(folder, "trainer.py", SETTINGS, options)


def findings(folder) -> set[str]:
    """The checks that find something in the record."""
    record, path = Record.read(folder / "record.json"), folder / "record.json"
    project = audit_record.Project(folder, ROOT)
    found = [
        *audit_record.check(record, path, RUN, project),
        *audit_round.peak(record, records.PEAK["flops"]),
    ]
    return {finding.check for finding in found} - ABOUT_FILES


def test_the_right_trainer_has_no_findings(folder):
    done = launched(folder, LOOP)
    assert done.returncode == 0, done.stderr
    assert findings(folder) == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_around_the_clock_is_named(folder, fault):
    loop, check = FAULTS[fault]
    done = launched(folder, loop)
    assert done.returncode == 0, done.stderr
    assert check in findings(folder)


@pytest.mark.parametrize(
    ("epochs", "found"), [("epoch.index == 0", set()), ("epoch.index in (0, 1)", {"helpers"})]
)
def test_a_compiler_may_work_in_the_first_epoch_alone(folder, monkeypatch, epochs, found):
    right = axes.framework
    monkeypatch.setattr(axes, "framework", lambda *name: right(*name) | {"compiler": "processes"})
    compiler = f"        {epochs} and subprocess.run([sys.executable, '-c', {BUSY!r}])\n"
    done = launched(folder, "import subprocess, sys\n" + LOOP.replace(CLOCK, CLOCK + compiler))
    assert done.returncode == 0, done.stderr
    assert findings(folder) == found


@pytest.mark.parametrize("fault", REFUSED)
def test_the_toolbox_refuses_to_train_outside_of_the_clock(folder, fault):
    loop, message = REFUSED[fault]
    done = launched(folder, loop)
    assert done.returncode != 0
    assert message in done.stderr


def test_two_threads_are_named_though_they_are_set_back_before_the_end(folder):
    """Where they get two cores: on a crowded machine, two threads may be no faster than one."""
    more = "from threadpoolctl import threadpool_limits\nthreadpool_limits(2)\n"
    back = "threadpool_limits(1)\n"
    big = "        [np.ones((2048, 2048)) @ np.ones((2048, 2048)) for _ in range(2)]\n"
    for _ in range(5):
        done = launched(folder, more + LOOP.replace(CLOCK, CLOCK + big) + back)
        assert done.returncode == 0, done.stderr
        record = Record.read(folder / "record.json")
        assert record.environment.threads["blas"] == 1, "as if it were one"
        if any(e.processor_seconds > 1.3 * e.seconds + 0.1 for e in record.measured.epochs):
            assert findings(folder) == {"threads"}
            return
    pytest.skip("no two cores were free")


def test_an_asynchronous_framework_cannot_stop_its_clock_before_its_work_is_done(
    environments, tmp_path
):
    """As it might well: the clock around the loop alone, the numbers asked for behind it."""
    folder = launching.prepare(tmp_path, "mxnet", requested=SETTINGS)
    right = axes.trainer("controlled", "mxnet").read_text()
    wrong = re.sub(r"\n {8}(#|losses = |epoch\.losses = |epoch\.finish)", r"\n    \1", right)
    assert wrong != right
    (folder / "trainer.py").write_text(wrong)
    python = environments / "mxnet-cpu/bin/python"
    done = launching.launch(folder, "trainer.py", SETTINGS, python=python)
    assert done.returncode != 0
    assert "its clock stopped before finish(weights)" in done.stderr
