"""The part of the audit that looks at runs in their round, and at rounds beside one another.

Each check is a function that yields what it finds; where runs are compared, with the run or round
that it is about.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.checks.findings import Finding, Subject
from evenhand.core.identity import Proof, Round, Run
from evenhand.model.mlp import flop_per_image
from toolbox.launch import PRELOADED, RECORDED
from toolbox.machine import HARDWARE, fingerprint
from toolbox.record import Record, Requested

# Members of a round that run later than this after one another were not back to back.
GAP_SECONDS = 60
# What a date and time may be off: it is rounded, and the machine's may be set while it runs.
DATE_SECONDS = 1
# What the runs of a track and scenario share, in every round: all that is requested but these.
OF_A_RUN = {"track", "scenario", "round", "framework", "device", "seed"}
SETTINGS = [field.name for field in fields(Requested) if field.name not in OF_A_RUN]
COMMON = [*SETTINGS, "data_sha256"]
# Runs of two rounds whose first losses are as near as this are one and the same: rounds have their
# own weights and order, and single losses that are off by 0.1.
NEAR, FIRST, FEWEST = 1e-4, 16, 4

SAME_FOR_ALL = [fact for fact in HARDWARE if fact != "gpu"]  # a round is opened without the GPU

Found = Iterator[tuple[Subject, Finding]]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Of a record, what it is compared by with those of other rounds."""

    common: tuple  # the values of COMMON
    variables: tuple[tuple[str, str], ...]
    user_variables: frozenset[str]
    losses: tuple[float, ...]  # of the first steps, none where they cannot be read
    started: datetime
    seconds: float
    stopwatch: tuple  # runs that share it must not overlap
    boot: str
    hardware: tuple
    usable_cores: float

    @classmethod
    def of(cls, record: Record, losses: np.ndarray | None) -> "Excerpt":
        settings = (getattr(record.requested, name) for name in SETTINGS)
        machine, measured = record.environment.machine, record.measured
        return cls(
            common=(*map(countable, settings), record.environment.data_sha256),
            variables=tuple(sorted(record.environment.variables.items())),
            user_variables=frozenset(record.environment.user_variables),
            losses=() if losses is None else tuple(losses.ravel()[:FIRST].tolist()),
            started=datetime.fromisoformat(measured.started),
            seconds=measured.seconds,
            # On a cluster, whose scheduler hands nodes out, it is a job's: a round is one.
            stopwatch=tuple(machine[fact] for fact in ("node", "boot", "job")),
            boot=machine["boot"],
            hardware=hardware(machine),
            usable_cores=machine["usable_cores"],
        )


def hardware(machine: Mapping) -> tuple:
    """What is the same for all runs on a machine, whichever device they use."""
    return tuple(machine[fact] for fact in SAME_FOR_ALL)


def countable(value):
    """The value; a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def fastest_cores(rounds: Iterable[dict | None]) -> dict[str, float]:
    """The best matrix multiplication of one core seen in any round, by the machine's fingerprint.

    FLOP/s. In a single round other processes may have been in the way.
    """
    fastest: dict[str, float] = {}
    for opened in rounds:
        if opened is not None:
            kind, flops = opened["machine"]["fingerprint"], opened["peak"]["core_flops"]
            fastest[kind] = max(flops, fastest.get(kind, 0.0))
    return fastest


def member(
    record: Record,
    subject: Run | Proof,
    opened: dict | None,
    core_flops: Mapping[str, float],
) -> Iterator[Finding]:
    """One run belongs to its round.

    `opened`: the content of the file that opened the round, or None where it cannot be used.
    `core_flops`: what `fastest_cores` gives.
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
    if isinstance(subject, Run):  # a proof is not timed: it may run anywhere
        yield from machine(record.environment.machine, opened["machine"])
        flops = core_flops[opened["machine"]["fingerprint"]]
        yield from peak(record, opened["peak"]["threads"] * flops)


def machine(here: dict, there: dict) -> Iterator[Finding]:
    """The run and its round were on one machine, in one boot."""
    for fact in ("node", "boot", *SAME_FOR_ALL):
        if here[fact] != there[fact]:
            found = f"ran on another machine than its round: {fact} {here[fact]}"
            yield Finding("machine", f"{found}, not {there[fact]}")
            break


