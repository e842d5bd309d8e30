"""When whose turn is: the order in each round, and the priority of each job."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round
from evenhand.rounds.leftovers import read_round


@dataclass(frozen=True, eq=False)
class Schedule:
    """The turns of an experiment whose results may be there in part.

    `nodes`: the kind of nodes that new rounds are opened on. `again`: files to be made again.
    """

    experiment: Experiment
    results: Path
    nodes: str
    again: dict[str, str]

    @cache  # noqa: B019, one object lives as long as the process
    def opened(self, round_: Round) -> dict:
        """What the file that opened a round says, or nothing where there is none that counts."""
        path = round_.path(self.results)
        return {} if str(path) in self.again else read_round(path) or {}

    def nodes_of(self, round_: Round) -> str:
        """The kind of nodes that a round was opened on, or will be."""
        return self.opened(round_).get("nodes", self.nodes)

    @cache  # noqa: B019
    def order(self, round_: Round) -> list[str]:
        """The competitors of a round in the order of their turns.

        A round that was opened with all of today's and more is kept: who takes a broken framework
        out of the configuration keeps the runs of the others, and the audit names what is missing.
        """
        today = self.experiment.order(round_.track, round_.scenario, round_.number)
        order = self.opened(round_).get("order", today)
        built = all((self.results / f"environments/{name}.json").exists() for name in order)
        return order if built and set(order) >= set(today) else today

    def priority(self, round_: Round, competitor: str | None) -> int:
        """Of a run, the higher the sooner: round after round, in each the order of its competitors.

        Without a competitor, of the job that opens the round, before all of its runs.
        """
        contests, order = self.experiment.contests, self.order(round_)
        contest = contests.index((round_.track, round_.scenario))
        position = order.index(competitor) if competitor in order else -1
        rounds_left = self.experiment.most_rounds - round_.number
        return (rounds_left * len(contests) - contest) * 100 - position
