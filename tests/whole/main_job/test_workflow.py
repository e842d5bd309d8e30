"""Whole runs on made-up digits, with the real frameworks in their real environments."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from support.checkouts import checkout, command, planned, planned_after_a_change, snakemake

TABLES = ["runs", "epochs", "audit", "gate", "gate_steps", "tutorial_check", "comparison"]
TABLES += ["remarks", "thread_effect", "gains", "nodes"]


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"results/{name}.csv")


def test_the_main_job_ends_in_a_report_with_every_run(finished):
    assert (finished / "results/report.html").stat().st_size > 10_000
    runs = table(finished, "runs")
    expected = {
        (track, scenario, number, competitor)
        for track, scenario, frameworks in [
            ("tutorial", "baseline", ["pytorch", "mxnet"]),
            ("tutorial", "one-thread", ["pytorch", "mxnet"]),
            ("controlled", "baseline", ["pytorch", "mxnet", "numpy", "jax"]),
        ]
        for number in (0, 1)
        for competitor in (f"{framework}-cpu" for framework in frameworks)
    }
    identity = ["track", "scenario", "round", "competitor"]
    assert set(runs[identity].itertuples(index=False, name=None)) == expected
    assert not runs.duplicated(identity).any()
    assert len(table(finished, "epochs")) == 2 * len(runs)


def test_every_table_is_there(finished):
    for name in TABLES:
        assert (finished / f"results/{name}.csv").exists(), name


def test_every_column_is_documented(finished):
    documented = set(re.findall(r"`(\w+)`", (finished / "docs/tables.md").read_text()))
    for name in TABLES:
        assert set(table(finished, name).columns) <= documented, name


def test_the_audit_finds_no_error(finished):
    found = table(finished, "audit")
    assert found[found["severity"] == "error"].empty, found.to_string()


def audited(folder: Path, results: Path) -> subprocess.CompletedProcess:
    """The audit of a results folder from the command line of a checkout."""
    program = [sys.executable, folder / "workflow/scripts/audit.py", results]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_all_tables_follow_from_the_records_and_an_edit_is_named(finished, tmp_path):
    whole = audited(finished, finished / "results")
    assert whole.stdout.endswith(" notes, 0 tables differ\n"), whole.stdout + whole.stderr
    copy = shutil.copytree(finished / "results", tmp_path / "copy", symlinks=True)
    comparison = pd.read_csv(copy / "comparison.csv")
    comparison.assign(rounds=7).to_csv(copy / "comparison.csv", index=False)
    edited = audited(finished, copy)
    assert edited.returncode == 3
    assert ", rounds: '7', computed '2'" in edited.stdout
    assert edited.stdout.endswith(" notes, 1 tables differ\n")


def test_neither_page_nor_configuration_names_the_users_folder(finished):
    folder = str(finished / "mine")
    assert folder in (finished / "config/config.yaml").read_text()
    for name in ("configuration.json", "report.html"):
        assert folder not in (finished / "results" / name).read_text(), name


def test_every_framework_passes_the_gate(finished):
    gate = table(finished, "gate")
    assert set(gate["competitor"]) == {"pytorch-cpu", "mxnet-cpu", "numpy-cpu", "jax-cpu"}
    assert set(gate["tier"]) == {"float64", "float32"}
    assert gate["passed"].all(), gate[~gate["passed"]].to_string()


def test_thread_counts_are_as_asked(finished):
    runs = table(finished, "runs").set_index(["scenario"])
    one = runs.loc["one-thread", ["threads_framework", "threads_openmp", "threads_blas"]]
    assert one.max().max() == 1
    tells = runs["competitor"] != "jax-cpu"  # of whose threads nothing tells, but the launcher
    assert runs.loc[tells.to_numpy(), "threads_framework"].notna().all()
    baseline = json.loads(
        (finished / "results/runs/tutorial/baseline/0/pytorch-cpu.json").read_text()
    )["environment"]
    assert "OMP_NUM_THREADS" not in baseline["variables"]
    # The pool of NumPy, in which the toolbox evaluates, says nothing about PyTorch.
    assert {pool["own"] for pool in baseline["pools"] if "numpy" in pool["file"]} == {False}
    assert baseline["threads"]["blas"] is None


def test_runs_follow_the_random_order_one_at_a_time(finished):
    runs = table(finished, "runs").sort_values("started")
    for _, members in runs.groupby(["track", "scenario", "round"], sort=False):
        assert list(members["position"]) == sorted(members["position"])
    begin = pd.to_datetime(runs["started"])
    end = begin + pd.to_timedelta(runs["process_seconds"], unit="s")
    assert (begin.iloc[1:].to_numpy() >= end.iloc[:-1].to_numpy()).all()


def test_the_trainers_print_the_tutorials_log_line(finished):
    for framework in ("pytorch", "mxnet"):
        log = (finished / f"logs/train/tutorial/baseline/0/{framework}-cpu.log").read_text()
        lines = re.findall(r"^epoch (\d), avg loss \d\.\d{4}, time \d+\.\d\d$", log, re.MULTILINE)
        assert lines == ["0", "1"]


def test_a_second_run_has_nothing_to_do(finished):
    assert planned(finished) == {}


def test_another_python_for_the_workflow_builds_no_environment_again(environments, tmp_path):
    """A virtual environment of the workflow's own, made in another place."""
    elsewhere = tmp_path / "python"
    elsewhere.symlink_to(sys.executable)
    code = "import sys; from snakemake.cli import main; sys.executable = sys.argv.pop(1); main()"
    dry_run = [sys.executable, "-c", code, elsewhere, "--cores", "2", "--dry-run"]
    run = subprocess.run(
        [*dry_run, "results/environments/numpy-cpu.json"],
        cwd=environments.parents[1],
        capture_output=True,
        text=True,
    )
    assert "Nothing to be done" in run.stdout + run.stderr, run.stdout[-3000:]


