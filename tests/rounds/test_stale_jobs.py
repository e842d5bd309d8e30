"""Which of a user's Slurm jobs are ended before a workflow starts."""

import subprocess

import pytest

from evenhand.rounds import stale_jobs

pytestmark = pytest.mark.fast

UUID = "6f1d8e4e-5b0a-4a3e-9d53-0c5b7f6a2d10"
QUEUE = f"""\
1|{UUID}|/home/me/evenhand
2|night_{UUID}|/home/me/evenhand
3|{UUID}|/home/me/elsewhere
4|bash|/home/me/evenhand
5|{UUID}|/home/me/evenhand
"""


def test_only_snakemakes_jobs_from_this_folder_are_ended_and_never_ones_own(monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stdout=QUEUE)

    monkeypatch.setattr(stale_jobs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(stale_jobs.subprocess, "run", run)
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    assert stale_jobs.cancel("/home/me/evenhand") == ["1", "2"]
    assert [command[0] for command in commands] == ["squeue", "scancel", "scancel"]
    assert all(command[-2:] == ["1", "2"] for command in commands[1:])


def test_without_slurm_there_is_nothing_to_end(monkeypatch):
    monkeypatch.setattr(stale_jobs.shutil, "which", lambda name: None)
    assert stale_jobs.cancel("/home/me/evenhand") == []
