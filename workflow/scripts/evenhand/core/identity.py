"""Who and which: competitors, runs, rounds, proofs, and where their files lie in `results/`.

The one place that takes `framework-device` and the paths of results apart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Self


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

    def rehearsal(self, competitor: str) -> "Rehearsal":
        return Rehearsal(self, competitor)

    def restart(self, competitor: str) -> "Restart":
        return Restart(self, competitor)


@dataclass(frozen=True, order=True)
class _InRound:
    """What a competitor does with what a round was given."""

    folder: ClassVar[str]  # in results/
    dtype: ClassVar[str] = "float32"  # that it computes in
    of: Round
    competitor: str

    @classmethod
    def from_path(cls, path: Path) -> Self:
        """That with this record."""
        track, scenario, number = path.parts[-4:-1]
        return cls(Round(track, scenario, int(number)), path.stem)

    def path(self, results: Path) -> Path:
        """Its record."""
        of = self.of
        place = results / self.folder / of.track / of.scenario / str(of.number)
        return place / f"{self.competitor}.json"


class Run(_InRound):
    """One competitor's run: results/runs/{track}/{scenario}/{round}/{competitor}.json."""

    folder = "runs"


class Rehearsal(_InRound):
    """The same in float64, not timed: results/rehearsals/{track}/{scenario}/{round}/...json."""

    folder = "rehearsals"
    dtype = "float64"


class Restart(_InRound):
    """Not timed, each step from the reference's weights: results/restarts/.../{competitor}.json."""

    folder = "restarts"


Proof = Rehearsal | Restart  # what is run to prove a computation, and not for its time


def proof(path: Path) -> Proof:
    """The rehearsal or restart with this record."""
    kinds = {kind.folder: kind for kind in (Rehearsal, Restart)}
    return kinds[path.parts[-5]].from_path(path)


def losses_path(record: Path) -> Path:
    """The file of step losses that lies beside a record."""
    return record.with_suffix(".losses.npy")
