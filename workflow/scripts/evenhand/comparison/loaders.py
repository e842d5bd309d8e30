"""With how many loader workers and threads a competitor is fastest, where scenarios vary them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import gmean

from evenhand.comparison import inference
from evenhand.comparison.compare import SECONDS, Reasons, by_round, of_scenario
from evenhand.core.experiment import Experiment

LOADERS = [
    *("track", "competitor", "scenario", "loader_workers", "threads"),
    *("rounds", "seconds", "ratio", "low", "high", "fastest"),
]


def varied(experiment: Experiment, track: str) -> list[str]:
    """The scenarios of a track that differ from its first in loader workers and threads alone.

    None where the number of workers is the same in all of them, or no loader feeds the track.
    """
    if track not in experiment.tracks_with("data", "loader"):
        return []
    run = [scenario for of, scenario in experiment.contests if of == track]
    alike = [of for of in run if experiment.same_training(of) == experiment.same_training(run[0])]
    workers = {experiment.training(scenario)["loader_workers"] for scenario in alike}
    return alike if len(workers) > 1 else []


def loaders(experiment: Experiment, sound: pd.DataFrame, reasons: Reasons) -> pd.DataFrame:
    """What loaders.csv holds: each competitor's seconds in each way, and relative to its fastest.

    `sound`: the admitted runs; who is not comparable in a scenario has no row there. The intervals
    hold together for all ways of a competitor (Bonferroni), since the fastest is found by looking.
    """
    confidence, tables = experiment.config["comparison"]["confidence"], []
    for track in experiment.config["tracks"]:
        scenarios = varied(experiment, track)
        for name in experiment.competitors(track):
            own = sound[sound["competitor"] == name]
            runs = {
                scenario: of_scenario(own, track, scenario)
                for scenario in scenarios
                if (track, scenario, name) not in reasons
            }
            runs = {scenario: of for scenario, of in runs.items() if len(of)}
            if len(runs) > 1:
                table = _ways(runs, confidence).assign(track=track, competitor=name)
                tables.append(table)
    if not tables:
        return pd.DataFrame(columns=LOADERS)
    whole = pd.concat(tables, ignore_index=True)
    trainings = [experiment.training(scenario) for scenario in whole["scenario"]]
    whole["loader_workers"] = [training["loader_workers"] for training in trainings]
    whole["threads"] = [str(training["threads"]) for training in trainings]
    return whole[LOADERS]


def _ways(runs: dict[str, pd.DataFrame], confidence: float) -> pd.DataFrame:
    """One competitor's scenarios: seconds, geometric means, and their ratios to the least."""
    seconds = {scenario: float(gmean(of[SECONDS])) for scenario, of in runs.items()}
    fastest = min(seconds, key=seconds.get)
    together = 1 - (1 - confidence) / (len(runs) - 1)
    rows = []
    for scenario, of in runs.items():
        row = {"scenario": scenario, "rounds": len(of), "seconds": seconds[scenario]}
        if scenario == fastest:
            row |= {"ratio": 1.0, "low": np.nan, "high": np.nan}
        else:
            both = by_round(of, runs[fastest], [SECONDS])
            both = both[both["fingerprint_a"] == both["fingerprint_b"]]
            d = inference.log_ratios(both[f"{SECONDS}_a"], both[f"{SECONDS}_b"])
            found = inference.effect(d, confidence=together)
            row |= {"rounds": len(both), "ratio": found.ratio, "low": found.low, "high": found.high}
        rows.append(row | {"fastest": scenario == fastest})
    return pd.DataFrame(rows)


def as_fast(rows: pd.DataFrame) -> Sequence[str]:
    """The scenarios, of one competitor's, that these rounds do not tell apart from its fastest."""
    return rows.loc[~rows["fastest"] & ~(rows["low"] > 1), "scenario"].tolist()
