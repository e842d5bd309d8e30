"""Place results, and the published ones, among those of many seeds.

Where frameworks draw their own weights and order, they cannot be checked step by step. Instead
each epoch's average loss and test accuracy is held against NumPy runs over many seeds with the
framework's own initializer and last-batch rule. docs/gate.md explains the margin.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import nctdtr  # scipy.stats takes a second to import

from evenhand.core.claims import published_logs
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor

QUANTITIES = ["average_loss", "test_accuracy"]
MARGIN_SD = 4
LEVEL = 0.05
IDENTITY = ["track", "scenario", "framework", "device"]
COLUMNS = [
    *("source", *IDENTITY, "round", "runs", "epoch", "quantity"),
    *("value", "mean", "sd", "seeds", "margin", "p_value", "consistency"),
]


def place(value, runs, seeds: np.ndarray) -> dict:
    """Two one-sided tests of whether `value`, the mean of `runs` runs, belongs to the seeds.

    Both are numbers, or arrays of as many values that are held against the same seeds.

    With S seeds of mean m and standard deviation s, the hypothesis "the framework's mean lies 4
    standard deviations or more from the seeds', above or below" is rejected, and the value
    consistent, where p_value < 0.05:

        g = sqrt(1/runs + 1/S),      p_value = P(T <= |value - m| / (s g)),

    T being noncentral t with S - 1 degrees of freedom and noncentrality 4/g, since s is an estimate
    (Wellek, "Testing Statistical Hypotheses of Equivalence and Noninferiority", 2nd ed., 2010,
    chapter 6). At 20 seeds one run passes within 2.2 s, as 96 of 100 do that belong; the mean of
    five passes within 2.9 s.
    """
    mean, count = seeds.mean(), len(seeds)
    sd = max(seeds.std(ddof=1), np.finfo(float).eps)  # seeds that all agree allow no difference
    width = np.sqrt(1 / runs + 1 / count)
    p_value = nctdtr(count - 1, MARGIN_SD / width, abs(value - mean) / (sd * width))
    return {"value": value, "mean": mean, "sd": sd, "seeds": count, "margin": MARGIN_SD * sd} | {
        "p_value": p_value,
        "consistency": np.where(p_value < LEVEL, "consistent", "inconsistent"),
    }


def measured(epochs: pd.DataFrame, tracks: list[str]) -> pd.DataFrame:
    """What is to be placed, long: every run's values, and their means where there are two or more.

    `epochs`: results/epochs.csv. Columns: source ("run" or "rounds"), those of IDENTITY, round
    (empty for means), runs (how many are behind the value), epoch, quantity, value.
    """
    runs = epochs[epochs["track"].isin(tracks)].melt(
        [*IDENTITY, "round", "epoch"], QUANTITIES, "quantity", "value"
    )
    means = runs.groupby([*IDENTITY, "epoch", "quantity"], sort=False)["value"].agg(
        value="mean", runs="count"
    )
    means = means[means["runs"] > 1].reset_index()
    return pd.concat([runs.assign(source="run", runs=1), means.assign(source="rounds")])


def published(experiment: Experiment, tracks: list[str]) -> pd.DataFrame:
    """The published average losses, in the same columns, for the scenarios that they are of."""
    rows = []
    for track, scenario in experiment.contests:
        if track in tracks:
            for competitor, log in published_logs(experiment, track, scenario).items():
                identity = ["published", track, scenario, *Competitor.parse(competitor)]
                for epoch, value in enumerate(log["average_loss"]):
                    rows.append([*identity, 1, epoch, value])
    columns = ["source", *IDENTITY, "runs", "epoch", "value"]
    return pd.DataFrame(rows, columns=columns).assign(quantity="average_loss")


def seeds(experiment: Experiment, results: Path, tracks: list[str]) -> dict[tuple, np.ndarray]:
    """What many seeds gave, by training (the name of a scenario), framework, epoch and quantity."""
    found = {}
    for track, scenario in experiment.contests:
        if track in tracks:
            training = experiment.same_training(scenario)
            for competitor in experiment.competitors(track):
                framework = Competitor.parse(competitor).framework
                rules = experiment.same_rules(framework)
                found[training, framework] = results / f"distribution/{training}/{rules}.csv"
    return {
        (*of, epoch, quantity): rows[quantity].to_numpy()
        for of, path in found.items()
        for epoch, rows in pd.read_csv(path).groupby("epoch")
        for quantity in QUANTITIES
    }


def table(experiment: Experiment, results: Path, epochs: pd.DataFrame) -> pd.DataFrame:
    """What tutorial_check.csv holds, about all tracks whose proof is the distribution."""
    tracks = experiment.tracks_with("proof", "distribution")
    values = [measured(epochs, tracks), published(experiment, tracks)]
    long = pd.concat(values, ignore_index=True).infer_objects()
    long["training"] = long["scenario"].map(experiment.same_training)
    by = seeds(experiment, results, tracks)
    placed = [
        rows.assign(**place(rows["value"], rows["runs"], by[of]))
        for of, rows in long.groupby(["training", "framework", "epoch", "quantity"])
        if of in by  # published logs may have frameworks and epochs that these results lack
    ]
    placed = pd.concat(placed).sort_index() if placed else pd.DataFrame()
    return placed.reindex(columns=COLUMNS)
