"""The clock in the launcher's process: the parts of a run, and who worked in them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from support import launching
from toolbox import stopwatch

pytestmark = pytest.mark.fast

# A launcher's process: it becomes the parent of what is left behind, so not the tests' own.
WATCH = """
import json, sys, os
from toolbox.stopwatch import Stopwatch
stopwatch = Stopwatch(*map(float, sys.argv[2:]))
status = stopwatch.run([sys.executable, "-c", sys.argv[1]], dict(os.environ))
parts = [(p.name, p.begin, p.end, vars(p.work), p.helpers) for p in stopwatch.parts]
print(json.dumps([status, stopwatch.seconds, stopwatch.left_running, parts]))
stands = {"stalled": stopwatch.stalled, "struck": [one.name for one in stopwatch.struck]}
print(json.dumps(stands), file=sys.stderr)
"""
TRAINER = """
import os, subprocess, sys, time
from toolbox.stopwatch import Line
line = Line(int(sys.argv[sys.argv.index("--line") + 1]))
def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""


def watch(program: str, *stall_seconds: float) -> tuple[list[str], dict[str, str]]:
    """The command, and its variables, that runs a trainer with this program under a stopwatch."""
    command = [sys.executable, "-c", WATCH, TRAINER + program, *map(str, stall_seconds)]
    return command, {"PYTHONPATH": str(launching.TRAINERS)}


def run(program: str, *stall_seconds: float) -> subprocess.CompletedProcess:
    """A stopwatch's process after a trainer with this program."""
    command, env = watch(program, *stall_seconds)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True)


def watched(program: str) -> tuple[int, float, int, list]:
    """Exit status, seconds, processes left, and the parts of a trainer with this program."""
    return json.loads(run(program).stdout)


def stood_still(program: str, stall_seconds: float = 1.0) -> tuple[int, dict]:
    """Exit status, and what was seen, of a trainer that may stand still for so long."""
    done = run(program, stall_seconds)
    return json.loads(done.stdout)[0], json.loads(done.stderr.splitlines()[-1])


def test_the_parts_follow_one_another_and_are_the_whole():
    status, seconds, left, parts = watched(
        "for part in ['load', 'between', 'epochs', 'between', 'epochs', 'rest']:\n"
        "    line.begins(part)\n"
    )
    assert (status, left) == (0, 0)
    names = [name for name, *_ in parts]
    assert names == ["import", "load", "between", "epochs", "between", "epochs", "rest"]
    ends = [end for _, _, end, *_ in parts]
    assert [begin for _, begin, *_ in parts] == [0.0, *ends[:-1]]
    assert ends[-1] == seconds
    assert ends == sorted(ends)


def test_what_is_worked_is_told_of_the_part_in_which_it_was():
    *_, parts = watched(
        "line.begins('epochs')\nspin(0.3)\nline.begins('between')\nline.begins('rest')\nspin(0.2)\n"
    )
    work = {name: of["process"] for name, _, _, of, _ in parts}
    assert work["epochs"] == pytest.approx(0.3, abs=0.05)
    assert work["between"] < 0.05
    assert 0.15 < work["rest"] < 0.5


@pytest.mark.parametrize(
    "start",
    [
        "child = os.fork()\nif not child:\n    spin(0.3)\n    os._exit(0)\nos.waitpid(child, 0)\n",
        # detached: no longer a child of the trainer, in a session of its own
        "if not os.fork():\n    os.setsid()\n    if not os.fork():\n        spin(0.3)\n"
        "    os._exit(0)\ntime.sleep(0.8)\n",
        # nobody waits for it: the kernel drops its account, but it was seen
        "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "if not os.fork():\n    spin(0.9)\n    os._exit(0)\ntime.sleep(1.5)\n",
        "code = 'import time\\nwhile time.process_time() < 0.3: pass'\n"
        "subprocess.run([sys.executable, '-c', code])\n",
    ],
    ids=["forked", "detached", "not waited for", "another program"],
)
def test_processes_that_help_are_seen(start):
    status, _, left, parts = watched(f"line.begins('epochs')\n{start}line.begins('between')\n")
    assert (status, left) == (0, 0)
    (work,) = (of for name, _, _, of, _ in parts if name == "epochs")
    assert work["helpers"] > 0.15
    assert work["process"] < 0.15


def test_a_helper_that_is_alive_at_the_end_has_its_seconds_told():
    status, _, left, parts = watched(
        "line.begins('epochs')\n"
        "if not os.fork():\n    spin(0.4)\n    time.sleep(600)\n    os._exit(0)\n"
        "time.sleep(1)\nline.begins('between')\nline.begins('rest')\n"
    )
    assert (status, left) == (0, 1)
    work = {name: of for name, _, _, of, _ in parts}
    assert work["epochs"]["helpers"] > 0.3
    assert all(seconds >= 0 for of in work.values() for seconds in of.values())


