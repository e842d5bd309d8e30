"""What a step costs whatever its size, and from which size on that no longer counts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from evenhand.comparison import inference
from evenhand.comparison.compare import SECONDS, Reasons, among_first
from evenhand.core.experiment import Experiment
from evenhand.model.mlp import flop_per_image

NUMBERS = ("overhead_seconds", "flop_per_second", "negligible_flop")
SIZES = [
    *("track", "competitor", "sizes", "rounds"),
    *(f"{number}{end}" for number in NUMBERS for end in ("", "_low", "_high")),
    "largest_residual",
]
FEWEST = 4  # sizes; a law of two parameters fits any two
NEGLIGIBLE = 0.1  # of a step
LEAST_SECONDS = 1e-9  # of overhead: less is none
SIZE = ("batch_size", "hidden_layers")  # the settings that make a size


def varied(experiment: Experiment, track: str) -> dict[str, float]:
    """The scenarios of a track that differ from its first in size alone: FLOP of a full step.

    None where the sizes are fewer than four, or the data do not lie in memory.
    """
    if track not in experiment.tracks_with("data", "memory"):
        return {}
    run = [scenario for of, scenario in experiment.contests if of == track]
    alike = [of for of in run if _besides(experiment, of) == _besides(experiment, run[0])]
    flop = {scenario: flop_per_step(experiment.training(scenario)) for scenario in alike}
    return flop if len(set(flop.values())) >= FEWEST else {}


def _besides(experiment: Experiment, scenario: str) -> dict:
    """A scenario's settings besides its size."""
    settings = experiment.config["scenarios"][scenario]
    return {key: value for key, value in settings.items() if key not in (*SIZE, "tracks")}


def flop_per_step(training: Mapping) -> float:
    """Floating-point operations of a full batch."""
    return float(flop_per_image(training["layers"]) * training["batch_size"])


def step_seconds(runs: pd.DataFrame, experiment: Experiment) -> pd.Series:
    """The seconds of a full step in each run, from its median epoch; the last one by its size."""
    batch = runs["scenario"].map(lambda scenario: experiment.training(scenario)["batch_size"])
    return runs[SECONDS] * batch.astype(float) / runs["train_images"]


def sizes(experiment: Experiment, sound: pd.DataFrame, reasons: Reasons) -> pd.DataFrame:
    """What sizes.csv holds: the law of each competitor's steps, seconds = overhead + FLOP / rate.

    `sound`: the admitted runs. The law is fitted in each round that has all sizes on one kind of
    machine; its numbers are the geometric means of the rounds', with Student's interval on their
    logarithms. Where a round shows no overhead, there is none to tell.
    """
    confidence, rows = experiment.config["comparison"]["confidence"], []
    for track in experiment.config["tracks"]:
        flop = varied(experiment, track)
        here = sound[(sound["track"] == track) & sound["scenario"].isin(flop)]
        here = here.assign(
            flop=here["scenario"].map(flop), step_seconds=step_seconds(here, experiment)
        )
        for name in experiment.competitors(track):
            own = here[here["competitor"] == name]
            if any((track, scenario, name) in reasons for scenario in flop):
                continue
            laws = {
                number: law(of["flop"], of["step_seconds"])
                for (number, _), of in own.groupby(["round", "fingerprint"])
                if of["scenario"].nunique() == len(flop)
            }
            if laws:
                first = among_first(pd.Index(laws), experiment.first_rounds)
                numbers = _over_rounds(own, [*laws.values()], confidence, first)
                rows.append({"track": track, "competitor": name} | numbers)
    return pd.DataFrame(rows, columns=SIZES)


def law(flop: ArrayLike, seconds: ArrayLike) -> tuple[float, float]:
    """Overhead in seconds and rate in FLOP/s of the law that fits steps of several sizes best.

    seconds = overhead + flop / rate, least squares of the logarithms: relative errors count alike.
    The overhead is NaN where none fits best: these sizes do not show it.
    """
    flop, measured = np.asarray(flop, float), np.log(seconds)

    def residuals(parameters: np.ndarray) -> np.ndarray:
        overhead, rate = np.exp(parameters)
        return np.log(overhead + flop / rate) - measured

    start = np.log([np.min(seconds), np.max(flop / np.asarray(seconds))])
    bounds = ([np.log(LEAST_SECONDS), 0], [np.inf, np.inf])
    overhead, rate = np.exp(least_squares(residuals, start, bounds=bounds).x)
    return overhead if overhead > 2 * LEAST_SECONDS else np.nan, rate


def negligible_from(overhead: float, rate: float) -> float:
    """FLOP of a step from which on its overhead is less than a tenth of it."""
    return (1 / NEGLIGIBLE - 1) * overhead * rate


def _over_rounds(
    own: pd.DataFrame, laws: list[tuple[float, float]], confidence: float, first: int | None
) -> dict:
    """The numbers of a row, from the laws of the rounds, of which `first` tell the spread."""
    overheads, rates = map(np.array, zip(*laws, strict=True))
    row = {"sizes": own["flop"].nunique(), "rounds": len(laws)}
    values = overheads, rates, negligible_from(overheads, rates)
    for number, of_rounds in zip(NUMBERS, values, strict=True):
        names = (number, f"{number}_low", f"{number}_high")
        logarithms = np.log(of_rounds)
        found = inference.effect(logarithms, confidence=confidence, first=first)
        mean = np.exp(logarithms.mean())  # of a single round, too, which has no interval
        row |= dict(zip(names, map(float, (mean, found.low, found.high)), strict=True))
    means = own.groupby("flop")["step_seconds"].apply(lambda seconds: np.log(seconds).mean())
    overhead = np.nan_to_num(row["overhead_seconds"])
    fitted = np.log(overhead + means.index / row["flop_per_second"])
    return row | {"largest_residual": float(np.abs(np.expm1(means - fitted)).max())}
