"""The part of the audit that looks at runs in their round, and at rounds beside one another.

Each check is a function that yields what it finds; where runs are compared, with the run or round
that it is about.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from evenhand.checks.findings import Finding, Subject
from evenhand.core.identity import Rehearsal, Round, Run
from toolbox.record import Record, Requested

# Members of a round that run later than this after one another were not back to back.
GAP_SECONDS = 60
# What a date and time may be off: it is rounded, and the machine's may be set while it runs.
DATE_SECONDS = 1
# What the runs of a track and scenario share, in every round: all that is requested but these.
OF_A_RUN = {"track", "scenario", "round", "framework", "device", "seed"}
SETTINGS = [field.name for field in fields(Requested) if field.name not in OF_A_RUN]
COMMON = [*SETTINGS, "data_sha256"]

Found = Iterator[tuple[Subject, Finding]]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Of a record, what it is compared by with those of other rounds."""

    common: tuple  # the values of COMMON
    losses_sha256: str
    started: datetime
    seconds: float
    stopwatch: tuple  # runs that share it must not overlap

    @classmethod
    def of(cls, record: Record) -> "Excerpt":
        settings = (getattr(record.requested, name) for name in SETTINGS)
        machine, measured = record.environment.machine, record.measured
        return cls(
            common=(*map(countable, settings), record.environment.data_sha256),
            losses_sha256=measured.losses_sha256,
            started=datetime.fromisoformat(measured.started),
            seconds=measured.seconds,
            # On a cluster, whose scheduler hands nodes out, it is a job's: a round is one.
            stopwatch=tuple(machine[fact] for fact in ("node", "boot", "job")),
        )


def countable(value):
    """The value; a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def member(record: Record, subject: Run | Rehearsal, opened: dict | None) -> Iterator[Finding]:
    """One run belongs to its round.

    `opened`: the content of the file that opened the round, or None where it cannot be used.
    """
    if opened is None:
        yield Finding("round", "the file that opened its round is missing or wrong")
        return
    if record.round_id != opened["id"]:
        yield Finding("round", "belongs to another opening of the round")
    if record.requested.seed != opened["seed"]:
        yield Finding("seed", "another seed than its round's")
    if subject.competitor not in opened["order"]:
        yield Finding("round", "takes no part in its round")
    began = datetime.fromisoformat(record.measured.started)
    if (began - datetime.fromisoformat(opened["opened"])).total_seconds() < -DATE_SECONDS:
        yield Finding("clock", "began before its round was opened")
    if isinstance(subject, Run):  # a rehearsal is not timed: it may run anywhere
        yield from machine(record.environment.machine, opened["machine"])


def machine(here: dict, there: dict) -> Iterator[Finding]:
    """The run and its round were on one machine, in one boot."""
    for fact in ("node", "boot", "fingerprint"):
        if here[fact] != there[fact]:
            found = f"ran on another machine than its round: {fact} {here[fact]}"
            yield Finding("machine", f"{found}, not {there[fact]}")
            break


def members(
    round_: Round, opened: dict, records: Mapping[Run, Record], excerpts: Mapping[Run, Excerpt]
) -> Found:
    """The members of one round, against one another and the file that opened it."""
    runs = [round_.run(competitor) for competitor in opened["order"]]
    for run in runs:
        if run not in records:
            yield run, Finding("missing", "has no record that can be read", "note")
    environments = [record.environment for record in records.values()]
    deployments = Counter(environment.deployment for environment in environments)
    if len(deployments) > 1:
        ways = ", ".join(sorted(deployments))
        yield round_, Finding("deployment", f"its members were deployed in different ways: {ways}")
    for check in ("data", "protocol", "toolbox"):
        digests = {str(getattr(environment, f"{check}_sha256")) for environment in environments}
        if len(digests) > 1:
            yield round_, Finding(check, f"its members differ in {check}_sha256")
    for index, name in enumerate(SETTINGS):
        if len({excerpt.common[index] for excerpt in excerpts.values()}) > 1:
            yield round_, Finding("settings", f"its members differ in {name}")
    took_turns = in_turn(excerpts)
    turns = [run for run, _ in took_turns]
    if turns != [run for run in runs if run in records]:
        turns = ", ".join(run.competitor for run in turns)
        found = f"turns were taken in another order than sampled: {turns}"
        yield round_, Finding("order", found, "note")
    for (_, before), (run, after) in pairwise(took_turns):
        pause = pause_between(before, after)
        if pause > GAP_SECONDS:
            found = f"began {pause:.0f} s after the one before it: the round was interrupted"
            yield run, Finding("interrupted", found, "note")


def between_rounds(
    opened: Mapping[Round, dict | None], members: Mapping[Round, Mapping[Run, Excerpt]]
) -> Found:
    """Rounds of a track and scenario have their own seed and losses, and all else in common."""
    seeds, losses, common = {}, {}, {}
    for round_, excerpts in members.items():
        counts = common.setdefault((round_.track, round_.scenario), Counter())
        counts.update(excerpt.common for excerpt in excerpts.values())
    usual = {contest: max(counts, key=counts.get) for contest, counts in common.items() if counts}
    for round_, content in opened.items():
        contest = round_.track, round_.scenario
        if content is not None:
            first = seeds.setdefault((*contest, content["seed"]), round_.number)
            if first != round_.number:
                yield round_, Finding("seed", f"the seed of round {first} again")
        for run, excerpt in members.get(round_, {}).items():
            pairs = zip(COMMON, excerpt.common, usual[contest], strict=True)
            if others := [f"{name} {here}" for name, here, most in pairs if here != most]:
                yield run, Finding("settings", f"otherwise than most rounds: {', '.join(others)}")
            key = (*contest, run.competitor, excerpt.losses_sha256)
            first = losses.setdefault(key, round_.number)
            if first != round_.number:
                yield run, Finding("duplicate", f"the step losses of round {first} again")


def one_at_a_time(excerpts: Mapping[Run, Excerpt], results: Path) -> Found:
    """No two runs at the same time under one stopwatch."""
    together: dict[tuple, dict[Run, Excerpt]] = {}
    for run, excerpt in excerpts.items():
        together.setdefault(excerpt.stopwatch, {})[run] = excerpt
    for under_one in together.values():
        for (run, before), (other, after) in pairwise(in_turn(under_one)):
            if pause_between(before, after) < -DATE_SECONDS:
                yield run, Finding("clock", f"ran at the same time as {other.path(results)}")
                yield other, Finding("clock", f"ran at the same time as {run.path(results)}")


def in_turn(excerpts: Mapping[Run, Excerpt]) -> list[tuple[Run, Excerpt]]:
    """In the order of their beginnings."""
    return sorted(excerpts.items(), key=lambda pair: pair[1].started)


def pause_between(before: Excerpt, after: Excerpt) -> float:
    """Seconds from the end of one run to the beginning of another; negative where they overlap."""
    return (after.started - before.started).total_seconds() - before.seconds
