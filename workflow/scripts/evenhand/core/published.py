"""Logs that were published elsewhere, and what they stand beside."""

from collections.abc import Mapping
from statistics import median

import numpy as np

from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor


def published_logs(
    experiment: Experiment, published: Mapping[str, dict], track: str, scenario: str
) -> dict[str, dict]:
    """The published logs, by competitor, that belong beside a track and have a scenario's settings.

    `published`: what config/published.yaml says, by framework.
    """
    if track not in experiment.tracks_with("published_logs", True):
        return {}
    training = experiment.training(scenario)
    return {
        str(Competitor(framework, log["device"])): log
        for framework, log in published.items()
        if all(training.get(key, value) == value for key, value in log["settings"].items())
    }


def published_ratio(logs: Mapping[str, dict], a: str, b: str, warmup_epochs: int) -> float:
    """a's published seconds over b's by our rule, the median epoch after the warm-up; else NaN."""
    seconds = [logs[name]["seconds"][warmup_epochs:] for name in (a, b) if name in logs]
    if len(seconds) < 2 or not all(seconds):
        return np.nan
    return median(seconds[0]) / median(seconds[1])
