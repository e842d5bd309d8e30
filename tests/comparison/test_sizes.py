"""The cost of a step: the law that is fitted, and the size from which overhead is negligible."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison.sizes import (
    SIZES,
    flop_per_step,
    law,
    negligible_from,
    sizes,
    varied,
)
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment

pytestmark = pytest.mark.fast

SCENARIOS = {
    "baseline": {},
    "narrow": {"hidden_layers": [16]},
    "wide": {"hidden_layers": [4096]},
    "small": {"batch_size": 32},
}
LAWS = {"pytorch-cpu": (2e-4, 1e11), "numpy-cpu": (5e-5, 2e11)}


def experiment(**scenarios) -> Experiment:
    asked = {"frameworks": ["pytorch", "numpy"], "tracks": ["controlled"]}
    return Experiment(checked(asked | {"scenarios": SCENARIOS | scenarios}))


def runs_of(of: Experiment, rounds: int = 5, noise: float = 0.02) -> pd.DataFrame:
    """Runs whose steps follow LAWS but for some noise."""
    rng = np.random.default_rng(0)
    rows = []
    for round_ in range(rounds):
        for scenario in of.config["scenarios"]:
            training = of.training(scenario)
            for name, (overhead, rate) in LAWS.items():
                step = overhead + flop_per_step(training) / rate
                steps = training["train_images"] / training["batch_size"]
                rows.append(
                    {
                        "track": "controlled",
                        "scenario": scenario,
                        "round": round_,
                        "competitor": name,
                        "fingerprint": "quiet",
                        "train_images": training["train_images"],
                        "median_epoch_seconds": step * steps * rng.lognormal(0, noise),
                    }
                )
    return pd.DataFrame(rows)


def test_the_operations_of_a_full_step_are_counted():
    of = experiment()
    # an image of 784 pixels, 256 hidden units, 10 classes: the first layer twice, the other thrice
    assert flop_per_step(of.training("baseline")) == 128 * 2 * (2 * 784 * 256 + 3 * 256 * 10)


def test_scenarios_that_differ_in_size_alone_are_sizes():
    of = experiment(longer={"epochs": 9, "batch_size": 2})
    assert list(varied(of, "controlled")) == list(SCENARIOS)
    fewer = Experiment(checked({"scenarios": dict(list(SCENARIOS.items())[:3])}))
    assert varied(fewer, "controlled") == {}, "a law of two parameters fits three sizes well"
    assert varied(Experiment(checked({"scenarios": SCENARIOS})), "tutorial") == {}


@pytest.mark.parametrize(("overhead", "rate"), [*LAWS.values(), (3e-3, 1e9)])
def test_the_law_of_exact_steps_is_found(overhead, rate):
    flop = np.geomspace(1e6, 1e10, 6)
    assert law(flop, overhead + flop / rate) == pytest.approx((overhead, rate), rel=1e-4)


def test_steps_without_overhead_show_none():
    flop = np.geomspace(1e6, 1e10, 6)
    overhead, rate = law(flop, flop / 1e11)
    assert np.isnan(overhead) and rate == pytest.approx(1e11, rel=1e-2)


def test_overhead_is_a_tenth_of_the_step_from_which_on_it_is_negligible():
    flop = negligible_from(2e-4, 1e11)
    assert 2e-4 / (2e-4 + flop / 1e11) == pytest.approx(0.1)


def test_each_competitors_law_is_found_with_its_interval():
    of = experiment()
    table = sizes(of, runs_of(of), {})
    assert table["competitor"].tolist() == ["pytorch-cpu", "numpy-cpu"]
    for row in table.itertuples():
        overhead, rate = LAWS[row.competitor]
        assert row.overhead_seconds == pytest.approx(overhead, rel=0.1)
        assert row.overhead_seconds_low < overhead < row.overhead_seconds_high
        assert row.flop_per_second_low < rate < row.flop_per_second_high
        assert row.negligible_flop == pytest.approx(9 * overhead * rate, rel=0.1)
        assert (row.sizes, row.rounds) == (4, 5) and row.largest_residual < 0.05


def test_with_a_precision_the_first_rounds_tell_the_spread():
    usual = experiment()
    precise = replace(usual, config=usual.config | {"precision": 0.02, "rounds": 3})
    runs = runs_of(usual)
    all_tell, three = (sizes(of, runs, {}).iloc[0] for of in (usual, precise))
    first = sizes(usual, runs[runs["round"] < 3], {}).iloc[0]
    for number in ("overhead_seconds", "flop_per_second"):
        assert three[number] == all_tell[number]
        # the width of an interval on the logarithms goes with the root of the number of rounds
        widths = [np.log(of[f"{number}_high"] / of[f"{number}_low"]) for of in (three, first)]
        assert widths[0] == pytest.approx(widths[1] * np.sqrt(3 / 5))


def test_a_round_that_lacks_a_size_or_ran_on_two_machines_has_no_law():
    of = experiment()
    runs = runs_of(of)
    lacking = runs[~((runs["round"] == 0) & (runs["scenario"] == "wide"))]
    assert set(sizes(of, lacking, {})["rounds"]) == {4}
    moved = runs.assign(fingerprint=np.where(runs["scenario"] == "wide", "fast", "slow"))
    assert sizes(of, moved, {}).empty


def test_where_a_round_shows_no_overhead_there_is_none_to_tell():
    of = experiment()
    runs = runs_of(of, noise=0)
    flop = runs["scenario"].map(lambda scenario: flop_per_step(of.training(scenario)))
    batch = runs["scenario"].map(lambda scenario: of.training(scenario)["batch_size"])
    runs["median_epoch_seconds"] = flop / 1e11 * runs["train_images"] / batch
    row = sizes(of, runs, {}).iloc[0]
    assert np.isnan(row["overhead_seconds"]) and np.isnan(row["negligible_flop"])
    assert row["flop_per_second"] == pytest.approx(1e11, rel=0.01)


def test_one_round_has_no_interval():
    of = experiment()
    row = sizes(of, runs_of(of, rounds=1), {}).iloc[0]
    assert row["overhead_seconds"] > 0 and np.isnan(row["overhead_seconds_low"])


def test_who_is_not_comparable_at_one_size_has_no_law():
    of = experiment()
    table = sizes(of, runs_of(of), {("controlled", "wide", "numpy-cpu"): ("no_proof", {})})
    assert table["competitor"].tolist() == ["pytorch-cpu"]
    assert list(sizes(of, runs_of(of).head(0), {})) == SIZES
