"""Reading the workflow changes nothing; only a real run makes again what was left behind."""

import json
import os
import re
from pathlib import Path

import pytest

from support.checkouts import checkout, planned, snakemake

READING = {
    "plan": ["plan"],
    "dry run": ["--dry-run"],
    "lint": ["--lint"],
    "summary": ["--summary"],
    "list of rules": ["--list-rules"],
    "rule graph": ["--rulegraph"],
    "unlock": ["--unlock"],
}
ROUND = "results/rounds/controlled/baseline/0.json"


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory, environments) -> Path:
    """A checkout after a run, whose first round has lost a run in a job of a cluster."""
    folder = checkout(
        tmp_path_factory.mktemp("reading") / "evenhand",
        tracks=["controlled"],
        frameworks=["numpy"],
        rounds=2,
    )
    snakemake(folder, "results/runs.csv")
    opened = json.loads((folder / ROUND).read_text())
    opened["machine"]["job"] = "7 n1"
    (folder / ROUND).write_text(json.dumps(opened))
    (folder / "results/runs/controlled/baseline/0/numpy-cpu.json").unlink()
    failed = {"competitor": "numpy-cpu", "fit": False, "findings": [["training", False, "fails"]]}
    examination = folder / "results/doctor/here/numpy-cpu.examination.json"
    examination.write_text(json.dumps(failed))
    os.utime(examination, (1, 1))  # older than the trainer, which was corrected since
    return folder


@pytest.fixture
def slurm(tmp_path) -> tuple[dict[str, str], Path]:
    """Programs of Slurm that write down how they are called, and a job of this folder to cancel."""
    calls = tmp_path / "calls"
    uuid = "6f1d8e4e-5b0a-4a3e-9d53-0c5b7f6a2d10"
    for name, answer in (("squeue", f"echo '1|{uuid}|'\"$PWD\""), ("scancel", "")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n{answer}\n')
        program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}, calls


