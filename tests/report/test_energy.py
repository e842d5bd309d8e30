"""What the page says of energy: joules where counters were read, elsewhere a reason."""

import dataclasses

import pytest

from evenhand.report import sentences
from evenhand.report import tables as report_tables
from support import results as made_up
from toolbox.energy import REASONS

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def config() -> dict:
    return made_up.config(frameworks=["pytorch", "numpy"], tracks=["controlled"], rounds=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory, config) -> dict:
    return made_up.tables(tmp_path_factory.mktemp("made-up"), config)


def unread(results, reason: str) -> None:
    """Have no counter of the results' runs been read, for this reason."""
    told = {"source": "powercap", "domains": [], "reason": reason}
    results.runs = results.runs.assign(median_epoch_joules=float("nan"), processor_domains=None)
    results.records = [
        dataclasses.replace(
            record,
            measured=dataclasses.replace(
                record.measured, energy=record.measured.energy | {"processor": told}
            ),
        )
        for record in results.records
    ]


def test_where_energy_was_read_each_line_of_runs_has_it_with_its_spread(made, config):
    results = made_up.results(made, config)
    runs = made["runs"]
    own = runs[(runs["scenario"] == "baseline") & (runs["competitor"] == "pytorch-cpu")]
    joules = own["median_epoch_joules"]
    table = report_tables.run_tables(results)[0]
    assert table.head[-1] == "Energy, J an epoch, and its spread"
    spread = f"{100 * joules.std() / joules.mean():.0f}\N{NO-BREAK SPACE}%"
    assert table.rows[0][-1] == f"{joules.median():.1f} ± {spread}"
    assert all(len(row) == len(table.head) for row in table.rows)
    (sentence,) = sentences.energy(results)
    assert sentence.startswith("Energy of the processor: read from its own counters (package-0, ")
    assert sentence in made_up.html(results)


def test_energy_of_one_round_has_no_spread_and_of_none_a_dash(made, config):
    results = made_up.results(dict(made), config)
    alone = results.runs["competitor"].eq("pytorch-cpu") & results.runs["round"].gt(0)
    joules = results.runs["median_epoch_joules"].mask(alone, float("nan"))
    joules = joules.mask(results.runs["competitor"].eq("numpy-cpu"), float("nan"))
    results.runs = results.runs.assign(median_epoch_joules=joules)
    cells = {row[0]: row[-1] for row in report_tables.run_tables(results)[0].rows}
    assert "±" not in cells["PyTorch"] and cells["NumPy"] == "\N{EN DASH}"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("reason", REASONS)
def test_where_it_was_not_read_the_page_says_why_and_has_no_column(made, config, language, reason):
    results = made_up.results(dict(made), config, language)
    unread(results, reason)
    (table,) = report_tables.run_tables(results)[:1]
    assert results.text["columns"]["energy"] not in table.head
    (sentence,) = sentences.energy(results)
    assert results.text["energy"]["reasons"][reason] in sentence


def test_a_run_on_a_gpu_tells_of_both(tmp_path):
    config = made_up.config(frameworks=["pytorch"], devices=["cuda"], tracks=["controlled"])
    results = made_up.results(made_up.tables(tmp_path, config), config)
    of_processor, of_gpu = sentences.energy(results)
    assert "the processor" in of_processor and "the GPU" in of_gpu


def test_where_machines_differ_each_sentence_names_its_own(made, config):
    results = made_up.results(dict(made), config)
    named = {}
    for record in results.records:
        machine = record.environment.machine | {"fingerprint": f"of {record.requested.competitor}"}
        environment = dataclasses.replace(record.environment, machine=machine)
        named[record.requested.competitor] = dataclasses.replace(record, environment=environment)
    results.records = [*named.values()]
    (same,) = sentences.energy(results)
    of_first = results.records[:1]
    results.records = results.records[1:]
    unread(results, "no tree")
    results.records = of_first + results.records
    read, not_read = sentences.energy(results)
    assert read == f"Machine 1: {same}"
    assert not_read.startswith("Machine 2: ") and "no powercap tree" in not_read
