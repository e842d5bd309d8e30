"""What was published elsewhere, and which of our scenarios it is about."""

from collections.abc import Mapping
from statistics import median

import numpy as np

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor


def claims_about(experiment: Experiment, track: str, scenario: str) -> dict[str, Mapping]:
    """The claims, by name, that a track and scenario put to the test: it has all their settings."""
    training = experiment.training(scenario)
    names, root = axes.names("claim", experiment.root), experiment.root
    return {
        name: claim
        for name, claim in ((name, axes.claim(name, root)) for name in names)
        if track in claim["tracks"]
        and all(training[key] == value for key, value in claim["settings"].items())
    }


def logs_of(claim: Mapping) -> dict[str, Mapping]:
    """A claim's own logs, by competitor."""
    return {
        str(Competitor(framework, claim["device"])): log for framework, log in claim["logs"].items()
    }


def published_logs(experiment: Experiment, track: str, scenario: str) -> dict[str, Mapping]:
    """The published logs, by competitor, that belong beside a track and scenario.

    Where claims that match both have a competitor's, it is the first claim's, by name. Beside
    images that are not known as the data set's own there are none.
    """
    logs = {}
    if not experiment.has_own_images(scenario):
        return logs
    for claim in claims_about(experiment, track, scenario).values():
        logs = logs_of(claim) | logs
    return logs


def published_ratio(logs: Mapping[str, Mapping], a: str, b: str, warmup_epochs: int) -> float:
    """a's published seconds over b's by our rule, the median epoch after the warm-up; else NaN."""
    seconds = [logs[name]["seconds"][warmup_epochs:] for name in (a, b) if name in logs]
    if len(seconds) < 2 or not all(seconds):
        return np.nan
    return median(seconds[0]) / median(seconds[1])
