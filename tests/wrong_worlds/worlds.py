"""What wrong worlds of every framework share."""

from importlib.metadata import PathDistribution
from itertools import count
from unittest.mock import patch

_read_text = PathDistribution.read_text
_draws = count()


def installed_by(program):
    """A world in which `program` (None: nobody) signed every installation."""

    def read_text(self, name):
        return program if name == "INSTALLER" else _read_text(self, name)

    return patch.object(PathDistribution, "read_text", read_text)


def other_draws(code):
    """Stands in for `fresh_process`, at no cost: other weights and another order at each call."""
    return f"{next(_draws)}\n{next(_draws)}\n"
