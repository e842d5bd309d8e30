"""Tables computed again from the records: every edit of a file is named."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison.recomputed import IDENTITY, MARKDOWN, OF_OUTCOME, edited, same, tables
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.tables import read_table, write_table
from support import records
from support.tables import write_tables

pytestmark = pytest.mark.fast

# A column of each table in which a number or a word is changed; audit.csv has no rows here.
EDITS = {
    "runs": "median_epoch_seconds",
    "epochs": "test_loss",
    "gate": "deviation",
    "gate_steps": "deviation",
    "tutorial_check": "p_value",
    "comparison": "ratio",
    "remarks": "details",
    "thread_effect": "change",
    "nodes": "high",
}


class Made(NamedTuple):
    """Tables of a results folder, and why there is none of some."""

    results: Path
    tables: dict[str, pd.DataFrame]
    failed: dict[str, str]

    def edited(self, form: str = "csv") -> dict[str, list[str]]:
        """What is wrong with the files there, by name."""
        found = edited(self.results, form, self.tables, self.failed)
        return {path.name: phrases for path, phrases in found.items()}


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Made:
    """The results of three rounds, with all tables."""
    results, config = tmp_path_factory.mktemp("honest") / "results", checked({"rounds": 3})
    records.make(results, config)
    return Made(results, *write_tables(results, Experiment(config)))


@pytest.fixture
def made(honest, tmp_path) -> Made:
    """The same with a copy of the tables, to be edited."""
    for name in honest.tables:
        file = f"{name}" if name == MARKDOWN else f"{name}.csv"
        shutil.copy(honest.results / file, tmp_path)
    return honest._replace(results=tmp_path)


def change(path: Path, column: str, by) -> str:
    """Change the last cell of a column of a table; what the file said."""
    table = read_table(path).astype({column: object})
    before = table.loc[len(table) - 1, column]
    table.loc[len(table) - 1, column] = by(before)
    write_table(table, path)
    return str(before)


def other(value):
    """Another value of the same kind."""
    return value.replace("5", "6") if isinstance(value, str) else 2 * value + 1


def test_honest_tables_pass(made):
    assert made.failed == {} and set(made.tables) == set(IDENTITY)
    assert made.edited() == {}


@pytest.mark.parametrize(("name", "column"), EDITS.items())
def test_one_cell_edited_is_named(made, name, column):
    path = made.results / f"{name}.csv"
    before = change(path, column, other)
    row = read_table(path).iloc[-1]
    ((file, (difference,)),) = made.edited().items()
    assert file == f"{name}.csv"
    assert f", {column}: " in difference and difference.endswith(f"computed {before!r}")
    for key in IDENTITY[name]:
        assert pd.isna(row[key]) or f"{key} {row[key]}" in difference


def test_a_number_that_became_a_word_is_named_alone(made):
    change(made.results / "runs.csv", "process_seconds", lambda _: "few")
    ((difference,),) = made.edited().values()
    assert ", process_seconds: 'few', computed " in difference


def test_one_word_edited_in_the_markdown_is_named(made):
    path = made.results / MARKDOWN
    path.write_text(path.read_text().replace("slower", "faster", 1))
    ((difference,),) = made.edited().values()
    assert difference.startswith("line ") and "slower" in difference


@pytest.mark.parametrize("name", EDITS)
def test_a_row_removed_and_a_row_added_are_named(made, name):
    path = made.results / f"{name}.csv"
    table = read_table(path)
    write_table(table.iloc[:-1], path)
    ((removed,),) = made.edited().values()
    write_table(pd.concat([table, table.iloc[[-1]]]), path)
    ((added,),) = made.edited().values()
    assert removed.startswith(f"{IDENTITY[name][0]} ") and removed.endswith(": the row is missing")
    assert added == removed.replace("the row is missing", "there is no such row")


def test_a_finding_that_the_audit_has_not_is_named(made):
    audit = made.results / "audit.csv"
    row = "controlled,baseline,1,mxnet,cpu,mxnet-cpu,error,clock,too fast,results/runs/x.json\n"
    audit.write_text(audit.read_text() + row)
    where = "track controlled, scenario baseline, round 1, competitor mxnet-cpu"
    assert made.edited() == {
        "audit.csv": [f"{where}, severity error, check clock: there is no such row"]
    }


def test_columns_and_the_order_of_rows_count(made):
    path = made.results / "comparison.csv"
    table = read_table(path)
    write_table(table.drop(columns="p_value").assign(winner="mxnet-cpu"), path)
    assert made.edited() == {
        "comparison.csv": ["the column p_value is missing", "there is no column winner"]
    }
    write_table(table.drop(columns="track"), path)
    assert made.edited() == {"comparison.csv": ["the column track is missing"]}
    write_table(table.iloc[::-1], path)
    assert made.edited() == {"comparison.csv": ["the rows are in another order"]}


def test_a_table_that_is_missing_is_named(made):
    for path in made.results.iterdir():
        path.unlink()
    assert {Path(name).stem for name in made.edited()} == {Path(name).stem for name in IDENTITY}
    assert set(map(tuple, made.edited().values())) == {("it is missing",)}


@pytest.mark.parametrize("damage", [b"", b"a,b\n1\n", b"a,a\n", b"\xff\xfe\n", b'"a\n'])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_that_holds_no_table_is_named(made, damage, ending):
    (made.results / "runs.csv").unlink()
    (made.results / f"runs.{ending}").write_bytes(damage)
    ((file, (difference,)),) = made.edited(ending).items()
    assert file == f"runs.{ending}" and difference.startswith("it cannot be read: ")


@pytest.mark.parametrize("asked", ["csv", "parquet"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_is_read_in_the_form_that_it_has(made, form, asked):
    for name in ("runs", "epochs", "gate", "tutorial_check"):
        write_table(made.tables[name], made.results / f"{name}.{form}")
    assert made.edited(asked) == {}
    table = read_table(made.results / f"runs.{form}")
    table.loc[0, "median_epoch_seconds"] /= 2
    write_table(table, made.results / f"runs.{form}")
    ((file, (difference,)),) = made.edited(asked).items()
    assert file == f"runs.{form}"
    assert difference.startswith("track tutorial, scenario baseline, round 0, competitor pytorch")


def test_the_last_bits_of_a_number_are_the_processors(made):
    path = made.results / "comparison.csv"
    change(path, "ratio", lambda ratio: np.nextafter(ratio, 2))
    assert made.edited() == {}
    change(path, "ratio", lambda ratio: ratio * (1 + 1e-6))
    assert list(made.edited()) == ["comparison.csv"]


@pytest.mark.parametrize(
    ("cell", "computed", "alike"),
    [
        ("0.1", "0.10000000000000002", True),
        ('{"spread": 0.1, "limit": 0.2}', '{"spread": 0.10000000000000002, "limit": 0.2}', True),
        ("1e-05", "1.0000000001e-05", True),
        ("9e-16", "0.0", False),
        ("0.1", "", False),
        ("0.1", "0.1001", False),
        ("12345678901", "12345678902", False),
        ("a 0.1", "b 0.1", False),
        ("-0.1", "0.1", False),
        ("inf", "0.1", False),
    ],
)
def test_cells_are_alike_but_for_rounding(cell, computed, alike):
    assert same(cell, computed) is same(computed, cell) is alike


@pytest.mark.parametrize(
    ("lost", "cause", "follow"),
    [
        ("reference", ["gate", "gate_steps"], "gate"),
        ("distribution", ["tutorial_check"], "tutorial_check"),
        ("rounds", ["runs", "epochs"], "runs"),
    ],
)
def test_what_cannot_be_computed_again_is_named_with_the_reason(
    honest, tmp_path, lost, cause, follow
):
    """And so is what follows from it."""
    for part in honest.results.iterdir():
        if part.name != lost:
            (tmp_path / part.name).symlink_to(part)
    audit = honest.tables["audit"]
    made, failed = tables(Experiment(checked({"rounds": 3})), tmp_path, audit)
    for name in cause:
        reason = failed.pop(name)
        assert reason.startswith(("FileNotFoundError: ", "ValueError: ")), reason
    assert failed.pop("tutorial_check", None) in (None, "it follows from epochs")
    assert failed.keys() == {*OF_OUTCOME, "nodes"}
    assert failed["comparison"] == f"it follows from {follow}"
    assert not made.keys() & {*failed, *cause}