def state(folder: Path) -> dict[str, tuple]:
    """Content and time of every file but Snakemake's own."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {".snakemake", "__pycache__"} & set(path.parts)
    }


@pytest.mark.parametrize("flags", READING.values(), ids=READING)
def test_reading_deletes_cancels_and_writes_nothing(left_behind, slurm, flags):
    variables, calls = slurm
    before = state(left_behind)
    snakemake(left_behind, *flags, **variables)
    assert state(left_behind) == before
    assert not calls.exists(), calls.read_text()


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (ROUND, "round"),
        ("results/doctor/here/numpy-cpu.examination.json", "examine"),
        ("results/environments/numpy-cpu.json", "environment"),
    ],
)
@pytest.mark.parametrize("cut", [0, 20])
def test_a_damaged_file_is_named_and_made_again(tmp_path, path, rule, cut):
    folder = checkout(tmp_path / "evenhand", tracks=["controlled"], frameworks=["numpy"], rounds=1)
    snakemake(folder, "results/runs.csv")
    whole = (folder / path).read_text()
    (folder / path).write_text(whole[:cut])
    assert "Unlocked" in snakemake(folder, "--unlock")
    dry = snakemake(folder, "--dry-run", "results/runs.csv")
    assert f"{path}: not whole JSON" in dry and f"rule {rule}:" in dry
    output = snakemake(folder, "results/runs.csv")
    assert f"{path}: not whole JSON" in output
    assert json.loads((folder / path).read_text()).keys() == json.loads(whole).keys()
    assert "Nothing to be done" in snakemake(folder, "--dry-run", "results/runs.csv")


def test_an_incomplete_round_is_shown_by_a_dry_run_and_run_again_as_a_whole(left_behind):
    first = json.loads((left_behind / ROUND).read_text())["id"]
    dry = snakemake(left_behind, "--dry-run", "results/runs.csv")
    assert f"{ROUND}: its job did not finish the round" in dry and "rule round:" in dry
    snakemake(left_behind, "results/runs.csv")
    opened = json.loads((left_behind / ROUND).read_text())
    assert opened["id"] != first
    record = left_behind / "results/runs/controlled/baseline/0/numpy-cpu.json"
    assert json.loads(record.read_text())["round_id"] == opened["id"]


def test_a_real_run_cancels_the_jobs_of_an_earlier_one(left_behind, slurm):
    variables, calls = slurm
    snakemake(left_behind, "results/runs.csv", "--config", "rounds=3", **variables)
    assert "scancel 1" in calls.read_text()


def test_the_file_of_an_excluded_competitor_is_refused_with_the_reason(tmp_path, environments):
    folder = checkout(
        tmp_path / "evenhand",
        environments,
        tracks=["controlled"],
        frameworks=["numpy", "pytorch"],
        rounds=1,
    )
    examination = folder / "results/doctor/here/pytorch-cpu.examination.json"
    examination.parent.mkdir(parents=True)
    findings = [["controlled training", False, "fails: no kernel image"]]
    failed = {"competitor": "pytorch-cpu", "fit": False, "findings": findings}
    examination.write_text(json.dumps(failed))
    for path in (
        "results/runs/controlled/baseline/0/pytorch-cpu.json",
        "results/rehearsals/controlled/baseline/0/pytorch-cpu.json",
    ):
        output = snakemake(folder, path, fails=True)
        why = "controlled training fails: no kernel image"
        assert f"pytorch-cpu takes no part in controlled baseline: {why}" in output
    page = snakemake(folder, "plan")
    assert "excluded: pytorch-cpu: controlled training fails: no kernel image" in page


def test_when_nobody_can_train_the_workflow_says_so_and_can_be_unlocked(tmp_path):
    folder = checkout(tmp_path / "evenhand", tracks=["controlled"], frameworks=["numpy"])
    examination = folder / "results/doctor/here/numpy-cpu.examination.json"
    examination.parent.mkdir(parents=True)
    failed = {"competitor": "numpy-cpu", "fit": False, "findings": [["training", False, "fails"]]}
    examination.write_text(json.dumps(failed))
    output = snakemake(folder, fails=True)
    assert "no competitor can train here" in output and "numpy-cpu: training fails" in output
    assert "Unlocked" in snakemake(folder, "--unlock")


def test_the_plan_alone_is_that_of_a_start_with_the_same_flags(tmp_path):
    folder = checkout(tmp_path / "evenhand", tracks=["controlled"], frameworks=["numpy"])
    snakemake(folder, "results/runs.csv")
    assert "Every run is there." in snakemake(folder, "plan")
    longer = ["--config", "scenarios={baseline: {epochs: 3, loader_workers: 2}}"]
    for flags in (["--config", "runtime=docker"], longer):
        assert planned(folder, *flags)["train"] == 2
        said = snakemake(folder, "plan", *flags)
        assert "2 timed runs to do" in said and "Every run is there." not in said
        assert "To be run again and replaced: 2 records in 2 rounds" in said
        assert ("deployed as virtual environment, now docker" in said) == (flags != longer)
        missing = re.search("There is no image|No container engine can be used", said)
        assert bool(missing) == (flags != longer), "what is missing is no error yet"
    assert "The plan" not in snakemake(folder, "doctor"), "none of its jobs is a timed run"
    before = (folder / ROUND).read_bytes()
    said = snakemake(folder, "results/runs.csv", *longer)
    assert "To be run again and replaced: 2 records in 2 rounds" in said
    assert "Every run is there." in snakemake(folder, "plan", *longer)
    assert (folder / ROUND).read_bytes() != before


@pytest.mark.parametrize("flags", [["rounds=2.0"], ["scenarios={baseline: {epochs: 2.0}}"]])
def test_a_whole_number_may_be_written_with_a_point(tmp_path, flags):
    folder = checkout(tmp_path / "evenhand", tracks=["controlled"], frameworks=["numpy"])
    assert "2 timed runs to do" in snakemake(folder, "plan", "--config", *flags)
    snakemake(folder, "--dry-run", "--config", *flags)
