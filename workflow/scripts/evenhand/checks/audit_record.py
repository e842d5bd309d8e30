"""The part of the audit that looks at one record: by itself, and against the project.

Each check is a function that yields what it finds.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from evenhand.checks.findings import Finding
from evenhand.core import axes
from evenhand.core.identity import Competitor, Proof, Run, losses_path
from evenhand.core.schemas import Refused
from evenhand.environments.locks import INSTALLERS, canonical, locked_versions
from evenhand.model.mlp import weight_shapes
from toolbox.machine import fingerprint
from toolbox.record import Environment, Measured, Phase, Record, Requested, sha256
from toolbox.stopwatch import BEFORE_EPOCHS

# What sums of seconds may be off: rounding of the numbers, and no more.
CLOCK_SECONDS = 0.01
# docs/trust.md says what honest runs were seen to take, and why a limit is where it is.
BETWEEN = 0.01, 0.02  # processor seconds between two clocks, and a share of an epoch's
LONGEST = 1.0, 0.1  # seconds, and a share of an epoch: what a crowded machine may do once
USUAL = 0.2, 0.05  # the same for the median over epochs
OFF = 0.2, 0.05  # what the trainer's clock may be off over all epochs, and a share of them
PREPARED_SECONDS = 30.0  # of the processor, before the first clock
QUOTA_SECONDS = 0.1  # the period of a control group's quota, which a span may touch once more
WORK = 0.05, 0.02  # processor seconds, and a share of the wall's: what accounts are rounded by
THREADS = 0.1  # how much more than the number of threads asked for may be at work
WATTS = 1e5  # more than any one machine draws
ROUNDING = 1e-9  # of sums of joules


class Project:
    """What records are held against. Each file is read once for thousands of records."""

    def __init__(self, results: Path, root: Path):
        self.results, self.root = results, root
        toolbox = (root / "workflow/trainers/toolbox").glob("*.py")
        self.toolbox = {file.name: sha256(file) for file in toolbox}
        self.sha256, self.canonical = cache(sha256_if_there), cache(canonical)
        self.losses = lru_cache(maxsize=64)(read_losses)  # those of a round; all may be a lot
        self.trainer, self.lock = cache(self._trainer), cache(self._lock)

    def _trainer(self, track: str, framework: str) -> str | None:
        """The SHA-256 of a trainer, None if there is none."""
        return sha256_if_there(axes.trainer(track, framework, self.root))

    def _lock(self, competitor: str) -> tuple[str | None, dict[str, str]]:
        """The SHA-256 of a lock, None if there is none, and the versions that it has."""
        lock = self.root / f"envs/{competitor}.lock"
        digest = sha256_if_there(lock)
        return digest, locked_versions(lock) if digest else {}


def read_losses(file: Path) -> np.ndarray | None:
    """Step losses, None where they cannot be read."""
    try:
        return np.load(file).astype(float)
    except (ValueError, OSError, EOFError):
        return None


def sha256_if_there(path: Path) -> str | None:
    return sha256(path) if path.exists() else None


def check(record: Record, path: Path, subject: Run | Proof, project: Project) -> Iterator[Finding]:
    """Everything that is wrong with one record, which lies at `path`, its round aside."""
    track, (framework, device) = subject.of.track, Competitor.parse(subject.competitor)
    try:
        start = axes.track(track, project.root)["start"]
        facts = axes.framework(framework, project.root)
        has_gpu = axes.device(device, project.root)["gpu"]
        has_loader = axes.track(track, project.root)["data"] == "loader"
    except Refused as error:
        yield Finding("identity", str(error))
        return
    requested, environment, measured = record.requested, record.environment, record.measured
    yield from identity(requested, subject)
    if requested.dtype != subject.dtype:
        yield Finding("settings", f"computed in {requested.dtype}")
    yield from by_itself(record, losses_path(path), project)
    if environment.device != facts["device_names"].get(device, device):
        yield Finding("device", f"asked for {device}, worked on {environment.device}")
    yield from code(environment, project.trainer(track, framework), project.toolbox)
    yield from twins(environment, axes.has_twin(track, framework, project.root))
    yield from protocol(requested, environment, start, project)
    if has_gpu:
        yield from gpu(environment.gpu, measured.gpu)
    yield from packages(environment, subject.competitor, project)
    if environment.machine["fingerprint"] != fingerprint(environment.machine):
        yield Finding("fingerprint", "the fingerprint is not that of the hardware")
    if isinstance(subject, Run):  # the seconds of a proof do not count
        yield from while_timed(record, facts, requested.loader_workers if has_loader else None)


def by_itself(record: Record, losses_file: Path, project: Project) -> Iterator[Finding]:
    """What is wrong with a record, whatever else there is."""
    requested, measured = record.requested, record.measured
    yield from work(requested, measured)
    yield from weights(requested, measured)
    yield from clocks(measured)
    yield from losses(losses_file, requested, measured, project)
    yield from threads(requested, record.environment)


def while_timed(
    record: Record, framework: Mapping, loader_workers: int | None
) -> Iterator[Finding]:
    """What is wrong with how a clocked run was timed; `framework` is what its file says.

    `loader_workers`: those of its data loader; None where it has no part.
    """
    requested, measured, machine = record.requested, record.measured, record.environment.machine
    by_quota = QUOTA_SECONDS if machine["usable_cores"] < machine["cores"] else 0.0
    yield from trainers_clock(measured, by_quota)
    yield from outside_the_clock(measured)
    yield from processor(measured, machine["usable_cores"], by_quota)
    workers = Workers.of(framework, loader_workers)
    asynchronous, compiler = framework["asynchronous"], framework["compiler"]
    yield from threads_at_work(
        requested, measured, asynchronous, workers.threads, compiler == "threads"
    )
    yield from helpers(measured, workers.processes, compiler == "processes")
    yield from energy(measured)


def identity(requested: Requested, subject: Run | Proof) -> Iterator[Finding]:
    """The record is of the run that its path names."""
    of = subject.of
    path = (of.track, of.scenario, of.number, *Competitor.parse(subject.competitor))
    keys = ("track", "scenario", "round", "framework", "device")
    content = tuple(getattr(requested, key) for key in keys)
    if content != path:
        said = "/".join(map(str, content))
        yield Finding("identity", f"tells of another run than its path: {said}")


def work(requested: Requested, measured: Measured) -> Iterator[Finding]:
    """Every epoch once, with as many steps and images as the settings say."""
    steps = steps_of(requested)
    numbers = [epoch.epoch for epoch in measured.epochs]
    if numbers != list(range(requested.epochs)):
        yield Finding("steps", f"epochs {numbers} instead of 0 to {requested.epochs - 1}")
    for epoch in measured.epochs:
        done, due = (epoch.steps, epoch.images), (steps, requested.train_images)
        if done != due:
            found = f"{done[0]} steps over {done[1]} images instead of {due[0]} over {due[1]}"
            yield Finding("steps", f"epoch {epoch.epoch}: {found}")


def steps_of(requested: Requested) -> int:
    """How many steps an epoch has; the last may have fewer images."""
    return -(-requested.train_images // requested.batch_size)


def weights(requested: Requested, measured: Measured) -> Iterator[Finding]:
    """The weights have the shapes of the network, and the type that was asked for."""
    due = {name: list(shape) for name, shape in weight_shapes(requested.layers).items()}
    if names := due.keys() ^ measured.weights.keys():
        yield Finding("weights", f"too many or too few: {', '.join(sorted(names))}")
    for name in due.keys() & measured.weights.keys():
        found = measured.weights[name]
        if found["shape"] != due[name]:
            yield Finding("weights", f"{name} of shape {found['shape']} instead of {due[name]}")
        if found["dtype"] != requested.dtype:
            yield Finding("weights", f"{name} in {found['dtype']} instead of {requested.dtype}")


# ---- time ------------------------------------------------------------


def clocks(measured: Measured) -> Iterator[Finding]:
    """Clocks go forward, and the parts of the process are the whole of it, without a gap."""
    epochs, phases = measured.epochs, measured.phases
    for before, after in pairwise(epochs):
        if after.begin < before.end - CLOCK_SECONDS:
            yield Finding("clock", f"epoch {after.epoch} begins before epoch {before.epoch} ends")
    whole = sum(phase.seconds for phase in phases.values() if phase)
    if abs(whole - measured.seconds) > CLOCK_SECONDS:
        found = f"its phases take {whole:.2f} s, the process {measured.seconds:.2f} s"
        yield Finding("clock", found)
    if abs(sum(epoch.seconds for epoch in epochs) - phases["epochs"].seconds) > CLOCK_SECONDS:
        yield Finding("clock", "the epochs do not add up to their sum")
    if epochs[0].begin < begin_of_epochs(measured) - CLOCK_SECONDS or epochs[-1].end > whole:
        yield Finding("clock", "the epochs do not fit into the process's time")
    if any((epoch.wait_seconds or 0) > epoch.seconds + CLOCK_SECONDS for epoch in epochs):
        yield Finding("clock", "an epoch waited longer than it took")
    if any(epoch.seconds <= 0 for epoch in epochs):
        yield Finding("clock", "an epoch took no time")


def begin_of_epochs(measured: Measured) -> float:
    """When the first epoch may begin: everything is prepared, and the order is not yet known."""
    return sum(phase.seconds for phase in before_epochs(measured))


def before_epochs(measured: Measured) -> list[Phase]:
    """The phases before the first clock that the run had."""
    return [phase for name in BEFORE_EPOCHS if (phase := measured.phases[name])]


def trainers_clock(measured: Measured, by_quota: float) -> Iterator[Finding]:
    """The trainer's clock agrees with the launcher's, but for what the line between them costs.

    `by_quota`: seconds that a control group's quota may have either of the two wait.
    """
    own = sum(epoch.trainer_seconds for epoch in measured.epochs)
    ours = measured.phases["epochs"].seconds
    if abs(ours - own) > limit(OFF, ours) + 2 * by_quota * len(measured.epochs):
        yield Finding("clock", f"epochs of {ours:.2f} s took {own:.2f} s by the trainer's clock")


def outside_the_clock(measured: Measured) -> Iterator[Finding]:
    """Nothing is worked between the clocks, and no training fits in before the first.

    Work shows in processor seconds, however busy the machine is; waiting for a device in others.
    """
    phases, epochs = measured.phases, measured.epochs
    between, of_epochs = (phases[name].processor_seconds for name in ("between", "epochs"))
    if between > limit(BETWEEN, of_epochs / len(epochs)) * (len(epochs) + 1):
        found = f"{between:.2f} processor seconds between the clocks, {of_epochs:.2f} in the epochs"
        yield Finding("gap", f"work goes on while the clock stands: {found}")
    ends = [begin_of_epochs(measured), *(epoch.end for epoch in epochs)]
    gaps = [epoch.begin - end for epoch, end in zip(epochs, ends, strict=False)]
    epoch = median(epoch.seconds for epoch in epochs)
    if max(gaps) > limit(LONGEST, epoch) or median(gaps) > limit(USUAL, epoch):
        found = f"the clock stood for {max(gaps):.2f} s, in the median for {median(gaps):.2f} s"
        yield Finding("gap", f"{found}, between epochs of {epoch:.2f} s")
    if sum(gaps) > phases["between"].seconds + CLOCK_SECONDS:
        yield Finding("gap", "the time between the clocks is more than the phase of that name")
    prepared = sum(phase.processor_seconds for phase in before_epochs(measured))
    if prepared > PREPARED_SECONDS + 2 * of_epochs:
        found = f"{prepared:.0f} processor seconds before the first epoch, twice what epochs take"
        yield Finding("gap", found)


def limit(measure: tuple[float, float], whole: float) -> float:
    """A fixed number of seconds, and a share of the whole."""
    fixed, share = measure
    return fixed + share * whole


# ---- work ------------------------------------------------------------


def processor(measured: Measured, cores: float, by_quota: float) -> Iterator[Finding]:
    """Cores give no more than a second of processor time each second, and all of it is told.

    `by_quota`: by how many seconds a span may be longer for a control group's quota.
    """
    epochs, phases = measured.epochs, measured.phases
    worked = [epoch.processor_seconds + epoch.helper_seconds for epoch in epochs]
    whole = measured.user_seconds + measured.system_seconds
    spans = [("the process", measured.seconds, whole)]
    for epoch, of_epoch in zip(epochs, worked, strict=True):
        spans.append((f"epoch {epoch.epoch}", epoch.seconds, of_epoch))
    for name, seconds, in_span in spans:
        if in_span > within(cores * (seconds + by_quota)):
            found = f"{in_span:.2f} processor seconds in {seconds:.2f} s on {cores:g} cores"
            yield Finding("processor", f"{name} took {found}")
    if abs(sum(worked) - phases["epochs"].processor_seconds) > within(0):
        yield Finding("processor", "the epochs' processor seconds do not add up to their sum")
    in_phases = sum(phase.processor_seconds for phase in phases.values() if phase)
    if abs(in_phases - whole) > within(0.05 * whole):
        yield Finding("processor", "its phases' processor seconds are not the process's")


class Workers(NamedTuple):
    """How many workers a data loader may have, and what they are."""

    threads: int = 0
    processes: int = 0

    @classmethod
    def of(cls, framework: Mapping, workers: int | None) -> "Workers":
        """So many workers of a framework's loader; None where it has no part."""
        if workers == 0 and framework["loader_thread"]:
            return cls(threads=1)
        return cls(**{framework["loader_workers"]: workers or 0})


