"""A job that lives on unseen must not touch a round that another one has opened."""

import os
import subprocess
import sys
import time

import made_up
import pytest
import settings

from toolbox.machine import machine
from toolbox.record import write

ROUND = {"id": "1" * 32, "track": "controlled", "scenario": "x", "round": 0}
# Stands for a trainer: while it runs, the round is opened anew by another job.
TRAINER = """
import json, sys
opened = json.load(open("round.json"))
json.dump(opened | {changes}, open("round.json", "w"))
sys.exit({status})
"""


@pytest.fixture
def job(tmp_path):
    """Start a launcher, and beside it a process that stands for the Snakemake of the same job."""
    write(tmp_path / "round.json", ROUND | {"machine": machine() | {"job": "7 node1"}})
    receipt = {"framework": "a", "device": "cpu", "deployment": "conda", "image": None}
    write(tmp_path / "environment.json", receipt | {"lock_sha256": "0" * 64})
    made_up.packed(tmp_path / "data", 300, 100)
    ours = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "node1"}
    others = []

    def start(changes: dict, status: int) -> tuple[subprocess.CompletedProcess, list]:
        (tmp_path / "trainer.py").write_text(TRAINER.format(changes=changes, status=status))
        for variables in (ours, ours | {"SLURMD_NODENAME": "node2"}, {}):
            environ = {"PATH": os.environ["PATH"]} | variables
            others.append(subprocess.Popen(["sleep", "600"], env=environ))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "toolbox.launch", "--trainer", "trainer.py"),
                *("--environment", "environment.json", "--round", "round.json"),
                *("--record", "record.json", "--losses", "losses.npy", "--threads", "1"),
                *("--", "--data", "data"),
            ],
            env=os.environ | ours | {"PYTHONPATH": str(settings.ROOT / "workflow/trainers")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        time.sleep(0.2)
        return done, [other.poll() for other in others]

    yield start
    for other in others:
        other.kill()
        other.wait()


@pytest.mark.parametrize("status", [0, 1], ids=["a good end", "a bad end"])
@pytest.mark.parametrize(
    "changes", [{"id": "2" * 32}, {"machine": {"job": "7 node2"}}], ids=["anew", "elsewhere"]
)
def test_a_job_whose_round_was_opened_by_another_is_ended_whole(job, tmp_path, changes, status):
    """With the Snakemake in it, which would delete outputs; nobody else's process is touched."""
    done, others = job(changes, status)
    assert "was opened by another job" in done.stderr
    assert not (tmp_path / "record.json").exists()
    assert others == [-9, None, None]


def test_a_trainer_that_fails_in_its_own_round_ends_nobody(job):
    done, others = job({}, 3)
    assert done.returncode == 3
    assert others == [None, None, None]
