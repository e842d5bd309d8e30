"""Everybody vs. everybody, by each metric."""

import numpy as np
import pytest

from evenhand.comparison.compare import compare
from evenhand.comparison.ranking import METRICS, RANKING, ranking
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from support.comparisons import COMPETITORS, SETTINGS, THREE, make_runs

pytestmark = pytest.mark.fast

EXPERIMENT = Experiment(
    checked({"frameworks": ["pytorch", "mxnet", "numpy"], "tracks": ["controlled"]})
)


@pytest.fixture
def runs():
    """Five rounds in which NumPy needs half of PyTorch's memory, and all else follows the speed."""
    made = make_runs(THREE)
    epoch = made[METRICS["epoch"]]
    made = made.assign(**{column: epoch * 3 for column in METRICS.values() if column not in made})
    half = made["competitor"].eq("numpy-cpu").map({True: 0.5, False: 1.0})
    return made.assign(peak_memory_bytes=half * 2**30)


def of(table, metric, competitor, baseline):
    (row,) = table[
        (table["metric"] == metric)
        & (table["competitor"] == competitor)
        & (table["baseline"] == baseline)
    ].itertuples()
    return row


def test_everybody_stands_beside_everybody_by_every_metric(runs):
    table = ranking(EXPERIMENT, runs, {})
    assert list(table) == RANKING and set(table["metric"]) == set(METRICS)
    assert len(table) == 9 * len(METRICS)


def test_a_ratio_of_epochs_is_that_of_the_comparison(runs):
    pairs, *_ = compare(runs, runs, {}, COMPETITORS, [], SETTINGS)
    table = ranking(EXPERIMENT, runs, {})
    for pair in pairs.itertuples():
        row, other = of(table, "epoch", pair.a, pair.b), of(table, "epoch", pair.b, pair.a)
        assert (row.rounds, row.ratio, row.low, row.high) == pytest.approx(
            (pair.rounds, pair.ratio, pair.low, pair.high)
        )
        assert (other.ratio, other.low, other.high) == pytest.approx(
            (1 / pair.ratio, 1 / pair.high, 1 / pair.low)
        )


def test_a_value_is_the_geometric_mean_of_the_rounds_in_the_metrics_unit(runs):
    row = of(ranking(EXPERIMENT, runs, {}), "epoch", "mxnet-cpu", "mxnet-cpu")
    seconds = runs.loc[runs["competitor"] == "mxnet-cpu", METRICS["epoch"]]
    assert row.value == pytest.approx(np.prod(seconds) ** 0.2)
    assert row.ratio == 1 and np.isnan(row.low)


def test_a_ratio_without_spread_has_an_interval_without_width(runs):
    row = of(ranking(EXPERIMENT, runs, {}), "memory", "numpy-cpu", "pytorch-cpu")
    assert (row.ratio, row.low, row.high) == pytest.approx((0.5, 0.5, 0.5))


def test_who_lacks_a_metric_in_one_round_is_not_ranked_by_it(runs):
    first = (runs["competitor"] == "mxnet-cpu") & (runs["round"] == 0)
    never_there = runs["seconds_to_accuracy"].mask(first)
    table = ranking(EXPERIMENT, runs.assign(seconds_to_accuracy=never_there), {})
    by_metric = table.groupby("metric")["competitor"].unique().map(set)
    assert by_metric["accuracy"] == {"pytorch-cpu", "numpy-cpu"}
    assert by_metric["epoch"] == {"pytorch-cpu", "numpy-cpu", "mxnet-cpu"}


def test_a_metric_that_nobody_has_ranks_nobody(runs):
    table = ranking(EXPERIMENT, runs.assign(seconds_to_accuracy=None), {})
    assert set(table["metric"]) == set(METRICS) - {"accuracy"}


def test_who_is_not_comparable_is_ranked_nowhere(runs):
    reasons = {("controlled", "baseline", "numpy-cpu"): ("no_proof", {})}
    table = ranking(EXPERIMENT, runs, reasons)
    assert set(table["competitor"]) == set(table["baseline"]) == {"pytorch-cpu", "mxnet-cpu"}


def test_only_rounds_with_both_give_a_ratio(runs):
    without = runs[(runs["competitor"] != "mxnet-cpu") | (runs["round"] != 0)]
    table = ranking(EXPERIMENT, without, {})
    assert of(table, "epoch", "mxnet-cpu", "pytorch-cpu").rounds == 4
    assert of(table, "epoch", "pytorch-cpu", "numpy-cpu").rounds == 5


def test_one_round_gives_ratios_without_intervals(runs):
    table = ranking(EXPERIMENT, runs[runs["round"] == 0], {})
    row = of(table, "epoch", "mxnet-cpu", "pytorch-cpu")
    assert np.isnan(row.low) and np.isnan(row.high)
    assert row.ratio == pytest.approx(2, rel=0.1)
