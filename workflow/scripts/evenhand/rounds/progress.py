"""How far one start has come, how long the rest takes, and what its rounds say so far."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean, median
from typing import NamedTuple

from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor, Round, Run
from evenhand.core.words import times
from evenhand.rounds.leftovers import fixed_rounds
from evenhand.rounds.plan import earlier_runs, seconds_of_a_run
from toolbox.record import NotARecord, Record

TRAININGS = ("train", "rehearse", "restart")  # each takes about as long as a timed run
OTHER_JOB = 1.0  # seconds that any other job is taken for until one of its kind has ended


class Job(NamedTuple):
    """A job of Snakemake."""

    rule: str
    wildcards: Mapping[str, str]

    @property
    def kind(self) -> tuple:
        """What it shares with jobs that take about as long: all but the round."""
        return self.rule, *((key, of) for key, of in self.wildcards.items() if key != "round")

    @property
    def competitor(self) -> str | None:
        of = self.wildcards
        return str(Competitor(of["framework"], of["device"])) if "device" in of else None

    @property
    def run(self) -> Run:
        """The timed run that it is, if its rule is `train`."""
        of = self.wildcards
        return Round(of["track"], of["scenario"], int(of["round"])).run(self.competitor)


class Progress:
    """How far one start has come, and the seconds an epoch of all runs that are there.

    `labels`: competitors in words; `due`: the jobs by Snakemake's number. Times are seconds of
    whatever clock the events have.
    """

    def __init__(
        self,
        experiment: Experiment,
        labels: Mapping[str, str],
        due: Mapping[int, Job],
        results: Path = Path("results"),
    ):
        self.experiment, self.labels, self.results = experiment, labels, results
        self.due: dict[int, Job] = {}
        self.running: dict[int, float] = {}  # the time at which each began
        self.left = Counter()
        self.took = defaultdict(list)  # seconds of those that have ended, by kind
        self.spent = 0.0
        self.earlier = earlier_runs(results / f"runs.{experiment.table_form}")
        self.planned = {}  # seconds of a training, by kind
        self.epochs: dict[Run, float] = {}  # seconds of one, as the comparison takes it
        self.take_in(due)

    def take_in(self, due: Mapping[int, Job]) -> None:
        """Learn of jobs that are new, as some are once the number of all rounds is fixed."""
        new = {number: job for number, job in due.items() if number not in self.due}
        self.due |= new
        self.left.update(job.kind for job in new.values())
        fixed = fixed_rounds(self.experiment, self.results)
        self.experiment = replace(self.experiment, fixed_rounds=fixed)
        for kind, job in {job.kind: job for job in new.values()}.items():
            if job.rule in TRAININGS:
                contest = job.wildcards["track"], job.wildcards["scenario"]
                self.planned[kind], _ = seconds_of_a_run(
                    self.experiment, *contest, job.competitor, self.earlier
                )
        to_come = {job.run for job in self.due.values() if job.rule == "train"}
        for track, scenario in self.experiment.contests:
            for round_ in self.rounds(track, scenario):
                for run in map(round_.run, self.experiment.competitors(track)):
                    if run not in to_come and run.path(self.results).exists():
                        self._read(run)

    def rounds(self, track: str, scenario: str) -> list[Round]:
        """Those of a contest, as far as their number is fixed."""
        count = self.experiment.rounds(track, scenario)
        return [Round(track, scenario, number) for number in range(count)]

    def _read(self, run: Run) -> None:
        """Take in a run; one whose record cannot be read is left to the audit, which names it."""
        try:
            epochs = Record.read(run.path(self.results)).measured.epochs
            timed = epochs[self.experiment.config["comparison"]["warmup_epochs"] :]
            self.epochs[run] = median(epoch.seconds for epoch in timed)
        except NotARecord:
            pass

    def begin(self, number: int, at: float) -> None:
        """Count a job as running."""
        self.running[number] = at

    def fail(self, number: int) -> None:
        """Count a job as waiting again: it is still to be done, perhaps in another start."""
        self.running.pop(number, None)

    def finish(self, number: int, at: float) -> None:
        """Count a job as done, and take in what it measured."""
        job, seconds = self.due[number], at - self.running.pop(number, at)
        self.left[job.kind] -= 1
        self.took[job.kind].append(seconds)
        self.spent += seconds
        if job.rule == "train":
            self._read(job.run)

    def expected(self, kind: tuple) -> float:
        """Seconds of a job: what those of its kind took in this start, else what is planned."""
        return median(self.took[kind]) if self.took[kind] else self.planned.get(kind, OTHER_JOB)

    @property
    def seconds_left(self) -> float:
        return sum(count * self.expected(kind) for kind, count in self.left.items())

    @property
    def share(self) -> float:
        """The part of all seconds that is over, from 0 to 1."""
        left = self.seconds_left
        return self.spent / (self.spent + left) if left else 1.0

    def words(self, job: Job) -> str:
        """A job in words, such as: tutorial, baseline, round 3 of 5: MXNet."""
        of = job.wildcards
        where = [of[axis] for axis in ("track", "scenario") if axis in of]
        if "round" in of:
            of_all = f" of {len(self.rounds(*where))}" if len(where) == 2 else ""
            where.append(f"round {int(of['round']) + 1}{of_all}")
        who = self.labels.get(job.competitor, of.get("framework"))
        rule = "" if job.rule == "train" else job.rule.replace("_", " ")
        return ": ".join(filter(None, [rule, ", ".join(where), who]))

    def now(self) -> str:
        """What is left, and what runs."""
        running = [self.words(self.due[number]) for number in self.running]
        are_more = self.experiment.config["precision"] and not self.experiment.fixed_rounds
        of = " of the first rounds" if are_more else ""
        return "; ".join([f"{duration(self.seconds_left)} left{of}", *running])

    def result(self, job: Job) -> str:
        """What a timed run measured."""
        if job.run not in self.epochs:
            return f"{self.words(job)}: its record cannot be read"
        seconds = self.epochs[job.run]
        return f"{self.words(job)} {seconds:.{2 if seconds >= 1 else 3}f} s an epoch"

    def ratios(self, of: Round) -> tuple[int, str]:
        """How many whole rounds a contest has, and its ratios so far; 0 where this one is not."""
        names = self.experiment.competitors(of.track)
        rounds = self.rounds(of.track, of.scenario)
        runs = {round_: [round_.run(name) for name in names] for round_ in rounds}
        whole = [round_ for round_ in rounds if self.epochs.keys() >= set(runs[round_])]
        if of not in whole or len(names) < 2:
            return 0, ""
        seconds = [[self.epochs[run] for run in runs[round_]] for round_ in whole]
        first, *others = (geometric_mean(column) for column in zip(*seconds, strict=True))
        base, *labels = (self.labels[name] for name in names)
        ratios = zip(labels, others, strict=True)
        said = ", ".join(f"{label} {times(other / first)}" for label, other in ratios)
        contest = f"{of.track}, {of.scenario}"
        return len(whole), f"{contest}: an epoch takes {said} times as long as {base}"


def duration(seconds: float) -> str:
    """A time to wait, no more precisely than it can be guessed."""
    if seconds > 7200:
        return f"about {seconds / 3600:.1f} h"
    return f"about {seconds / 60:.0f} min" if seconds >= 60 else "less than 1 min"
