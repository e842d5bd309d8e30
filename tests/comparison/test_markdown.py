"""The comparison in Markdown says what its tables say."""

import pandas as pd
import pytest

from evenhand.comparison import compare, remarks
from evenhand.comparison.markdown import markdown
from evenhand.comparison.outcome import outcome
from evenhand.core.experiment import Experiment
from support import results
from support.comparisons import COMPETITORS, SETTINGS, THREE, make_runs, text, two_scenarios

pytestmark = pytest.mark.fast

PUBLISHED = {
    "pytorch-cpu": {"seconds": [3.71, 4.05, 4.07, 3.70, 3.63]},
    "mxnet-cpu": {"seconds": [1.59, 1.49, 1.46, 1.48, 1.75]},
}
DATA = {"baseline": "MNIST", "one-thread": "Fashion-MNIST"}
FAILED = {"name": "numpy-cpu", "cause": "order", "detail": "", "tier": "float64"}
FAILED |= {"check": "steps", "step": None}


def written(runs, reasons, published):
    """The comparison, and its Markdown."""
    table, changes, gains = compare.compare(runs, runs, reasons, COMPETITORS, [], SETTINGS)
    tests = compare.tests_of_differences(table, changes, gains)
    beside = remarks.remarks(table, tests, runs, runs, reasons, SETTINGS["spread_limit"])
    table = remarks.with_notes(table, beside, text())
    return table, markdown(table, changes, gains, runs, published, DATA, SETTINGS)


def cells(line):
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_the_markdown_says_what_the_table_says():
    runs = pd.concat([two_scenarios(), make_runs(THREE)], ignore_index=True)
    reasons = {("controlled", "baseline", "numpy-cpu"): ("gate_failed", FAILED)}
    table, text = written(runs, reasons, {("tutorial", "baseline"): PUBLISHED})
    for row in table.to_dict("records"):
        a, b = row["a"], row["b"]
        section = text.split(f"### {row['track']}, {row['scenario']}\n")[1]
        lines = map(cells, section.splitlines())
        line = next(line for line in lines if line and line[0] == f"{a} / {b}")
        assert row["words"] in line
        assert (f"{row['ratio']:.3f}" in line) is (row["words"] != "not comparable")
    # the published ratio, in the tutorial's baseline alone
    assert [line for line in map(cells, text.splitlines()) if "0.383" in line] == [
        line for line in map(cells, text.splitlines()) if line and line[-1] == "0.383"
    ]
    assert text.count("0.383") == text.count("published ratio") == 1
    said = "\n- numpy-cpu / pytorch-cpu, numpy-cpu / mxnet-cpu: numpy-cpu failed the gate: order"
    assert said in text
    (line,) = (cells(line) for line in text.splitlines() if "| baseline: " in line)
    assert line[-1] == "rises"
    assert "Images, as configured: baseline: MNIST; one-thread: Fashion-MNIST.\n" in text
    assert "nan" not in text


def test_what_is_noted_of_all_pairs_is_written_once():
    _, text = written(make_runs(THREE, rounds=3), {}, {})
    notes = [line for line in text.splitlines() if line.startswith("- ")]
    assert notes[0].startswith("- all 3 pairs: ONLY 3 PAIRED ROUNDS") and len(notes) == 1


def test_the_markdown_is_made_of_whole_tables():
    _, text = written(two_scenarios(), {}, {})
    blocks = [block.splitlines() for block in text.split("\n\n")]
    tables = [block for block in blocks if block[0].startswith("|")]
    assert len(tables) == 3
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
        assert set(lines[1]) <= set("|:-")


def test_numbers_are_not_formatted_a_second_time():
    """A ratio of 0.500 keeps its zeros."""
    runs = make_runs({"pytorch-cpu": 2.0, "mxnet-cpu": 1.0}, noise=0)
    _, text = written(runs, {}, {})
    row = next(cells(line) for line in text.splitlines() if line.startswith("| mxnet-cpu"))
    assert row[2:4] == ["0.500", "0.500 to 0.500"]


def test_a_comparison_without_pairs_is_but_its_introduction():
    runs = make_runs({"pytorch-cpu": 0.4})
    table, *others = compare.compare(runs, runs, {}, COMPETITORS, [], SETTINGS)
    assert all(table.empty for table in others)
    assert "|" not in markdown(table.assign(notes=""), *others, runs, {}, DATA, SETTINGS)


def test_images_are_named_of_the_scenarios_that_the_tables_are_of(tmp_path):
    """A scenario may be of tracks that are not asked for."""
    config = results.config(tracks=["controlled"])
    config["scenarios"]["one-thread"]["tracks"] = ["tutorial"]
    tables = results.tables(tmp_path, config)
    given = [tables[name] for name in ("runs", "audit", "gate", "tutorial_check")]
    said = outcome(Experiment(config), *given, text()).markdown
    assert "Images, as configured: baseline: MNIST.\n" in said
