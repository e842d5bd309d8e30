"""Who needs least of what: each competitor's value of a metric, and its ratio to every other's."""

from itertools import product

import numpy as np
import pandas as pd

from evenhand.comparison import inference
from evenhand.comparison.compare import Reasons, among_first, of_scenario
from evenhand.core.experiment import Experiment

# Columns of runs.csv by the name of what they measure; of all of them, less is better.
METRICS = {
    "epoch": "median_epoch_seconds",
    "first_epoch": "first_epoch_seconds",
    "process": "own_process_seconds",
    "accuracy": "seconds_to_accuracy",
    "memory": "peak_memory_bytes",
    "energy": "median_epoch_joules",
}
RANKING = [
    *("track", "scenario", "metric", "competitor", "baseline"),
    *("rounds", "value", "ratio", "low", "high"),
]


def ranking(experiment: Experiment, sound: pd.DataFrame, reasons: Reasons) -> pd.DataFrame:
    """What ranking.csv holds: everybody who may be ranked vs. everybody, by each metric.

    `sound`: the admitted runs; `reasons`: who must not be ranked. Beside itself, a competitor's row
    has its `value`, the geometric mean of its rounds in the metric's unit (seconds, bytes, joules);
    beside another, the `ratio` of the two, in the rounds that both have, with its interval. By a
    metric that one of its rounds lacks, a competitor is not ranked.
    """
    rows, confidence = [], experiment.config["comparison"]["confidence"]
    for (track, scenario), (metric, column) in product(experiment.contests, METRICS.items()):
        here = of_scenario(sound, track, scenario).astype({column: float})  # it may be empty
        logs = np.log(here.pivot(index="round", columns="competitor", values=column))
        lacking = set(here.loc[here[column].isna(), "competitor"])
        ranked = [
            name
            for name in experiment.competitors(track)
            if name in logs.columns.difference(lacking) and (track, scenario, name) not in reasons
        ]
        for name, baseline in product(ranked, repeat=2):
            of = track, scenario, metric, name, baseline
            if name == baseline:
                own = logs[name].dropna()
                rows.append((*of, len(own), np.exp(own.mean()), 1.0, np.nan, np.nan))
                continue
            d = (logs[name] - logs[baseline]).dropna()
            first = among_first(d.index, experiment.first_rounds)
            found = inference.effect(d, confidence=confidence, first=first)
            rows.append((*of, len(d), np.nan, np.exp(d.mean()), found.low, found.high))
    return pd.DataFrame(rows, columns=RANKING)
