"""The tables of runs and epochs."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from evenhand.checks import collect
from evenhand.core.config import checked
from evenhand.core.identity import Round
from support import records
from toolbox.record import Phase, Record

pytestmark = pytest.mark.fast

SETTINGS = {"warmup_epochs": 1, "target_accuracy": 0.97}
DENIED = {"source": "powercap", "domains": [], "reason": "denied"}


@pytest.fixture
def results(tmp_path) -> Path:
    """Two rounds of two frameworks on the processor and on a GPU."""
    config = {"rounds": 2, "frameworks": ["pytorch", "mxnet"], "devices": ["cpu", "cuda"]}
    records.make(tmp_path, checked(config | {"tracks": ["controlled"]}))
    return tmp_path


def rewrite(path: Path, energy: dict, **joules) -> None:
    """Have a run tell this of its counters, and every epoch these joules."""
    record = Record.read(path)
    epochs = [dataclasses.replace(epoch, **joules) for epoch in record.measured.epochs]
    energy = record.measured.energy | energy
    measured = dataclasses.replace(record.measured, epochs=epochs, energy=energy)
    dataclasses.replace(record, measured=measured).write(path)


def tables(results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and epochs of the first scenario by round and competitor, one warm-up epoch left out."""
    paths = sorted(results.glob("runs/controlled/baseline/*/*.json"))
    runs, epochs = collect.tables(paths, results, SETTINGS)
    of = ["round", "competitor"]
    return runs.set_index(of), epochs.set_index(of)


def test_energy_is_that_of_the_processor_and_of_the_gpu_that_was_used(results):
    runs, epochs = tables(results)
    on_cpu, on_gpu = epochs.loc[(0, "pytorch-cpu")], epochs.loc[(0, "pytorch-cuda")]
    assert (on_cpu["energy_joules"] == on_cpu["processor_joules"]).all()
    assert on_cpu["gpu_joules"].isna().all()
    sums = on_gpu["processor_joules"] + on_gpu["gpu_joules"]
    assert (on_gpu["energy_joules"] == sums).all()
    for name, of_epochs in (("pytorch-cpu", on_cpu), ("pytorch-cuda", on_gpu)):
        run = runs.loc[(0, name)]
        assert run["median_epoch_joules"] == of_epochs["energy_joules"].iloc[1:].median()
        assert run["processor_domains"] == "package-0, dram"


def test_energy_is_told_whole_or_not_at_all(results):
    for path in results.glob("runs/*/*/*/*.json"):
        rewrite(path, {"processor": DENIED}, processor_joules=None)
    runs, epochs = tables(results)
    assert epochs["gpu_joules"].notna().sum() == len(epochs) / 2
    assert epochs["energy_joules"].isna().all() and runs["median_epoch_joules"].isna().all()
    assert runs["processor_domains"].isna().all()


@pytest.mark.parametrize(
    ("energy", "joules"),
    [
        ({"processor": DENIED}, {"processor_joules": None}),
        ({"processor": DENIED | {"domains": ["package-0"], "reason": None}}, {}),
    ],
    ids=["none", "others"],
)
def test_a_round_whose_runs_read_different_domains_has_no_energy(results, energy, joules):
    rewrite(Round("controlled", "baseline", 1).run("mxnet-cpu").path(results), energy, **joules)
    runs, epochs = tables(results)
    for column in (runs["median_epoch_joules"], epochs["energy_joules"]):
        assert column.loc[0].notna().all() and column.loc[1].isna().all()
    assert epochs["processor_joules"].loc[1].notna().any()


def row_of(accuracies, compile_seconds=None, **settings):
    """The row of a run whose epochs take 1, 2, 4, ... seconds and end with these accuracies."""
    made = records.record()
    epochs = [
        dataclasses.replace(epoch, seconds=2.0**number, test_accuracy=accuracy)
        for number, (epoch, accuracy) in enumerate(
            zip(made.measured.epochs, accuracies, strict=True)
        )
    ]
    phases = dict(made.measured.phases)
    phases["compile"] = compile_seconds and Phase(compile_seconds, compile_seconds)
    measured = dataclasses.replace(made.measured, epochs=epochs, phases=phases)
    opened = records.opened_round(order=["numpy-cpu"])
    return collect.run_row(
        dataclasses.replace(made, measured=measured), opened, SETTINGS | settings
    )


def test_the_time_to_an_accuracy_ends_with_the_first_epoch_that_reaches_it():
    accuracies = [0.95, 0.96, 0.97, 0.96, 0.98]
    assert row_of(accuracies)["seconds_to_accuracy"] == 1 + 2 + 4
    assert row_of(accuracies, target_accuracy=0.95)["seconds_to_accuracy"] == 1


def test_compiling_counts_in_the_time_to_an_accuracy():
    assert row_of([0.97] * 5, compile_seconds=8.0)["seconds_to_accuracy"] == 9


def test_an_accuracy_that_is_never_reached_has_no_time():
    assert row_of([0.969] * 5)["seconds_to_accuracy"] is None


def test_what_a_process_takes_is_told_without_evenhands_own_work():
    row = row_of([0.97] * 5)
    own = row["evaluation_seconds"] + (row["loader_pass_seconds"] or 0)
    assert own > 0 and row["own_process_seconds"] == row["process_seconds"] - own


def test_the_first_epoch_has_a_column_of_its_own():
    row = row_of([0.97] * 5, compile_seconds=8.0)
    assert row["first_epoch_seconds"] == 9 and row["median_epoch_seconds"] == (4 + 8) / 2