def peak(record: Record, flops: float) -> Iterator[Finding]:
    """No epoch computes faster than the machine multiplies matrices, GPUs aside.

    `flops`: what the machine can do at most, floating-point operations a second.
    """
    requested = record.requested
    if record.environment.gpu is None:
        work = flop_per_image(requested.layers) * requested.train_images
        fastest = min(record.measured.epochs, key=lambda epoch: epoch.seconds)
        share = work / max(fastest.seconds, 1e-9) / flops
        if share > 1:
            found = f"{share:.3g} times as fast as the machine multiplies matrices"
            yield Finding("peak", f"epoch {fastest.epoch} computes {found}: not inside its clock")


def opening(opened: dict) -> Iterator[Finding]:
    """What a round's file says by itself."""
    if opened["machine"]["fingerprint"] != fingerprint(opened["machine"]):
        yield Finding("fingerprint", "the fingerprint is not that of the hardware")


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
    gpus = {of["alias"]: of["name"] for of in (e.gpu for e in environments) if of}
    if len(gpus) > 1:
        names = ", ".join(f"{name} ({alias})" for alias, name in sorted(gpus.items()))
        yield round_, Finding("machine", f"its members ran on different GPUs: {names}")
    for check in ("data", "protocol", "toolbox"):
        digests = {str(getattr(environment, f"{check}_sha256")) for environment in environments}
        if len(digests) > 1:
            yield round_, Finding(check, f"its members differ in {check}_sha256")
    for index, name in enumerate(SETTINGS):
        if len({excerpt.common[index] for excerpt in excerpts.values()}) > 1:
            yield round_, Finding("settings", f"its members differ in {name}")
    # What an environment sets for itself may differ; what the user has set is for all of them.
    set_by_user = frozenset().union(*(excerpt.user_variables for excerpt in excerpts.values()))
    for name in sorted(set_by_user):
        values = {str(dict(excerpt.variables).get(name)) for excerpt in excerpts.values()}
        if len(values) > 1 and name.startswith((*RECORDED, PRELOADED)):
            differ = " and ".join(sorted(values))
            yield round_, Finding("variables", f"its members differ in {name}: {differ}")
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
    opened: Mapping[Round, dict | None],
    members: Mapping[Round, Mapping[Run, Excerpt]],
    results: Path,
) -> Found:
    """Rounds of a track and scenario have their own seed and losses, and all else in common."""
    seeds: dict[tuple, int] = {}
    contests: dict[tuple, dict[Run, Excerpt]] = {}
    for round_, runs in members.items():
        contests.setdefault((round_.track, round_.scenario), {}).update(runs)
    for round_, content in opened.items():
        contest = round_.track, round_.scenario
        if content is not None:
            first = seeds.setdefault((*contest, content["seed"]), round_.number)
            if first != round_.number:
                yield round_, Finding("seed", f"the seed of round {first} again")
    for runs in contests.values():
        yield from settings(runs)
        yield from variables(runs)
        yield from usable_cores(runs)
        for run, other in copies(runs):
            first, again = sorted([run, other])
            yield again, copy_of(first, results)
    yield from one_hardware_a_boot(
        {run: of for runs in members.values() for run, of in runs.items()}
    )


def settings(runs: Mapping[Run, Excerpt]) -> Found:
    """All runs of a track and scenario were asked for the same."""
    for run, here, usual in unlike_most(runs, lambda run, _: run.of.scenario, attrgetter("common")):
        pairs = zip(COMMON, here, usual, strict=True)
        others = ", ".join(f"{name} {value}" for name, value, most in pairs if value != most)
        yield run, Finding("settings", f"otherwise than most rounds: {others}")


def variables(runs: Mapping[Run, Excerpt]) -> Found:
    """All runs of a competitor in a track and scenario had the same variables."""
    others = unlike_most(runs, lambda run, _: run.competitor, attrgetter("variables"))
    for run, here, usual in others:
        here, usual = dict(here), dict(usual)
        for name in sorted(here.keys() | usual.keys()):
            if here.get(name) != usual.get(name):
                found = f"{name} is {here.get(name)}, {usual.get(name)} in most rounds"
                yield run, Finding("variables", found)