def test_a_process_that_goes_on_after_the_end_is_killed_and_counted():
    status, seconds, left, _ = watched(
        "if not os.fork():\n    os.setsid()\n    time.sleep(600)\n    os._exit(0)\n"
    )
    assert (status, left) == (0, 1)
    assert seconds < 300, "its end was not waited for"


@pytest.mark.parametrize("listed", [True, False], ids=["lists", "no lists"])
def test_descendants_are_found_whether_the_kernel_lists_children_or_not(monkeypatch, listed):
    if listed and not os.path.exists(stopwatch.CHILDREN.format(os.getpid())):
        pytest.skip("this kernel keeps no list of children")
    if not listed:
        monkeypatch.setattr(stopwatch, "CHILDREN", "/nowhere")
    code = "import subprocess, sys; subprocess.run(['sleep', sys.argv[1]])"
    child = subprocess.Popen([sys.executable, "-c", code, "600"])
    try:
        while len(found := stopwatch.descendants(child.pid)) < 1:
            assert child.poll() is None
        assert child.pid in stopwatch.descendants(os.getpid())
        assert set(found) <= set(stopwatch.descendants(os.getpid()))
    finally:
        for process in [*found, child.pid]:
            os.kill(process, 9)
        child.wait()


def test_a_trainer_does_not_train_on_without_its_launcher():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = stopwatch.Line(theirs.detach())
    ours.close()
    with pytest.raises(ConnectionError):
        line.begins("epochs")


def test_a_trainer_that_dies_has_its_exit_status():
    assert watched("line.begins('load')\nos._exit(7)\n")[0] == 7
    assert watched("line.begins('load')\nos.kill(os.getpid(), 9)\n")[0] == -9


@pytest.mark.parametrize(
    ("program", "part"),
    [
        ("line.begins('epochs')\ntime.sleep(600)\n", "epochs"),
        ("time.sleep(600)\n", "import"),
        # who looks up now and then, as loaders do, does not get on either
        ("line.begins('load')\nwhile True:\n    time.sleep(0.5)\n", "load"),
        # its work is done, and it does not end
        ("line.begins('rest')\nline.socket.close()\ntime.sleep(600)\n", "rest"),
    ],
    ids=["in an epoch", "before the first part", "looking up", "at its end"],
)
def test_a_run_that_stands_still_is_ended_and_its_part_is_named(program, part):
    assert stood_still(program) == (-9, {"stalled": part, "struck": []})


def test_helpers_of_a_run_that_stood_still_are_ended_with_it(tmp_path):
    program = (
        "helper = os.fork()\n"
        "if not helper:\n    time.sleep(600)\n"
        f"open({str(tmp_path / 'helper')!r}, 'w').write(str(helper))\n"
        "os.waitpid(helper, 0)\n"
    )
    assert stood_still(program)[0] == -9
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "helper").read_text()), 0)


@pytest.mark.parametrize(
    "program",
    [
        "for _ in range(6):\n    time.sleep(0.7)\n    line.begins('between')\n",
        "for _ in range(6):\n    time.sleep(0.7)\n    spin(0.05)\n",
        # the trainer waits, and somebody works for it
        "if not os.fork():\n    spin(4)\n    os._exit(0)\nos.wait()\n",
    ],
    ids=["parts begin", "it works", "a helper works"],
)
def test_a_run_that_gets_on_is_not_ended(program):
    assert stood_still(program, stall_seconds=3) == (0, {"stalled": None, "struck": []})


def test_while_a_run_is_stopped_with_its_launcher_it_does_not_stand_still():
    """As a scheduler stops a job for another one, and wakes it up later."""
    program = "time.sleep(2)\nos.kill(os.getppid(), 19)\nos.kill(os.getpid(), 19)\ntime.sleep(1)\n"
    command, env = watch(program, 6.0)  # twice as long as the program sleeps
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as launcher:
        while stopwatch.stat(launcher.pid)[0] != b"T":
            assert launcher.poll() is None
            time.sleep(0.1)
        time.sleep(7)
        for process in (*stopwatch.descendants(launcher.pid), launcher.pid):
            os.kill(process, signal.SIGCONT)
        status, *_ = json.loads(launcher.stdout.read())
    assert status == 0


@pytest.mark.parametrize("waits", [True, False], ids=["child", "orphan"])
def test_a_helper_that_a_signal_ended_is_named(waits):
    """SIGBUS is a full shared memory, SIGKILL often the kernel's want of memory."""
    die = "    os.kill(os.getpid(), signal.SIGBUS)\n"
    program = "import signal\n"
    if waits:
        program += f"if not os.fork():\n{die}time.sleep(600)\n"
    else:
        program += f"if not os.fork():\n    if os.fork():\n        os._exit(0)\n{die}"
        program += "time.sleep(600)\n"
    assert stood_still(program) == (-9, {"stalled": "import", "struck": ["SIGBUS"]})


def test_workers_that_a_loader_sends_home_are_not_named():
    program = (
        "helper = os.fork()\nif not helper:\n    time.sleep(600)\n"
        "os.kill(helper, 15)\ntime.sleep(600)\n"
    )
    assert stood_still(program)[1]["struck"] == []
