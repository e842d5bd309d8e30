"""The launcher: what reaches the trainer's process, and whose round a run gets into."""

import json
import os
import shutil
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest

from support import launching
from toolbox import launch
from toolbox.machine import alias, machine, where
from toolbox.record import Record

pytestmark = pytest.mark.fast

NUMPY = launching.TRAINERS / "controlled/numpy_mlp.py"
# Stands for a trainer: while it runs, the round is opened again by another job.
TRAINER = """
import json, sys
opened = json.load(open("round.json"))
json.dump(opened | {changes}, open("round.json", "w"))
sys.exit({status})
"""
ANOTHER = [{"id": "2" * 32}, {"machine": {"job": "job-00000000"}}]


@pytest.fixture
def job(tmp_path):
    """Start a launcher, and beside it a process that stands for the Snakemake of the same job."""
    here = machine(launching.SECRET) | {"job": alias(launching.SECRET, "job", "7 node1")}
    launching.prepare(tmp_path, id="1" * 32, machine=here)
    ours = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "node1"}
    others = []

    def start(changes: dict, status: int, *options) -> tuple[subprocess.CompletedProcess, list]:
        (tmp_path / "trainer.py").write_text(TRAINER.format(changes=changes, status=status))
        for variables in (ours, ours | {"SLURMD_NODENAME": "node2"}, {}):
            environ = {"PATH": os.environ["PATH"]} | variables
            others.append(subprocess.Popen(["sleep", "600"], env=environ))
        done = launching.launch(tmp_path, "trainer.py", options=options, **ours)
        time.sleep(0.2)
        return done, [other.poll() for other in others]

    yield start
    for other in others:
        other.kill()
        other.wait()


@pytest.mark.parametrize("status", [0, 1], ids=["a good end", "a bad end"])
@pytest.mark.parametrize("changes", ANOTHER, ids=["anew", "elsewhere"])
def test_a_job_whose_round_was_opened_by_another_is_ended_whole(job, tmp_path, changes, status):
    """With the Snakemake in it, which would delete outputs; no other process is touched."""
    done, others = job(changes, status)
    assert "was opened by another job" in done.stderr
    assert not (tmp_path / "record.json").exists()
    assert others == [-9, None, None]


@pytest.mark.parametrize("changes", ANOTHER, ids=["anew", "elsewhere"])
def test_a_run_outside_of_its_rounds_job_ends_no_process(job, changes):
    done, others = job(changes, 3, "--no-round-check")
    assert done.returncode == 3
    assert others == [None, None, None]


def test_a_trainer_that_fails_in_its_own_round_ends_no_process(job):
    done, others = job({}, 3)
    assert done.returncode == 3
    assert others == [None, None, None]


def test_a_trainer_that_fails_leaves_neither_record_nor_losses(tmp_path):
    launching.prepare(tmp_path)
    (tmp_path / "trainer.py").write_text("raise SystemExit(3)")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert launching.launch(tmp_path, "trainer.py").returncode == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_trainer_that_a_signal_ends_has_the_shells_status(tmp_path):
    launching.prepare(tmp_path)
    (tmp_path / "trainer.py").write_text("import os; os.kill(os.getpid(), 9)")
    assert launching.launch(tmp_path, "trainer.py").returncode == 128 + 9


def test_a_trainer_that_stands_still_is_ended_with_the_reason_after_its_own_words(tmp_path):
    launching.prepare(tmp_path)
    program = "import sys, time\nprint('a worker died', file=sys.stderr)\ntime.sleep(600)\n"
    (tmp_path / "trainer.py").write_text(program)
    before = sorted(path.name for path in tmp_path.iterdir())
    done = launching.launch(tmp_path, "trainer.py", options=["--stall-seconds", "1"])
    assert done.returncode == 128 + 9
    words, reason = done.stderr.splitlines()
    assert words == "a worker died"
    assert reason.startswith("trainer.py was ended: it stood still for 1 s in the part `import`")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_ended_a_trainer_and_its_helpers_is_named():
    watched = SimpleNamespace(stalled=None, struck=[])
    assert launch.why_it_ended(3, watched, 0) == "ended with exit status 3"
    assert launch.why_it_ended(-9, watched, 0) == "ended with exit status -9 (SIGKILL)"
    watched.struck = [signal.SIGBUS, signal.SIGKILL, signal.SIGBUS]
    why = launch.why_it_ended(1, watched, 2)
    assert "of its helpers, 3 had been ended by SIGBUS, SIGKILL" in why
    assert "this machine's kernel killed 2 for want of memory" in why


TRAP = "open({!r}, 'a').write('here')\n"


def test_what_the_user_has_set_up_for_python_does_not_reach_the_trainer(tmp_path):
    """Neither a PYTHONPATH nor what lies in the user's own site-packages."""
    python = launching.environment(tmp_path / "python")
    marker, folder = tmp_path / "marker", tmp_path / "mine"
    version = next((tmp_path / "python/lib").glob("python*")).name
    site = tmp_path / f"home/.local/lib/{version}/site-packages"
    for place, name in ((site, "usercustomize"), (folder, "sitecustomize")):
        place.mkdir(parents=True)
        (place / f"{name}.py").write_text(TRAP.format(str(marker)))
    (folder / "threadpoolctl.py").write_text("raise ImportError('the wrong one')")
    users = {"PYTHONPATH": str(folder), "HOME": str(tmp_path / "home")}

    subprocess.run([python, "-c", ""], env=users, check=True)
    assert marker.read_text() == "herehere", "the test's traps do not work"
    marker.unlink()

    launching.prepare(tmp_path)
    done = launching.launch(tmp_path, NUMPY, python=python, **users)
    assert done.returncode == 0, done.stderr
    assert not marker.exists()


