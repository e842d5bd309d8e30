"""The environment of another version of a framework, made from an existing one and locked."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from evenhand.core import axes
from evenhand.core.schemas import ROOT, Refused, suggestion
from evenhand.environments import locks


def write(name: str, device: str, others: Sequence[str] = (), root: Path = ROOT) -> list[Path]:
    """Write and lock the environment of a version; the paths of both files, seen from the root.

    `name`: `framework@version`. It begins as the framework's own environment, of which everything
    stays as it is that the other version allows; `others` are requirements beside it, such as
    `numpy<2`. Refused, in one line, if that cannot be asked for; BuildError if uv finds no such
    versions. Then nothing is left.
    """
    framework, asked = axes.unversioned(name), _version(name)
    if framework not in axes.names("framework", root):
        raise Refused(f"NAME: {suggestion(framework, axes.names('framework', root))}")
    existing = root / f"envs/{framework}-{device}.yaml"
    if not existing.exists():
        raise Refused(f"--device: {framework} has no environment for `{device}` ({existing.name})")
    environment = root / f"envs/{name}-{device}.yaml"
    lock = environment.with_suffix(".lock")
    if environment.exists():
        raise Refused(f"nothing written, since there is already {environment.name}")
    lines = locks.pin_lines(existing)
    packages = {name: line.split()[1].partition("==")[0] for name, line in lines.items()}
    requirements = _requirements(packages, asked, others)
    shutil.copyfile(existing.with_suffix(".lock"), lock)  # what uv prefers, where it is allowed
    try:
        python, _ = locks.requested(existing.read_text())
        locks.compile_lock(root, "-", lock, *locks.target(python), pins="\n".join(requirements))
        head = existing.read_text().partition(next(iter(lines.values())))[0]
        pins = _pinned(lines, locks.locked_versions(lock), requirements)
        package = next(iter(lines))
        about = f"# Made by new_version.py, to be compared with another version of {package}.\n"
        environment.write_text(about + head[head.index("channels:") :] + pins)
        locks.compile_environment(root, environment, ())
        locks.check_pins(environment, lock)
    except BaseException:
        environment.unlink(missing_ok=True)
        lock.unlink()
        raise
    return [path.relative_to(root) for path in (environment, lock)]


def _version(name: str) -> str:
    """The version that a name asks for."""
    asked = axes.version(name)
    try:
        if not re.fullmatch("[0-9a-z.]+", asked):  # as file, image and job names can have it
            raise InvalidVersion
        Version(asked)
    except InvalidVersion:
        raise Refused(f"NAME: `{name}` is not FRAMEWORK@VERSION, as in mylib@1.2") from None
    return asked


def _requirements(packages: dict[str, str], asked: str, others: Sequence[str]) -> list[str]:
    """What uv is to find versions for: the framework's package first, then the other ones.

    `packages`: as they are pinned, with their extras, by name.
    """
    package = next(iter(packages))
    exact = Version(asked).is_prerelease  # which no `.*` may follow
    given = {}
    for text in others:
        try:
            given[locks.canonical(Requirement(text).name)] = text
        except InvalidRequirement:
            raise Refused(f"--with: `{text}` is no requirement, as in numpy==1.26.4") from None
    if package in given:
        raise Refused(f"--with: the version of {package} is that of NAME, {asked}")
    wanted = {package: f"{packages[package]}=={asked}" + ("" if exact else ".*")}
    return [*(packages | wanted | given).values()]


def _pinned(lines: dict[str, str], locked: dict[str, str], requirements: Sequence[str]) -> str:
    """The lines that pin the versions that were found; those that stay keep their comments."""
    pinned = []
    for text in requirements:
        requirement = Requirement(text)
        name, extras = locks.canonical(requirement.name), ",".join(sorted(requirement.extras))
        package = f"{name}[{extras}]" if extras else name
        pin, before = f"      - {package}=={locked[name]}", lines.get(name, "")
        pinned.append(before if before.partition(" #")[0] == pin else pin)
    return "".join(f"{line}\n" for line in pinned)
