"""How a competitor is named and plotted: the same in every figure and in the report."""

from typing import NamedTuple

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d", "8"]


class Look(NamedTuple):
    label: str
    color: str
    marker: str | tuple[int, int, int]
    filled: bool  # the first device's markers are filled, those of others hollow


def looks(experiment: Experiment) -> dict[str, Look]:
    """The look of each competitor, in the configuration's order.

    The framework decides color and marker: the color is the one in its file, the marker that of its
    place in the configuration.
    """
    frameworks, devices = experiment.config["frameworks"], experiment.config["devices"]
    found = {}
    for place, name in enumerate(frameworks):
        framework = axes.framework(name, experiment.root)
        for device in devices:
            found[str(Competitor(name, device))] = Look(
                label=framework["label"] + (f" ({device})" if len(devices) > 1 else ""),
                color=framework["color"],
                marker=marker(place),
                filled=device == devices[0],
            )
    return found


def marker(place: int) -> str | tuple[int, int, int]:
    """Matplotlib's marker of the framework at a place; no two places have the same one."""
    if place < len(MARKERS):
        return MARKERS[place]
    return (place, 1, 0)  # a star of so many rays
