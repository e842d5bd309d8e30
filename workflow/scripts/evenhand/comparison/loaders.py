"""With how many loader workers and threads a competitor is fastest, where scenarios vary them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evenhand.comparison import inference
from evenhand.comparison.compare import SECONDS, Reasons, among_first
from evenhand.core.experiment import Experiment

LOADERS = [
    *("track", "competitor", "scenario", "loader_workers", "threads"),
    *("rounds", "seconds", "ratio", "low", "high", "fastest"),
]


def varied(experiment: Experiment, track: str) -> list[str]:
    """The scenarios of a track that differ from its first in loader workers and threads alone.

    One of each way; none where the number of workers is the same in all of them, or no loader feeds
    the track.
    """
    if track not in experiment.tracks_with("data", "loader"):
        return []
    run = [scenario for of, scenario in experiment.contests if of == track]
    alike = [of for of in run if experiment.same_training(of) == experiment.same_training(run[0])]
    ways: dict[tuple, str] = {}
    for scenario in alike:
        training = experiment.training(scenario)
        ways.setdefault((training["loader_workers"], training["threads"]), scenario)
    return list(ways.values()) if len({workers for workers, _ in ways}) > 1 else []


def loaders(experiment: Experiment, sound: pd.DataFrame, reasons: Reasons) -> pd.DataFrame:
    """What loaders.csv holds: each competitor's seconds in each way, and relative to its fastest.

    `sound`: the admitted runs; who is not comparable in a scenario has no row there. A competitor's
    ways are compared in the rounds that all of them have on one kind of machine.
    """
    confidence, tables = experiment.config["comparison"]["confidence"], []
    for track in experiment.config["tracks"]:
        scenarios = varied(experiment, track)
        for name in experiment.competitors(track):
            own = sound[(sound["track"] == track) & (sound["competitor"] == name)]
            ranked = [of for of in scenarios if (track, of, name) not in reasons]
            own = own[own["scenario"].isin(ranked)]
            seconds = own.pivot_table(SECONDS, ["round", "fingerprint"], "scenario").dropna()
            seconds = seconds[[of for of in ranked if of in seconds]]
            if seconds.shape[1] > 1 and len(seconds):
                first = among_first(
                    seconds.index.get_level_values("round"), experiment.first_rounds
                )
                ways = _ways(seconds, confidence, first)
                tables.append(ways.assign(track=track, competitor=name))
    if not tables:
        return pd.DataFrame(columns=LOADERS)
    whole = pd.concat(tables, ignore_index=True)
    trainings = [experiment.training(scenario) for scenario in whole["scenario"]]
    whole["loader_workers"] = [training["loader_workers"] for training in trainings]
    whole["threads"] = [str(training["threads"]) for training in trainings]
    return whole[LOADERS]


def _ways(seconds: pd.DataFrame, confidence: float, first: int | None) -> pd.DataFrame:
    """One competitor's ways, a column each: geometric means, and their ratios to the least.

    `first`: how many of its rounds tell the spread.

    The fastest is found by looking, so the intervals hold together for every pair of ways
    (Bonferroni).
    """
    means = np.exp(np.log(seconds).mean())
    fastest, ways = means.idxmin(), seconds.shape[1]
    together = 1 - (1 - confidence) / (ways * (ways - 1) / 2)
    rows = []
    for scenario in seconds:
        found = inference.effect(
            inference.log_ratios(seconds[scenario], seconds[fastest]),
            confidence=together,
            first=first,
        )
        is_fastest = scenario == fastest
        rows.append(
            {
                "scenario": scenario,
                "rounds": len(seconds),
                "seconds": means[scenario],
                "ratio": means[scenario] / means[fastest],
                "low": np.nan if is_fastest else found.low,
                "high": np.nan if is_fastest else found.high,
                "fastest": is_fastest,
            }
        )
    return pd.DataFrame(rows)


def as_fast(rows: pd.DataFrame) -> Sequence[str]:
    """The scenarios, of one competitor's, that these rounds do not tell apart from its fastest."""
    return rows.loc[~rows["fastest"] & ~(rows["low"] > 1), "scenario"].tolist()
