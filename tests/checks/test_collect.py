"""The tables of runs and epochs."""

import dataclasses

import pytest

from evenhand.checks.collect import run_row
from support import records
from toolbox.record import Phase

pytestmark = pytest.mark.fast

SETTINGS = {"warmup_epochs": 1, "target_accuracy": 0.97}


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
    return run_row(dataclasses.replace(made, measured=measured), opened, SETTINGS | settings)


def test_the_time_to_an_accuracy_ends_with_the_first_epoch_that_reaches_it():
    accuracies = [0.95, 0.96, 0.97, 0.96, 0.98]
    assert row_of(accuracies)["seconds_to_accuracy"] == 1 + 2 + 4
    assert row_of(accuracies, target_accuracy=0.95)["seconds_to_accuracy"] == 1


def test_compiling_counts_in_the_time_to_an_accuracy():
    assert row_of([0.97] * 5, compile_seconds=8.0)["seconds_to_accuracy"] == 9


def test_an_accuracy_that_is_never_reached_has_no_time():
    assert row_of([0.969] * 5)["seconds_to_accuracy"] is None


def test_the_first_epoch_has_a_column_of_its_own():
    row = row_of([0.97] * 5)
    assert row["first_epoch_seconds"] == 1 and row["median_epoch_seconds"] == (4 + 8) / 2