def threads_at_work(
    requested: Requested, measured: Measured, asynchronous: bool, workers: int, compiles: bool
) -> Iterator[Finding]:
    """No more threads computed at any time than were asked for, where a number was.

    `asynchronous`: the main thread only hands work over, and is not counted. `workers`: threads of
    a data loader, which come on top. `compiles`: threads of a compiler may run in the first epoch.
    """
    if requested.threads == "default":
        return
    for epoch in measured.epochs[compiles:]:
        worked = epoch.processor_seconds - (epoch.main_thread_seconds if asynchronous else 0)
        if worked > within((requested.threads + workers + THREADS) * epoch.seconds):
            found = f"{worked:.2f} processor seconds in the {epoch.seconds:.2f} s"
            asked = f"asked for {requested.threads} threads"
            yield Finding("threads", f"{asked}, {found} of epoch {epoch.epoch}")


def helpers(measured: Measured, workers: int, compiles: bool) -> Iterator[Finding]:
    """No processes but the workers of a loader helped, and none went on afterwards.

    `compiles`: a compiler may run as a process of its own in the first epoch.
    """
    for epoch in measured.epochs[compiles:]:
        if epoch.helper_seconds <= within(0):  # a tracker of resources and the like
            continue
        if not workers:
            found = f"other processes worked {epoch.helper_seconds:.2f} s for it"
            yield Finding("helpers", f"{found} in epoch {epoch.epoch}")
        elif epoch.helpers > workers:
            found = f"{epoch.helpers} other processes worked for it, {workers} were asked for"
            yield Finding("helpers", f"{found}, in epoch {epoch.epoch}")
    if measured.left_running:
        found = f"{measured.left_running} processes that it started went on after its end"
        yield Finding("helpers", found)


