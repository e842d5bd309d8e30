"""What wrong worlds of every framework share."""

from importlib.metadata import PathDistribution
from itertools import count
from unittest.mock import patch

_read_text = PathDistribution.read_text
_samples = count()


def installed_by(program):
    """A world in which `program` (None: an unknown one) installed every package."""

    def read_text(self, name):
        return program if name == "INSTALLER" else _read_text(self, name)

    return patch.object(PathDistribution, "read_text", read_text)


def other_samples(code):
    """Stands in for `fresh_process`, at no cost: other weights and another order at each call."""
    return f"{next(_samples)}\n{next(_samples)}\n"


def same_samples(code):
    """Stands in for `fresh_process`: the same weights and the same order at each call."""
    return "weights\norder\n"


def same_weights(code):
    """Stands in for `fresh_process`: another order at each call, but the same weights."""
    return f"weights\n{next(_samples)}\n"


def adding_up(call):
    """`call`, but it returns the sum of what it returned until then."""
    results = []

    def total(*arguments):
        results.append(call(*arguments))
        return sum(results)

    return total


def first_time_only(method):
    """`method`, but only its first call does anything."""
    calls = count()
    return lambda self: None if next(calls) else method(self)
