"""Tables as CSV or as Parquet: alike to whoever reads them, and one form at a time."""

import json
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from evenhand.core.tables import cells, read_cells, read_table, write_table
from support import records, results
from support.checkouts import copy, snakemake


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = results.config(rounds=3, frameworks=["pytorch", "mxnet", "numpy"])
    return results.tables(tmp_path_factory.mktemp("generated"), config)


@pytest.mark.fast
@pytest.mark.parametrize("name", ["runs", "epochs", "gate", "tutorial_check", "comparison"])
def test_both_forms_read_alike(made, tmp_path, name):
    write_table(made[name], tmp_path / "once.csv")
    write_table(made[name], tmp_path / "again.parquet")
    read = read_table(tmp_path / "again.parquet")
    assert list(read.columns) == list(made[name].columns) and len(read) == len(made[name]) > 0
    assert_frame_equal(read, read_table(tmp_path / "once.csv"), check_exact=True)


@pytest.mark.fast
def test_a_table_without_rows_keeps_its_header_in_both_forms(tmp_path):
    empty = pd.DataFrame(columns=["scenario", "passed"])
    for name in ("gate.csv", "gate.parquet"):
        write_table(empty, tmp_path / name)
        read = read_table(tmp_path / name)
        assert list(read.columns) == list(empty.columns) and read.empty


@pytest.mark.fast
def test_a_column_has_one_type_however_long_the_table(tmp_path):
    threads = ["default"] * 200_000 + [1] * 200_000
    write_table(pd.DataFrame({"threads_asked": threads}), tmp_path / "runs.csv")
    assert set(read_table(tmp_path / "runs.csv")["threads_asked"]) == {"default", "1"}


@pytest.mark.fast
@pytest.mark.parametrize(("before", "now"), [("csv", "parquet"), ("parquet", "csv")])
def test_a_table_of_the_other_form_does_not_stay_behind(made, tmp_path, before, now):
    write_table(made["runs"], tmp_path / f"runs.{before}")
    write_table(made["runs"].head(3), tmp_path / f"runs.{now}")
    assert [path.name for path in tmp_path.iterdir()] == [f"runs.{now}"]


@pytest.mark.fast
@pytest.mark.parametrize("name", ["runs", "epochs", "gate", "tutorial_check", "comparison"])
def test_the_cells_of_a_file_are_those_of_the_table(made, tmp_path, name):
    for form in ("csv", "parquet"):
        write_table(made[name], tmp_path / f"{name}.{form}")
        found = read_cells(tmp_path / f"{name}.{form}")
        assert list(found.columns) == list(made[name].columns)
        if form == "csv":
            assert_frame_equal(found, cells(made[name]))
        assert found.map(type).eq(str).all(axis=None)


@pytest.mark.fast
@pytest.mark.parametrize("text", ["", "a,b\n1\n", "a,b\n1,2,3\n", "a,a\n1,2\n", '"a\n'])
def test_a_file_that_holds_no_table_has_no_cells(tmp_path, text):
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(ValueError):
        read_cells(tmp_path / "runs.csv")


def analyzed(folder: Path, most_runs_in_csv: int, *targets: str) -> Path:
    """These results of a checkout's analysis of generated records, with another limit for CSV."""
    copy(folder)
    code = folder / "workflow/scripts/evenhand/core/experiment.py"
    limit = "MOST_RUNS_IN_CSV = 10_000"
    assert limit in code.read_text()
    code.write_text(code.read_text().replace(limit, f"MOST_RUNS_IN_CSV = {most_runs_in_csv}"))
    config = results.config(rounds=3, frameworks=["pytorch", "mxnet", "numpy"])
    (folder / "config/config.yaml").write_text(json.dumps(config))  # which is YAML, too
    records.make(folder / "results", config)
    only = ["--rerun-triggers", "mtime", "--allowed-rules", *records.AFTER_RUNS]
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