def within(processor_seconds: float) -> float:
    """So many processor seconds, and what accounts of them are rounded by."""
    return processor_seconds + limit(WORK, processor_seconds)


# ---- energy ----------------------------------------------------------


def energy(measured: Measured) -> Iterator[Finding]:
    """Counters that were read counted in every epoch, and no more than is possible."""
    for part, told in measured.energy.items():
        joules = [getattr(epoch, f"{part}_joules") for epoch in measured.epochs]
        if told is None or told["reason"]:
            if any(of_epoch is not None for of_epoch in joules):
                yield Finding("energy", f"joules of the {part}, of which nothing was read")
            continue
        for epoch, of_epoch in zip(measured.epochs, joules, strict=True):
            if of_epoch is None or not 0 < of_epoch <= WATTS * epoch.seconds:
                found = f"{of_epoch} J of the {part} in {epoch.seconds:.2f} s"
                yield Finding("energy", f"{found} of epoch {epoch.epoch}")
    whole = measured.gpu and measured.gpu["energy_joules"]
    in_epochs = sum(epoch.gpu_joules or 0 for epoch in measured.epochs)
    if whole is not None and in_epochs > whole * (1 + ROUNDING):
        found = f"{in_epochs:.1f} J of the gpu in the epochs, {whole:.1f} J in the whole process"
        yield Finding("energy", found)


