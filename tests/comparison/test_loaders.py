"""Loader workers and threads: which scenarios make a grid, and which way is fastest."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison.compare import SECONDS
from evenhand.comparison.inference import effect
from evenhand.comparison.loaders import LOADERS, as_fast, loaders, varied
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from support.comparisons import make_runs

pytestmark = pytest.mark.fast

WAYS = {"baseline": {}, "w0": {"loader_workers": 0}, "w0-1": {"loader_workers": 0, "threads": 1}}


def experiment(**scenarios) -> Experiment:
    return Experiment(checked({"frameworks": ["pytorch", "mxnet"], "scenarios": WAYS | scenarios}))


def runs_of(seconds: dict, noise: float = 0.01) -> pd.DataFrame:
    """Five rounds in which each competitor takes these seconds, by scenario and name."""
    parts = [make_runs(of, 5, "tutorial", scenario, 0) for scenario, of in seconds.items()]
    runs = pd.concat(parts, ignore_index=True)
    scatter = np.random.default_rng(3).lognormal(0, noise, len(runs))
    return runs.assign(**{SECONDS: runs[SECONDS] * scatter})


def test_scenarios_that_differ_in_workers_and_threads_alone_are_ways():
    other = experiment(longer={"epochs": 9, "loader_workers": 1})
    assert varied(other, "tutorial") == list(WAYS)
    assert varied(other, "controlled") == [], "no loader feeds it"


def test_with_a_precision_the_first_rounds_tell_the_spread():
    seconds = {"baseline": {"pytorch-cpu": 5.0}, "w0": {"pytorch-cpu": 4.5}}
    runs, usual = runs_of(seconds), experiment()
    precise = replace(usual, config=usual.config | {"precision": 0.02, "rounds": 3})
    all_tell, three = (loaders(of, runs, {}).iloc[0] for of in (usual, precise))
    assert three["ratio"] == all_tell["ratio"] and three["rounds"] == all_tell["rounds"] == 5
    assert three["high"] != pytest.approx(all_tell["high"])
    d = np.log(runs.pivot_table(SECONDS, "round", "scenario").eval("baseline / w0"))
    assert three["high"] == pytest.approx(effect(d, first=3).high)


def test_of_scenarios_that_are_the_same_way_the_first_is_taken():
    assert varied(experiment(again={}, alone={"tracks": ["tutorial"]}), "tutorial") == list(WAYS)


def test_threads_alone_make_no_grid():
    threads = Experiment(checked({"scenarios": {"baseline": {}, "one": {"threads": 1}}}))
    assert varied(threads, "tutorial") == []
    assert list(loaders(threads, runs_of({"baseline": {"pytorch-cpu": 1.0}}), {})) == LOADERS


def test_each_competitor_has_its_fastest_way_and_the_ratios_to_it():
    seconds = {
        "baseline": {"pytorch-cpu": 5.0, "mxnet-cpu": 3.0},
        "w0": {"pytorch-cpu": 4.5, "mxnet-cpu": 4.2},
        "w0-1": {"pytorch-cpu": 0.6, "mxnet-cpu": 4.4},
    }
    table = loaders(experiment(), runs_of(seconds), {})
    assert table[["competitor", "scenario"]].values.tolist() == [
        [name, way] for name in ("pytorch-cpu", "mxnet-cpu") for way in WAYS
    ]
    fastest = table[table["fastest"]].set_index("competitor")["scenario"].to_dict()
    assert fastest == {"pytorch-cpu": "w0-1", "mxnet-cpu": "baseline"}
    first = table.iloc[0]
    assert first["ratio"] == pytest.approx(5 / 0.6, rel=0.05)
    assert first["low"] < first["ratio"] < first["high"] and first["rounds"] == 5
    assert (first["loader_workers"], first["threads"]) == (4, "default")
    assert np.isnan(table[table["fastest"]]["low"]).all()


def test_ways_that_the_rounds_do_not_tell_apart_are_named():
    seconds = {way: {"pytorch-cpu": 1.0} for way in ("baseline", "w0")} | {
        "w0-1": {"pytorch-cpu": 3}
    }
    rows = loaders(experiment(), runs_of(seconds, noise=0.05), {})
    (alike,) = as_fast(rows)
    assert alike in ("baseline", "w0") and alike != rows[rows["fastest"]]["scenario"].item()


def test_the_intervals_hold_together_for_all_ways_of_a_competitor():
    """With one way more beside it, the same two rounds' interval is wider."""
    seconds = {"baseline": {"pytorch-cpu": 2.0}, "w0": {"pytorch-cpu": 1.0}}
    two = loaders(experiment(), runs_of(seconds, noise=0.05), {}).iloc[0]
    three = loaders(
        experiment(), runs_of(seconds | {"w0-1": {"pytorch-cpu": 9.0}}, noise=0.05), {}
    ).iloc[0]
    assert three["ratio"] == pytest.approx(two["ratio"])
    assert three["low"] < two["low"] and three["high"] > two["high"]


def test_ways_are_compared_in_the_rounds_that_all_of_them_have():
    """Of the fastest, two slow rounds are missing: elsewhere they do not count, either."""
    runs = runs_of({way: {"pytorch-cpu": 1.0 + place} for place, way in enumerate(WAYS)})
    kept = runs[~((runs["scenario"] == "baseline") & (runs["round"] < 2))]
    table = loaders(experiment(), kept, {})
    assert set(table["rounds"]) == {3}
    alone = runs[(runs["scenario"] == "w0") & (runs["round"] >= 2)][SECONDS]
    assert table.iloc[1]["seconds"] == pytest.approx(np.exp(np.log(alone).mean()))
    elsewhere = runs.assign(fingerprint=runs["scenario"])
    assert loaders(experiment(), elsewhere, {}).empty, "no two ways ran on one kind of machine"


def test_one_round_has_no_interval():
    runs = runs_of({way: {"pytorch-cpu": 1.0 + place} for place, way in enumerate(WAYS)})
    table = loaders(experiment(), runs[runs["round"] == 0], {})
    assert table["ratio"].iloc[1] > 1.5 and table["low"].isna().all()


def test_who_is_not_comparable_in_a_scenario_has_no_way_there():
    seconds = {way: {"pytorch-cpu": 1.0 + place} for place, way in enumerate(WAYS)}
    reasons = {("tutorial", "baseline", "pytorch-cpu"): ("no_proof", {})}
    table = loaders(experiment(), runs_of(seconds), reasons)
    assert table["scenario"].tolist() == ["w0", "w0-1"]
