"""How a competitor is named and plotted: the same in every figure and in the report."""

from typing import NamedTuple

from matplotlib.colors import to_hex, to_rgb

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor
from evenhand.environments.locks import requested

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d", "8"]


class Look(NamedTuple):
    label: str
    color: str
    marker: str | tuple[int, int, int]
    filled: bool  # the first device's markers are filled, those of others hollow


def looks(experiment: Experiment) -> dict[str, Look]:
    """The look of each competitor, in the configuration's order.

    The framework decides color and marker: the color is the one in its file, lighter for a version
    without a file of its own; the marker is that of its place in the configuration.
    """
    frameworks, devices = experiment.config["frameworks"], experiment.config["devices"]
    versions = [name for name in frameworks if axes.shares_file(name, experiment.root)]
    found = {}
    for place, name in enumerate(frameworks):
        framework, color = axes.framework(name, experiment.root), None
        if name in versions:
            kin = [of for of in versions if axes.unversioned(of) == axes.unversioned(name)]
            color = lighter(framework["color"], (kin.index(name) + 1) / (len(kin) + 1))
        for device in devices:
            found[str(Competitor(name, device))] = Look(
                label=label(experiment, name, device)
                + (f" ({device})" if len(devices) > 1 else ""),
                color=color or framework["color"],
                marker=marker(place),
                filled=device == devices[0],
            )
    return found


def label(experiment: Experiment, framework: str, device: str) -> str:
    """A framework's name in words; a version, and what it is compared with, by what is pinned."""
    root, family = experiment.root, axes.unversioned(framework)
    kin = [of for of in experiment.config["frameworks"] if axes.unversioned(of) == family]
    environment = root / f"envs/{framework}-{device}.yaml"
    has_own = axes.version(framework) and not axes.shares_file(framework, root)
    if has_own or not environment.exists() or kin == [family]:
        return axes.framework(framework, root)["label"]
    _, pins = requested(environment.read_text(encoding="utf-8"))
    return f"{axes.framework(family, root)['label']} {pins[0].partition('==')[2]}"


def lighter(color: str, share: float) -> str:
    """A color mixed with so much white."""
    return to_hex([1 - (1 - part) * (1 - share) for part in to_rgb(color)])


def marker(place: int) -> str | tuple[int, int, int]:
    """Matplotlib's marker of the framework at a place; no two places have the same one."""
    if place < len(MARKERS):
        return MARKERS[place]
    return (place, 1, 0)  # a star of so many rays
