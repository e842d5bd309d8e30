"""Faults on a cluster: run again, and the tables are complete and right, nothing counted twice."""

import json
import os
import subprocess

import pytest
from project import BREAKABLE, FRAMEWORKS

REACHED_THEN_WAIT = """
import time
open(f"reached-{os.environ.get('SLURM_JOB_ID')}-{os.environ.get('SLURMD_NODENAME')}", "w").close()
while os.path.exists("fault"):
    time.sleep(0.1)
"""


@pytest.fixture
def project(project):
    """One round, whose second framework can be broken."""
    project.configure(rounds=1)
    return project


def reached(project, cluster, but=()):
    """Wait until a breakable trainer has come to its fault, in another job than these: the job."""
    found = lambda: {path.name for path in project.folder.glob("reached-*")} - set(but)  # noqa: E731
    return cluster.until(found, "a trainer is in the middle of its round").pop()


def number_and_node(name: str) -> tuple[str, str]:
    _, number, node = name.split("-")
    return number, node


def assert_complete(project):
    """Every run once, all of the one round as it stands, and nothing that the audit minds."""
    runs = project.runs()
    assert sorted(runs["framework"]) == sorted(FRAMEWORKS)
    opened = json.loads((project.results / "rounds/controlled/baseline/0.json").read_text())
    assert set(runs["round_id"]) == {opened["id"]}
    records = [json.loads((project.folder / path).read_text()) for path in runs["record"]]
    assert {record["environment"]["machine"]["job"] for record in records} == {
        opened["machine"]["job"]
    }
    errors = project.audit().query("severity == 'error'")
    assert errors.empty, errors.to_string()


def test_a_cancelled_job(project, cluster):
    project.break_with(REACHED_THEN_WAIT)
    snakemake = project.start()
    number, _ = number_and_node(reached(project, cluster))
    cluster("scancel", number)
    assert snakemake.wait(timeout=600) == 1, project.said()
    assert not list(project.results.glob("runs/*/*/*/*.json")), "part of a lost round was kept"
    project.repair()
    assert project.run() == 0, project.said()
    assert_complete(project)


def test_a_node_that_dies(project, cluster):
    """Its processes live on unseen, and so do the round's, which Slurm starts again elsewhere."""
    project.break_with(REACHED_THEN_WAIT)
    snakemake = project.start()
    first = reached(project, cluster)
    number, node = number_and_node(first)
    cluster.kill_node(node)
    cluster.until(lambda: "down" in cluster.state(node), f"{node} is down")
    cluster("scontrol", "update", f"JobId={number}", "StartTime=now")
    reached(project, cluster, but=[first])
    project.repair()
    assert snakemake.wait(timeout=600) == 0, project.said()
    assert_complete(project)
    cluster.start_node(node)
    cluster.until(lambda: cluster.state(node) == "idle", f"{node} is back")


def test_a_drained_node(project, cluster):
    """It finishes what it has, and gets no more."""
    project.break_with(REACHED_THEN_WAIT)
    snakemake = project.start()
    _, node = number_and_node(reached(project, cluster))
    cluster("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    project.repair()
    assert snakemake.wait(timeout=600) == 0, project.said()
    cluster("scontrol", "update", f"NodeName={node}", "State=RESUME")
    assert_complete(project)


def test_a_killed_snakemake_started_again_while_its_job_still_runs(project, cluster):
    """The job that nobody waits for is ended, and its round run again."""
    project.break_with(REACHED_THEN_WAIT)
    snakemake = project.start()
    first = reached(project, cluster)
    snakemake.kill()
    snakemake.wait()
    assert project.run("--unlock") == 0
    second = project.start()
    reached(project, cluster, but=[first])
    project.repair()
    assert second.wait(timeout=600) == 0, project.said()
    number, _ = number_and_node(first)
    assert number in cluster.jobs("CANCELLED", "FAILED", "NODE_FAIL")
    assert_complete(project)


def test_a_trainer_that_hangs_is_stopped_by_the_time_limit(project, cluster):
    project.break_with(REACHED_THEN_WAIT)
    snakemake = project.start()
    number, _ = number_and_node(reached(project, cluster))
    cluster("scontrol", "update", f"JobId={number}", "TimeLimit=1")
    assert snakemake.wait(timeout=600) == 1, project.said()
    assert number in cluster.jobs("TIMEOUT")
    project.repair()
    assert project.run() == 0, project.said()
    assert_complete(project)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        pytest.param([], "raise SystemExit(1)", id="exit status 1"),
        pytest.param(
            ["--default-resources", "mem_mb=1500"],
            "import time; hoard = bytearray(b'x') * (2 << 30); time.sleep(60)",
            id="out of memory",
        ),
    ],
)
def test_a_trainer_that_dies(project, flags, fault):
    project.break_with(fault)
    assert project.run(*flags) == 1, project.said()
    assert not list(project.results.glob(f"runs/*/*/*/{BREAKABLE}-cpu.json"))
    project.repair()
    assert project.run(*flags) == 0, project.said()
    assert_complete(project)


def test_a_full_disk(project):
    runs = project.results / "runs"
    runs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", runs], check=True)
    try:
        project.break_with("open('results/runs/full', 'wb', 0).write(bytes(60_000))")
        assert project.run() == 1, project.said()
        assert not list(runs.glob(f"*/*/*/{BREAKABLE}-cpu.json"))
        (runs / "full").unlink()
        project.repair()
        assert project.run() == 0, project.said()
        assert_complete(project)
    finally:
        subprocess.run(["umount", runs], check=True)


def test_a_broken_framework_keeps_no_other_from_its_results(template, tmp_path):
    """On one machine, where a round outlives a member that fails."""
    project = template.copy(tmp_path / "project", dict(os.environ))
    project.break_with("raise SystemExit(1)")
    assert project.run("--keep-going", profile=[]) == 1, project.said()
    rounds = project.results / "rounds/controlled/baseline"
    opened = {path.name: path.read_text() for path in rounds.iterdir()}
    others = [name for name in FRAMEWORKS if name != BREAKABLE]
    assert project.run("--config", f"frameworks=[{','.join(others)}]", profile=[]) == 0, (
        project.said()
    )
    assert opened == {path.name: path.read_text() for path in rounds.iterdir()}, "rounds ran again"
    assert project.runs()["framework"].value_counts().to_dict() == dict.fromkeys(others, 3)
    missing = project.audit().query("check == 'missing'")
    assert missing["framework"].tolist() == [BREAKABLE] * 3