@pytest.mark.parametrize("name", ["with space", "with:colon", "with ' quote", "é: all, of it"])
def test_the_code_may_lie_in_a_folder_of_any_name(tmp_path, name):
    code = tmp_path / name / "workflow/trainers"
    shutil.copytree(launching.TRAINERS, code)
    launching.prepare(tmp_path)
    done = launching.launch(tmp_path, code / "controlled/numpy_mlp.py", code=code)
    assert done.returncode == 0, done.stderr
    assert len(Record.read(tmp_path / "record.json").measured.epochs) == 2


def test_a_record_tells_what_was_requested_and_what_ran_it(tmp_path):
    launching.prepare(tmp_path, framework="numpy")
    options = ["--set", "OMP_PLACES=cores", "MINE_A=1", "OTHER=2", "--recorded", "MINE_"]
    done = launching.launch(tmp_path, NUMPY, options=options)
    assert done.returncode == 0, done.stderr
    record = Record.read(tmp_path / "record.json")
    assert record.round_id == f"{0:032x}"
    assert record.requested.competitor == "numpy-cpu"
    assert (record.requested.layers, record.requested.threads) == ([784, 16, 10], 1)
    assert (record.requested.train_images, record.requested.test_images) == (300, 100)
    assert [epoch.steps for epoch in record.measured.epochs] == [3, 3]
    recorded = record.environment.variables
    assert recorded["OMP_NUM_THREADS"] == "1" and recorded["OMP_PLACES"] == "cores"
    assert recorded["MINE_A"] == "1" and "OTHER" not in recorded
    phases = [phase.seconds for phase in record.measured.phases.values() if phase]
    assert sum(phases) == pytest.approx(record.measured.seconds)
    assert record.measured.phases["loader_pass"] is None
    assert record.measured.weights["w1"] == {"shape": [16, 784], "dtype": "float32"}
    assert list(record.measured.weights) == ["w1", "b1", "w2", "b2"]


def test_a_record_tells_what_the_user_had_set_without_names(tmp_path):
    launching.prepare(tmp_path, framework="numpy")
    options = ["--recorded", "MINE_", "--set", "MINE_A=1", "--unrecorded", "MINE_DEVICE"]
    users = {"MINE_HOME": "/home/me/mine:a=/b", "MINE_DEVICE": "3", "OMP_NUM_THREADS": "7"}
    users |= {"MINE_RATIO": "1/2", "LD_PRELOAD": "/scratch/Jane Doe/x.so", "OTHER": "x"}
    users |= {"MINE_NODE": where()["node"], "MINE_FLAGS": "-L/scratch/Jane Doe/lib"}
    done = launching.launch(tmp_path, NUMPY, options=options, **users)
    assert done.returncode == 0, done.stderr
    environment = Record.read(tmp_path / "record.json").environment
    assert environment.variables == dict.fromkeys(launch.THREAD_VARIABLES, "1") | {
        "MINE_A": "1",
        "MINE_FLAGS": "-L(path)",
        "MINE_HOME": "(path):a=(path)",
        "MINE_NODE": "(host)",
        "MINE_RATIO": "1/2",
        "LD_PRELOAD": "(path)",
    }
    users = ["LD_PRELOAD", "MINE_FLAGS", "MINE_HOME", "MINE_NODE", "MINE_RATIO"]
    assert environment.user_variables == users


def test_a_record_knows_the_machine_by_aliases_and_keeps_its_names_apart(tmp_path):
    launching.prepare(tmp_path, framework="numpy")
    assert launching.launch(tmp_path, NUMPY).returncode == 0
    content = json.loads((tmp_path / "record.json").read_text())
    names = {name for name in where().values() if name}
    assert names <= set(content.pop("where").values())
    assert not any(f'"{name}"' in json.dumps(content) for name in names)
    assert content["environment"]["machine"] == machine(launching.SECRET)
    other = machine("another secret")
    assert other["node"] != content["environment"]["machine"]["node"]
    assert other["fingerprint"] == content["environment"]["machine"]["fingerprint"]


def test_the_default_leaves_threads_to_the_library(monkeypatch):
    for name in (*launch.THREAD_VARIABLES, "ITS_OWN_THREADS", "UNTOUCHED"):
        monkeypatch.setenv(name, "3")
    env = launch.variables("default", ["ITS_OWN_THREADS"])
    assert not {*launch.THREAD_VARIABLES, "ITS_OWN_THREADS"} & set(env)
    assert env["UNTOUCHED"] == "3"


def test_a_number_of_threads_is_set_for_every_library(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    env = launch.variables("2", ["ITS_OWN_THREADS"], ["OMP_PLACES=a=b"])
    assert {env[name] for name in (*launch.THREAD_VARIABLES, "ITS_OWN_THREADS")} == {"2"}
    assert env["OMP_PLACES"] == "a=b"


def test_folders_of_libraries_are_those_inside_the_environment(monkeypatch, tmp_path):
    for name in ("nvidia/b/lib", "nvidia/a/lib", "other/lib"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(launch.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/theirs")
    env = launch.variables("default", library_folders="nvidia/*/lib")
    assert env["LD_LIBRARY_PATH"] == f"{tmp_path}/nvidia/a/lib:{tmp_path}/nvidia/b/lib:/theirs"
