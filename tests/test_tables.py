"""Tables as CSV or as Parquet: alike to whoever reads them, and one form at a time."""

import json
from pathlib import Path

import made_up_results
import pandas as pd
import pytest
import settings
from checkouts import checkout, snakemake
from made_up_results import records
from pandas.testing import assert_frame_equal
from tables import read_table, write_table


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = made_up_results.config(rounds=3)
    return made_up_results.tables(tmp_path_factory.mktemp("made-up"), config)


@pytest.mark.parametrize("name", ["runs", "epochs", "gate", "tutorial_check", "comparison"])
def test_both_forms_read_alike(made, tmp_path, name):
    write_table(made[name], tmp_path / "once.csv")
    write_table(made[name], tmp_path / "again.parquet")
    read = read_table(tmp_path / "again.parquet")
    assert list(read.columns) == list(made[name].columns) and len(read) == len(made[name]) > 0
    assert_frame_equal(read, read_table(tmp_path / "once.csv"), check_exact=True)


def test_a_column_has_one_type_however_long_the_table(tmp_path):
    threads = ["default"] * 200_000 + [1] * 200_000
    write_table(pd.DataFrame({"threads_asked": threads}), tmp_path / "runs.csv")
    assert set(read_table(tmp_path / "runs.csv")["threads_asked"]) == {"default", "1"}


@pytest.mark.parametrize(("before", "now"), [("csv", "parquet"), ("parquet", "csv")])
def test_a_table_of_the_other_form_does_not_stay_behind(made, tmp_path, before, now):
    write_table(made["runs"], tmp_path / f"runs.{before}")
    write_table(made["runs"].head(3), tmp_path / f"runs.{now}")
    assert [path.name for path in tmp_path.iterdir()] == [f"runs.{now}"]


def test_the_number_of_runs_decides_the_form():
    config = made_up_results.config()
    a_round = 2 + 2 + 3  # tutorial in two scenarios, controlled in one
    most = settings.MOST_RUNS_IN_CSV // a_round
    assert settings.table_form(config | {"rounds": most}) == "csv"
    assert settings.table_form(config | {"rounds": most + 1}) == "parquet"


def analyzed(folder: Path, most_runs_in_csv: int, *targets: str) -> Path:
    """These results of a checkout's analysis of made-up records, with another limit for CSV."""
    checkout(folder)
    code = folder / "workflow/scripts/settings.py"
    limit = "MOST_RUNS_IN_CSV = 10_000"
    assert limit in code.read_text()
    code.write_text(code.read_text().replace(limit, f"MOST_RUNS_IN_CSV = {most_runs_in_csv}"))
    config = made_up_results.config(rounds=3)
    (folder / "config/config.yaml").write_text(json.dumps(config))  # which is YAML, too
    records.make(folder / "results", config)
    for framework in config["frameworks"]:  # nobody answers the tutorial's statements
        answers = folder / f"results/statements/{framework}-cpu.json"
        answers.parent.mkdir(exist_ok=True)
        answers.write_text("[]")
    rules = "collect audit gate tutorial_check compare compare_nodes statements figures report"
    only = ["--rerun-triggers", "mtime", "--allowed-rules", *rules.split()]
    snakemake(folder, *targets, *only)
    return folder / "results"


def test_the_same_records_end_in_the_same_verdicts_in_both_forms(tmp_path):
    ends = ["results/comparison.csv", "results/nodes.csv"]
    few = analyzed(tmp_path / "few", 21, *ends)
    many = analyzed(tmp_path / "many", 20, "results/report.html", *ends)
    for name in ("runs", "epochs", "gate", "tutorial_check"):
        table = read_table(many / f"{name}.parquet")
        assert not table.empty and not (many / f"{name}.csv").exists(), name
        assert_frame_equal(table, read_table(few / f"{name}.csv"), check_exact=True)
    for name in ("comparison.csv", "comparison.md", "thread_effect.csv", "nodes.csv"):
        assert (few / name).read_bytes() == (many / name).read_bytes(), name
    assert "All 21 runs are in results/runs.parquet" in (many / "report.html").read_text()