# ---- results ---------------------------------------------------------


def losses(
    file: Path, requested: Requested, measured: Measured, project: Project
) -> Iterator[Finding]:
    """The file of step losses is the record's, whole, finite, and has its averages."""
    if not file.exists():
        yield Finding("losses", "the step losses are missing")
        return
    if sha256(file) != measured.losses_sha256:
        yield Finding("losses", "the step losses are not those of the record")
        return
    if (values := project.losses(file)) is None:
        yield Finding("losses", "the step losses cannot be read")
        return
    averages = [epoch.average_loss for epoch in measured.epochs]
    due = (requested.epochs, steps_of(requested))
    if values.shape != due:
        found = f"step losses of shape {values.shape} instead of {due[0]} x {due[1]}"
        yield Finding("losses", found)
    elif not np.isfinite(values).all():
        yield Finding("losses", "a step loss is not finite")
    elif len(averages) != len(values) or not np.allclose(values.mean(axis=1), averages):
        yield Finding("losses", "the averages are not those of the step losses")


def code(
    environment: Environment, trainer_sha256: str | None, toolbox_sha256: dict[str, str]
) -> Iterator[Finding]:
    """What ran is the code that lies here."""
    if trainer_sha256 not in (None, environment.trainer_sha256):
        yield Finding("trainer", "another trainer ran than the one that is shown")
    if environment.toolbox_sha256 != toolbox_sha256:
        yield Finding("toolbox", "another toolbox ran than today's")


