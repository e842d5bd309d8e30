"""Where a value lies among those of many seeds, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from evenhand.checks import tutorial_check
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.tables import read_table, write_table

pytestmark = pytest.mark.fast

SEEDS = np.random.default_rng(0).normal(0.0668, 0.0008, 20)
MEAN, SD = SEEDS.mean(), SEEDS.std(ddof=1)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("distance", "runs", "expected"),
    [
        (0.0, 1, "consistent"),
        (2.2, 1, "consistent"),
        (2.4, 1, "inconsistent"),
        (2.5, 2, "consistent"),
        (2.7, 2, "inconsistent"),
        (2.8, 5, "consistent"),
        (3.0, 5, "inconsistent"),
        (4.1, 10**6, "inconsistent"),  # beyond the margin, no number of runs helps
    ],
)
def test_a_value_is_consistent_near_the_seeds_mean_on_both_sides(sign, distance, runs, expected):
    found = tutorial_check.place(MEAN + sign * distance * SD, runs, SEEDS)
    assert found["consistency"] == expected


def consistent_share(distance: float, runs: int) -> float:
    """How often a framework that is so many standard deviations off is called consistent."""
    rng = np.random.default_rng(1)
    found = [
        tutorial_check.place(rng.normal(distance, 1, runs).mean(), runs, rng.normal(size=20))
        for _ in range(1000)
    ]
    return np.mean([row["consistency"] == "consistent" for row in found])


@pytest.mark.parametrize(("runs", "at_least"), [(1, 0.94), (2, 0.99), (5, 1)])
def test_what_belongs_to_the_seeds_is_consistent(runs, at_least):
    assert consistent_share(0, runs) >= at_least


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_what_is_off_by_the_margin_is_consistent_in_one_case_of_twenty(runs):
    assert consistent_share(tutorial_check.MARGIN_SD, runs) == pytest.approx(0.05, abs=0.015)


def test_seeds_that_all_agree_are_consistent_with_their_value_alone():
    assert tutorial_check.place(0.5, 1, np.full(20, 0.5))["consistency"] == "consistent"
    assert tutorial_check.place(0.51, 1, np.full(20, 0.5))["consistency"] == "inconsistent"


# ---- files -----------------------------------------------------------


def experiment(**changes) -> Experiment:
    """Two scenarios with the same training, all in the default tracks."""
    asked = {"scenarios": {"baseline": {}, "two": {}}}
    return Experiment(checked(asked | changes))


@pytest.fixture
def results(tmp_path):
    """Three tutorial rounds of PyTorch, and the seeds of two frameworks, around the same values."""
    rng = np.random.default_rng(0)

    def values(rows: int) -> dict[str, np.ndarray]:
        return {
            "average_loss": rng.normal(0.0668, 0.0008, rows),
            "test_accuracy": rng.normal(0.975, 0.001, rows),
        }

    folder = tmp_path / "distribution/baseline"
    folder.mkdir(parents=True)
    for framework in ("pytorch", "mxnet"):
        table = pd.DataFrame({"seed": range(20), "epoch": 0} | values(20))
        table.to_csv(folder / f"{framework}.csv", index=False)
    identity = {"scenario": "two", "framework": "pytorch", "device": "cpu", "epoch": 0}
    tutorial = pd.DataFrame(values(3)).assign(track="tutorial", round=range(3), **identity)
    controlled = tutorial.assign(track="controlled", average_loss=9)
    pd.concat([tutorial, controlled]).to_csv(tmp_path / "epochs.csv", index=False)
    return tmp_path


def run_check(results, of: Experiment | None = None) -> pd.DataFrame:
    epochs = read_table(results / "epochs.csv")
    table = tutorial_check.table(of or experiment(), results, epochs)
    write_table(table, results / "tutorial_check.csv")
    return read_table(results / "tutorial_check.csv")


def test_each_run_and_the_mean_of_the_rounds_are_placed_and_no_other_track(results):
    table = run_check(results)
    assert set(table["track"]) == {"tutorial"}
    ours = table[table["source"] != "published"]
    assert (ours["consistency"] == "consistent").all()
    loss = ours[ours["quantity"] == "average_loss"]
    assert loss["source"].tolist() == ["run", "run", "run", "rounds"]
    assert loss["runs"].tolist() == [1, 1, 1, 3]
    assert loss["value"].iloc[3] == pytest.approx(loss["value"].iloc[:3].mean())


def test_a_single_round_has_no_mean_to_be_placed(results):
    epochs = pd.read_csv(results / "epochs.csv")
    epochs[epochs["round"] == 0].to_csv(results / "epochs.csv", index=False)
    assert "rounds" not in set(run_check(results)["source"])


def test_published_values_stand_where_seeds_and_settings_are_theirs(results):
    table = run_check(results)
    published = table[table["source"] == "published"]
    found = published[["framework", "epoch"]].drop_duplicates().values.tolist()
    assert found == [["pytorch", 0], ["mxnet", 0]], "of later epochs there are no seeds"
    other = experiment(data={"train_images": 200})
    assert "published" not in set(run_check(results, other)["source"])


def test_without_a_track_of_many_seeds_the_table_is_empty_and_has_its_columns(results):
    table = run_check(results, experiment(tracks=["controlled"]))
    assert table.empty
    assert list(table) == [
        *("source", "track", "scenario", "framework", "device", "round", "runs", "epoch"),
        *("quantity", "value", "mean", "sd", "seeds", "margin", "p_value", "consistency"),
    ]


def test_an_excluded_framework_has_no_published_values(results):
    """Nor seeds: nobody has trained by its rules."""
    others = Experiment(experiment().config, {"pytorch-cpu": "training fails"})
    table = run_check(results, others).query("source == 'published'")
    assert set(table["framework"]) == {"mxnet"}
