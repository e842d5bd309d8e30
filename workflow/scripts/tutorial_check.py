"""Place the tutorial track's results, and the published ones, among those of many seeds.

The tutorial track draws its own weights and order, so it cannot be checked step by step. Instead
each epoch's average loss and test accuracy is held against NumPy runs over many seeds with the
framework's own initializer and last-batch rule. docs/gate.md explains the margin.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from competitors import published_logs
from scipy.stats import nct
from settings import same_training
from tables import read_table, write_table

QUANTITIES = ["average_loss", "test_accuracy"]
MARGIN_SD = 4
LEVEL = 0.05
COLUMNS = [
    *("source", "scenario", "framework", "device", "round", "runs", "epoch", "quantity"),
    *("value", "mean", "sd", "seeds", "margin", "p_value", "verdict"),
]


def place(value, runs, seeds: np.ndarray) -> dict:
    """Two one-sided tests of whether ``value``, the mean of ``runs`` runs, belongs to the seeds.

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
    p_value = nct.cdf(abs(value - mean) / (sd * width), count - 1, MARGIN_SD / width)
    return {"value": value, "mean": mean, "sd": sd, "seeds": count, "margin": MARGIN_SD * sd} | {
        "p_value": p_value,
        "verdict": np.where(p_value < LEVEL, "consistent", "inconsistent"),
    }


def measured(epochs: pd.DataFrame) -> pd.DataFrame:
    """What is to be placed, long: every run's values, and their means where there are two or more.

    ``epochs``: results/epochs.csv. Columns: source ("run" or "rounds"), scenario, framework,
    device, round (empty for means), runs (how many are behind the value), epoch, quantity, value.
    """
    who = ["scenario", "framework", "device"]
    runs = epochs[epochs["track"] == "tutorial"].melt(
        [*who, "round", "epoch"], QUANTITIES, "quantity", "value"
    )
    means = runs.groupby([*who, "epoch", "quantity"], sort=False)["value"].agg(
        value="mean", runs="count"
    )
    means = means[means["runs"] > 1].reset_index()
    return pd.concat([runs.assign(source="run", runs=1), means.assign(source="rounds")])


def published(config: dict, logs: dict) -> pd.DataFrame:
    """The published average losses, in the same columns, for the scenarios that train alike."""
    rows = []
    for scenario in config["scenarios"]:
        for competitor, log in published_logs(config, logs, scenario).items():
            framework, device = competitor.rsplit("-", 1)
            for epoch, value in enumerate(log["average_loss"]):
                rows.append(["published", scenario, framework, device, 1, epoch, value])
    columns = ["source", "scenario", "framework", "device", "runs", "epoch", "value"]
    return pd.DataFrame(rows, columns=columns).assign(quantity="average_loss")


def main(snakemake) -> None:
    config = snakemake.config
    seeds = {}  # by training, framework, epoch and quantity
    for path in map(Path, snakemake.input.distributions):  # .../{training}/{framework}.csv
        for epoch, rows in pd.read_csv(path).groupby("epoch"):
            for quantity in QUANTITIES:
                seeds[path.parent.name, path.stem, epoch, quantity] = rows[quantity].to_numpy()
    with open(snakemake.input.published) as file:
        values = [
            measured(read_table(snakemake.input.epochs)),
            published(config, yaml.safe_load(file)),
        ]
    table = pd.concat(values, ignore_index=True).infer_objects()
    trainings = {scenario: same_training(config, scenario) for scenario in config["scenarios"]}
    table["training"] = table["scenario"].map(trainings)
    placed = [
        rows.assign(**place(rows["value"], rows["runs"], seeds[of]))
        for of, rows in table.groupby(["training", "framework", "epoch", "quantity"])
        if of in seeds  # published logs may have frameworks and epochs that these results lack
    ]
    placed = pd.concat(placed).sort_index() if placed else pd.DataFrame()
    write_table(placed.reindex(columns=COLUMNS), snakemake.output[0])


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    main(snakemake)
