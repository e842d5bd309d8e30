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