def usable_cores(runs: Mapping[Run, Excerpt]) -> Found:
    """All runs of a track and scenario on the same hardware could use as much of it."""
    others = unlike_most(runs, lambda _, excerpt: excerpt.hardware, attrgetter("usable_cores"))
    for run, here, usual in others:
        yield run, Finding("cores", f"could use {here:g} cores, most rounds {usual:g}")


def one_hardware_a_boot(runs: Mapping[Run, Excerpt]) -> Found:
    """A machine does not change its hardware while it runs."""
    for run, here, _ in unlike_most(runs, lambda _, excerpt: excerpt.boot, attrgetter("hardware")):
        found = "not the hardware of most runs in the same boot of the machine"
        yield run, Finding("machine", f"{', '.join(map(str, here))}: {found}")


def unlike_most(
    runs: Mapping[Run, Excerpt],
    kind: Callable[[Run, Excerpt], Hashable],
    value: Callable[[Excerpt], Hashable],
) -> Iterator[tuple[Run, Any, Any]]:
    """The runs that have another value than most runs of their kind: the run, its value, theirs.

    Of values that are equally frequent, the first counts as theirs.
    """
    kinds: dict[Hashable, dict[Run, Hashable]] = {}
    for run, excerpt in runs.items():
        kinds.setdefault(kind(run, excerpt), {})[run] = value(excerpt)
    for values in kinds.values():
        [(usual, _)] = Counter(values.values()).most_common(1)
        for run, here in values.items():
            if here != usual:
                yield run, here, usual


def copies(runs: Mapping[Run, Excerpt]) -> Iterator[tuple[Run, Run]]:
    """Runs of a track and scenario whose losses are those of another round, or nearly."""
    enough = {run: losses for run, of in runs.items() if len(losses := of.losses) >= FEWEST}
    in_order = sorted((losses, run) for run, losses in enough.items())
    for place, (losses, run) in enumerate(in_order):
        for at in range(place + 1, len(in_order)):
            others, other = in_order[at]
            if others[0] - losses[0] > NEAR:
                break
            near = all(abs(a - b) <= NEAR for a, b in zip(losses, others, strict=False))
            if near and run.of != other.of:
                yield run, other


def copy_of(run: Run, results: Path) -> Finding:
    return Finding("duplicate", f"the step losses of {run.path(results)} again, or nearly")


def beside(runs: Mapping[Run, Excerpt], others: Mapping[Run, Excerpt], results: Path) -> Found:
    """No run is a copy of others that are not audited, or was timed at the same time as one."""
    contests: dict[tuple, dict[Run, Excerpt]] = {}
    for run, excerpt in (runs | others).items():
        contests.setdefault((run.of.track, run.of.scenario), {})[run] = excerpt
    alike = [pair for of_contest in contests.values() for pair in copies(of_contest)]
    for pairs, finding in ((alike, copy_of), (overlapping(runs | others), together_with)):
        for pair in pairs:
            for run, other in (pair, reversed(pair)):
                if run in runs and other in others:
                    yield run, finding(other, results)


def one_at_a_time(excerpts: Mapping[Run, Excerpt], results: Path) -> Found:
    """No two runs at the same time under one stopwatch."""
    for run, other in overlapping(excerpts):
        yield run, together_with(other, results)
        yield other, together_with(run, results)


def together_with(run: Run, results: Path) -> Finding:
    return Finding("clock", f"ran at the same time as {run.path(results)}")


def overlapping(excerpts: Mapping[Run, Excerpt]) -> Iterator[tuple[Run, Run]]:
    """Runs that were timed at the same time under one stopwatch."""
    together: dict[tuple, dict[Run, Excerpt]] = {}
    for run, excerpt in excerpts.items():
        together.setdefault(excerpt.stopwatch, {})[run] = excerpt
    for under_one in together.values():
        for (run, before), (other, after) in pairwise(in_turn(under_one)):
            if pause_between(before, after) < -DATE_SECONDS:
                yield run, other


def in_turn(excerpts: Mapping[Run, Excerpt]) -> list[tuple[Run, Excerpt]]:
    """In the order of their beginnings."""
    return sorted(excerpts.items(), key=lambda pair: pair[1].started)


def pause_between(before: Excerpt, after: Excerpt) -> float:
    """Seconds from the end of one run to the beginning of another; negative where they overlap."""
    return (after.started - before.started).total_seconds() - before.seconds