def twins(environment: Environment, declared: bool) -> Iterator[Finding]:
    """Who computes with other operations in float64 declares it where the workflow sees it."""
    if environment.twins and not declared:
        found = f"float64 twins that its trainer does not declare: {', '.join(environment.twins)}"
        yield Finding("twins", found)


def protocol(
    requested: Requested, environment: Environment, start: str, project: Project
) -> Iterator[Finding]:
    """Where the track has a protocol, the run was given the one that lies here for its round."""
    if start != "protocol":
        return
    file = project.results / f"protocol/{requested.scenario}/{requested.round}.npz"
    given = environment.protocol_sha256
    if given is None:
        yield Finding("protocol", "was given no weights and no order")
    elif project.sha256(file) not in (None, given):
        yield Finding("protocol", "was given other weights or another order than its round's")


def gpu(facts: dict | None, watched: dict | None) -> Iterator[Finding]:
    """The driver saw the process on the GPU; what slowed the GPU down is shown."""
    if not facts or not watched or not watched["process_seen"]:
        yield Finding("gpu", "nobody saw the process on the GPU")
    elif watched["throttled"]:
        reasons = ", ".join(watched["throttled"])
        yield Finding("throttled", f"{facts['name']} was slowed down: {reasons}", "note")


def packages(environment: Environment, competitor: str, project: Project) -> Iterator[Finding]:
    """What was installed equals the lock as it stands."""
    digest, locked = project.lock(competitor)
    if digest is None:
        yield Finding("lock", f"there is no {competitor}.lock")
        return
    if digest != environment.lock_sha256:
        yield Finding("lock", f"built from another {competitor}.lock than today's")
        return
    installed = {project.canonical(name): version for name, version in environment.packages.items()}
    for name, version in locked.items():
        if installed.get(name) != version:
            found = f"{name} {installed.get(name, 'absent')} instead of {version}"
            yield Finding("lock", found)
    if excess := sorted(installed.keys() - locked.keys() - INSTALLERS):
        yield Finding("lock", f"not in the lock: {', '.join(excess)}", "note")


def threads(requested: Requested, environment: Environment) -> Iterator[Finding]:
    """No more threads than requested, where a number was."""
    if requested.threads == "default":
        return
    too_many = {k: n for k, n in environment.threads.items() if n and n > requested.threads}
    if too_many:
        used = ", ".join(f"{pool} {count}" for pool, count in too_many.items())
        yield Finding("threads", f"asked for {requested.threads} threads, used {used}")
