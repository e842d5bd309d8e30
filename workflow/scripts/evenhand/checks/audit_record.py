"""The part of the audit that looks at one record: by itself, and against the project.

Each check is a function that yields what it finds.
"""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from evenhand.checks.findings import Finding
from evenhand.core import axes
from evenhand.core.identity import Competitor, Rehearsal, Run, losses_path
from evenhand.core.schemas import Refused
from evenhand.environments.locks import INSTALLERS, canonical, locked_versions
from toolbox.record import Environment, Measured, Record, Requested, sha256

# What a clock may lack or have too much of: rounding of the numbers, and no more.
CLOCK_SECONDS = 0.01


class Project:
    """What records are held against. Each file is read once for thousands of records."""

    def __init__(self, results: Path, root: Path):
        self.results, self.root = results, root
        toolbox = (root / "workflow/trainers/toolbox").glob("*.py")
        self.toolbox = {file.name: sha256(file) for file in toolbox}
        self.sha256, self.canonical = cache(sha256_if_there), cache(canonical)
        self.trainer, self.lock = cache(self._trainer), cache(self._lock)

    def _trainer(self, track: str, framework: str) -> str | None:
        """The SHA-256 of a trainer, None if there is none."""
        return sha256_if_there(axes.trainer(track, framework, self.root))

    def _lock(self, competitor: str) -> tuple[str | None, dict[str, str]]:
        """The SHA-256 of a lock, None if there is none, and the versions that it has."""
        lock = self.root / f"envs/{competitor}.lock"
        digest = sha256_if_there(lock)
        return digest, locked_versions(lock) if digest else {}


def sha256_if_there(path: Path) -> str | None:
    return sha256(path) if path.exists() else None


def check(
    record: Record, path: Path, subject: Run | Rehearsal, project: Project
) -> Iterator[Finding]:
    """Everything that is wrong with one record, which lies at `path`, its round aside."""
    track, (framework, device) = subject.of.track, Competitor.parse(subject.competitor)
    try:
        start = axes.track(track, project.root)["start"]
        device_names = axes.framework(framework, project.root)["device_names"]
        has_gpu = axes.device(device, project.root)["gpu"]
    except Refused as error:
        yield Finding("identity", str(error))
        return
    requested, environment, measured = record.requested, record.environment, record.measured
    yield from identity(requested, subject)
    if requested.dtype != ("float32" if isinstance(subject, Run) else "float64"):
        yield Finding("settings", f"computed in {requested.dtype}")
    yield from work(requested, measured)
    yield from clocks(measured)
    yield from losses(losses_path(path), requested, measured)
    if environment.device != device_names.get(device, device):
        yield Finding("device", f"asked for {device}, worked on {environment.device}")
    yield from code(environment, project.trainer(track, framework), project.toolbox)
    yield from protocol(requested, environment, start, project)
    if has_gpu:
        yield from gpu(environment.gpu, measured.gpu)
    yield from packages(environment, subject.competitor, project)
    yield from threads(requested, environment)


def identity(requested: Requested, subject: Run | Rehearsal) -> Iterator[Finding]:
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


def clocks(measured: Measured) -> Iterator[Finding]:
    """Clocks go forward: epochs do not overlap, and parts fit into what they are part of."""
    epochs, phases = measured.epochs, measured.phases
    for before, after in pairwise(epochs):
        if after.begin < before.end - CLOCK_SECONDS:
            yield Finding("clock", f"epoch {after.epoch} begins before epoch {before.epoch} ends")
    end = epochs[-1].end + phases["evaluation"]
    begin = phases["import"] + phases["load"] + phases["set_up"]
    if end > measured.seconds + CLOCK_SECONDS or epochs[0].begin < begin - CLOCK_SECONDS:
        yield Finding("clock", "the epochs do not fit into the process's time")
    if abs(sum(epoch.seconds for epoch in epochs) - phases["epochs"]) > CLOCK_SECONDS:
        yield Finding("clock", "the epochs do not add up to their sum")
    if any((epoch.wait_seconds or 0) > epoch.seconds + CLOCK_SECONDS for epoch in epochs):
        yield Finding("clock", "an epoch waited longer than it took")
    if any(epoch.seconds <= 0 for epoch in epochs):
        yield Finding("clock", "an epoch took no time")


def losses(file: Path, requested: Requested, measured: Measured) -> Iterator[Finding]:
    """The file of step losses is the record's, whole, finite, and has its averages."""
    if not file.exists():
        yield Finding("losses", "the step losses are missing")
        return
    if sha256(file) != measured.losses_sha256:
        yield Finding("losses", "the step losses are not those of the record")
        return
    try:
        values = np.load(file).astype(float)
    except (ValueError, OSError, EOFError):
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
