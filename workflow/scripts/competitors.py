"""How a competitor is named and drawn: the same in every figure and in the report."""

from typing import NamedTuple

# Okabe and Ito's colors, which the color-blind tell apart; those first that stand out on white and
# on black alike. https://jfly.uni-koeln.de/color/
COLORS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = ["o", "s", "^", "D", "v", "P"]
NAMES = {"pytorch": "PyTorch", "mxnet": "MXNet", "numpy": "NumPy"}  # others go by their own word


class Look(NamedTuple):
    label: str
    color: str
    marker: str
    filled: bool  # the first device's markers are filled, those of others hollow


def looks(config: dict) -> dict[str, Look]:
    """The look of each competitor, in the config's order; the framework decides the color."""
    frameworks, devices = config["frameworks"], config["devices"]
    return {
        f"{framework}-{device}": Look(
            label=NAMES.get(framework, framework) + (f" ({device})" if len(devices) > 1 else ""),
            color=COLORS[place % len(COLORS)],
            marker=MARKERS[place % len(MARKERS)],
            filled=device == devices[0],
        )
        for place, framework in enumerate(frameworks)
        for device in devices
    }


def published_logs(config: dict, published: dict, scenario: str) -> dict[str, dict]:
    """The published logs, by competitor, whose settings are those of this scenario.

    They were made on a CPU, so they stand beside CPU runs alone.
    """
    asked = config["data"] | config["scenarios"][scenario]
    return {
        f"{framework}-cpu": log
        for framework, log in published.items()
        if all(asked.get(key, value) == value for key, value in log["settings"].items())
    }
