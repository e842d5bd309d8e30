"""Who and which: competitors, runs, rounds, rehearsals, and where their files lie in `results/`.

The one place that takes `framework-device` and the paths of results apart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Competitor(NamedTuple):
    """A framework on a device; its name, `framework-device`, is that of its environment."""

    framework: str
    device: str

    @classmethod
    def parse(cls, name: str) -> "Competitor":
        framework, _, device = name.rpartition("-")
        return cls(framework, device)

    def __str__(self) -> str:
        return f"{self.framework}-{self.device}"


@dataclass(frozen=True, order=True)
class Round:
    """One round of a track and scenario."""

    track: str
    scenario: str
    number: int

    @classmethod
    def from_path(cls, path: Path) -> "Round":
        """Of results/rounds/{track}/{scenario}/{round}.json."""
        return cls(path.parts[-3], path.parts[-2], int(path.stem))

    def path(self, results: Path) -> Path:
        """The file that opened it."""
        return results / f"rounds/{self.track}/{self.scenario}/{self.number}.json"

    def run(self, competitor: str) -> "Run":
        return Run(self, competitor)


@dataclass(frozen=True, order=True)
class Run:
    """One competitor's run in a round."""

    of: Round
    competitor: str

    @classmethod
    def from_path(cls, path: Path) -> "Run":
        """Of results/runs/{track}/{scenario}/{round}/{competitor}.json."""
        track, scenario, number = path.parts[-4:-1]
        return cls(Round(track, scenario, int(number)), path.stem)

    def path(self, results: Path) -> Path:
        """Its record."""
        of = self.of
        return results / f"runs/{of.track}/{of.scenario}/{of.number}/{self.competitor}.json"


@dataclass(frozen=True, order=True)
class Rehearsal:
    """A competitor's run in float64, in round 0 of a track and scenario, which is not timed."""

    track: str
    scenario: str
    competitor: str

    @classmethod
    def from_path(cls, path: Path) -> "Rehearsal":
        """Of results/rehearsals/{track}/{scenario}/{competitor}.json."""
        return cls(path.parts[-3], path.parts[-2], path.stem)

    @property
    def of(self) -> Round:
        return Round(self.track, self.scenario, 0)

    def path(self, results: Path) -> Path:
        """Its record."""
        return results / f"rehearsals/{self.track}/{self.scenario}/{self.competitor}.json"


def losses_path(record: Path) -> Path:
    """The file of step losses that lies beside a record."""
    return record.with_suffix(".losses.npy")
