"""Rounds that the first ones fix: one checkpoint, which decides once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from support.checkouts import checkout, planned, planned_after_a_change, snakemake

FIRST, LIMIT = 3, 4
ANALYSIS = {"compare", "compare_nodes", "statements", "figures", "report"}
OF_RUNS = {"collect", "audit", "gate", "tutorial_check", *ANALYSIS}
LAST = f"results/runs/controlled/baseline/{LIMIT - 1}/numpy-cpu.json"


@pytest.fixture(scope="module")
def precise(tmp_path_factory, environments) -> Path:
    """A checkout after a run whose precision no machine reaches: it ends at the limit of rounds."""
    folder = checkout(
        tmp_path_factory.mktemp("precise") / "evenhand",
        environments,
        frameworks=["numpy", "jax"],
        tracks=["controlled"],
        precision=1e-6,
        rounds=FIRST,
        rounds_at_most=LIMIT,
    )
    before = planned(folder)
    assert (before["round"], before["train"], before["fix_rounds"]) == (FIRST, 2 * FIRST, 1)
    said = snakemake(folder)
    assert f"The plan: {FIRST} rounds, then up to {LIMIT}, " in said
    assert f"controlled baseline: {FIRST} rounds, then {LIMIT} in all, of " in said
    return folder


def test_all_that_follows_has_every_round(precise):
    results = precise / "results"
    (fixed,) = json.loads((results / "rounds.json").read_text())["contests"]
    assert fixed["all"] == LIMIT < fixed["wanted"]
    assert json.loads((results / "configuration.json").read_text())["fixed_rounds"] == [fixed]
    runs = pd.read_csv(results / "runs.csv")
    assert runs["round"].value_counts().to_dict() == dict.fromkeys(range(LIMIT), 2)
    comparison = pd.read_csv(results / "comparison.csv")
    assert comparison["rounds"].tolist() == [LIMIT]
    assert {int(path.stem) for path in results.glob("reference/baseline/*.npz")} == {*range(LIMIT)}
    assert f"stopped at the limit of {LIMIT} rounds" in (results / "report.html").read_text()


def test_rounds_that_were_added_come_after_the_first(precise):
    runs = pd.read_csv(precise / "results/runs.csv").sort_values("started")
    assert runs["round"].is_monotonic_increasing


def test_a_second_start_has_nothing_to_do_and_the_plan_says_what_was_fixed(precise):
    assert planned(precise) == {}
    said = snakemake(precise, "plan")
    assert f"{FIRST} rounds, then {LIMIT} in all, 0 timed runs to do" in said


def test_the_audit_fixes_the_same_number_again(precise):
    run = subprocess.run(
        [sys.executable, "workflow/scripts/audit.py"], cwd=precise, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("0 tables differ\n")


def test_a_record_with_another_date_alone_decides_nothing_again(precise):
    path = precise / "results/runs/controlled/baseline/0/numpy-cpu.json"
    before = path.stat()
    os.utime(path)
    try:
        assert planned(precise) == {}
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_added_round_that_was_interrupted_goes_on_and_is_not_decided_again(precise):
    """A start that was killed in the last round leaves it so: without what follows from all."""
    missing = [precise / LAST]
    missing += [precise / f"results/{name}" for name in ("runs.csv", "epochs.csv", "report.html")]
    content = {path: (path.read_bytes(), path.stat()) for path in missing}
    for path in missing:
        path.unlink()
    try:
        jobs = planned(precise)
        said = snakemake(precise, "plan")
    finally:
        for path, (whole, before) in content.items():
            path.write_bytes(whole)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert jobs["train"] == 1 and set(jobs) - {"all"} == {"train", "reference", *OF_RUNS}
    assert f"{FIRST} rounds, then {LIMIT} in all, 1 timed run to do" in said


def test_first_runs_that_are_made_again_decide_again(precise):
    jobs = planned_after_a_change(precise, "workflow/trainers/controlled/numpy_mlp.py")
    assert (jobs["train"], jobs["fix_rounds"]) == (FIRST, 1), "of the others nothing is known yet"


@pytest.mark.parametrize("change", ["precision=1e-5", f"rounds_at_most={LIMIT + 1}"])
def test_another_precision_or_limit_decides_again_by_the_same_rounds(precise, change):
    jobs = planned(precise, "--config", change)
    assert jobs["fix_rounds"] == 1 and not {"round", "train", "protocol"} & set(jobs)


def test_without_a_precision_the_first_rounds_are_all_and_nothing_waits(precise):
    jobs = planned(precise, "--config", "precision=null")
    assert set(jobs) - {"all"} == {"configuration", *OF_RUNS}


def test_an_edit_of_the_code_that_fixes_them_decides_again(precise):
    module = "workflow/scripts/evenhand/comparison/precision.py"
    assert "fix_rounds" in planned_after_a_change(precise, module)


def test_a_damaged_file_is_named_and_made_again(precise):
    path = precise / "results/rounds.json"
    whole = path.read_text()
    path.write_text(whole[:20])
    assert "Unlocked" in snakemake(precise, "--unlock")
    assert "results/rounds.json: not whole JSON" in snakemake(precise)
    assert path.read_text() == whole
    assert planned(precise) == {}