def test_snakemakes_limit_of_jobs_a_second_is_off_where_jobs_run_beside_it(tmp_path):
    """It wakes the scheduler each second, once for every job that has ended, beside the clock."""
    folder = checkout(tmp_path / "evenhand")
    asked = (
        "from snakemake.cli import main; import snakemake.scheduling.job_scheduler as scheduling\n"
        "scheduling.JobRateLimiter.get_free_jobs = lambda limit: print('asked') or limit.max_jobs\n"
        "main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", asked, "--cores", "2", "results/secret/key"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "asked" not in run.stdout


def test_the_plan_can_be_asked_for_alone(finished):
    assert "Every run is there." in snakemake(finished, "plan")
    said = snakemake(finished, "plan", "--config", "rounds=4")
    assert "4 rounds, 16 timed runs to do" in said
    assert planned(finished) == {}


def test_an_unknown_framework_is_refused_even_where_a_report_exists(finished):
    output = snakemake(finished, "--config", "frameworks=[pytorch,mxnett]", fails=True)
    assert "unknown name `mxnett`; did you mean `mxnet`?" in output
    assert "Nothing to be done" not in output


def test_a_changed_trainer_runs_its_own_jobs_again_and_no_others(finished):
    jobs = planned_after_a_change(finished, "workflow/trainers/controlled/numpy_mlp.py")
    assert jobs["train"] == 2, "the rounds of one framework in one track"
    assert jobs["rehearse"] == 1
    assert not {"round", "environment", "download", "prepare", "protocol"} & set(jobs)


def test_a_changed_toolbox_runs_every_round_again(finished):
    jobs = planned_after_a_change(finished, "workflow/trainers/toolbox/run.py")
    assert (jobs["round"], jobs["train"], jobs["rehearse"]) == (6, 16, 4)
    assert not {"environment", "download", "prepare", "protocol", "reference"} & set(jobs)


def test_a_workflow_killed_in_mid_round_ends_with_whole_tables(environments, tmp_path):
    """SIGKILL to everything at once, then the same command again."""
    folder = checkout(
        tmp_path / "evenhand",
        environments,
        frameworks=["pytorch", "mxnet", "numpy"],
        tracks=["controlled"],
        rounds=3,
    )
    process = subprocess.Popen(
        command(),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    runs = folder / "results/runs/controlled/baseline"
    deadline = time.monotonic() + 300
    while len(list(runs.glob("1/*.json"))) == 0:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline, "never came to the second round"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {path: path.read_bytes() for path in runs.glob("*/*.json")}
    assert 0 < len(list(runs.glob("1/*.json"))) < 3

    snakemake(folder, "--unlock")
    snakemake(folder)
    table_ = table(folder, "runs")
    assert len(table_) == 9
    assert not table_.duplicated(["round", "competitor"]).any()
    ids = [json.loads(path.read_text())["id"] for path in runs.glob("*/*.json")]
    assert len(set(ids)) == 9
    kept = [path for path, content in before.items() if path.read_bytes() == content]
    assert len(kept) >= 3, "what was whole is not run again"
    found = table(folder, "audit")
    assert found[found["severity"] == "error"].empty, found.to_string()


def test_a_framework_that_breaks_leaves_no_record_and_the_others_go_on(environments, tmp_path):
    folder = checkout(
        tmp_path / "evenhand",
        environments,
        tracks=["controlled"],
        rounds=1,
    )
    trainer = folder / "workflow/trainers/controlled/mxnet_mlp.py"
    # not on the doctor's 256 images
    breaks = "if len(images) > 256:\n    raise SystemExit(7)\nrun.finish("
    trainer.write_text(trainer.read_text().replace("run.finish(", breaks))
    snakemake(folder, "--keep-going", fails=True)
    records = {path.stem for path in (folder / "results/runs/controlled/baseline/0").glob("*.json")}
    assert records == {"pytorch-cpu", "numpy-cpu", "jax-cpu"}
    log = folder / "logs/train/controlled/baseline/0/mxnet-cpu.log"
    assert "ended with exit status 7" in log.read_text()
    assert not (folder / "results/report.html").exists()
