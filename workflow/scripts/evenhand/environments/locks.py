"""What environments are to hold: pins in YAML files, and locks compiled from them with hashes."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from evenhand.core import axes
from evenhand.core.identity import Competitor
from evenhand.core.proxies import named_proxies
from evenhand.environments.uv import run_uv

COMMAND = "python workflow/scripts/lock.py"
# Conda's pip brings these along; no lock names them.
INSTALLERS = {"pip", "setuptools", "wheel"}
PLATFORM = "x86_64-manylinux_2_28"  # Linux with glibc 2.28 (2018) or newer, as torch's wheels ask
PYTHON = "3.11"  # of the main environment: the oldest that it runs on, and conda's
RESOLVED = f"      # What these need, as resolved by {COMMAND.removeprefix('python ')}:\n"
# What environment markers are evaluated to in conda's main environment: CPython on that platform.
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": f"{PYTHON}.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": f"{PYTHON}.0",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
MAIN = """\
# The main environment for conda: what requirements.txt locks for Python {python} on Linux.
# Written by {command}; the rules that run in the main environment use it with
# `snakemake --sdm conda`.
channels:
  - conda-forge
dependencies:
  - python={python}.*
  - pip
  - pip:
{pins}"""


class BuildError(Exception):
    """The environment could not be built, or is not what its lock says."""


# ---- Reading and comparing -------------------------------------------


def requested(environment: str) -> tuple[str, list[str]]:
    """What the text of a conda environment file requests: Python ("3.11") and the pins for pip.

    BuildError where it does not name both.
    """
    try:
        dependencies = yaml.safe_load(environment)["dependencies"]
        (python,) = (d for d in dependencies if str(d).startswith("python="))
        return python.removeprefix("python=").removesuffix(".*"), [*dependencies[-1]["pip"]]
    except yaml.YAMLError as error:
        raise BuildError(f"it is no YAML: {' '.join(str(error).split())}") from None
    except (KeyError, TypeError, ValueError):
        asked = f"one `python={PYTHON}.*`, and end with what pip installs"
        raise BuildError(f"it must name {asked}") from None


def pinned_versions(pins: Sequence[str]) -> dict[str, str]:
    """The versions by the names of their packages; BuildError where a pin is not an exact one."""
    found = {}
    for pin in pins:
        exact = re.fullmatch(r"([\w.-]+)==([^\s*]+)", without_extras(pin))
        if not exact:
            raise BuildError(f"`{pin}` is no exact pin, as in mylib==1.2.3")
        found[canonical(exact[1])] = exact[2]
    return found


def pin_lines(environment: Path) -> dict[str, str]:
    """The lines of an environment file that pin what was chosen, by the package's name."""
    chosen = environment.read_text(encoding="utf-8").partition(RESOLVED)[0]
    lines = re.findall(r"^      - \S+==.*$", chosen, flags=re.MULTILINE)
    pins = (without_extras(line.split()[1]).split("==")[0] for line in lines)
    return dict(zip(map(canonical, pins), lines, strict=True))


def without_extras(pin: str) -> str:
    """A pin without the extras of its package: what they bring, a lock names by itself."""
    return re.sub(r"\[.*?\]", "", pin)


def canonical(name: str) -> str:
    """A package's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(lock: Path) -> dict[str, str]:
    """Name and version of every package in a lock."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock.read_text(), flags=re.MULTILINE))


def differences(
    locked: dict[str, str], others: dict[str, str], what: str = "installed"
) -> list[str]:
    """One phrase for each package that is missing, is there in excess or has another version."""
    return [
        f"{name} (locked: {locked.get(name, 'no')}, {what}: {others.get(name, 'no')})"
        for name in sorted(locked.keys() | (others.keys() - INSTALLERS))
        if locked.get(name) != others.get(name)
    ]


def _read(environment: Path, text: str) -> tuple[str, list[str], dict[str, str]]:
    """What `requested` and `pinned_versions` give of a file's text; its name opens their errors."""
    try:
        python, pins = requested(text)
        return python, pins, pinned_versions(pins)
    except BuildError as error:
        raise BuildError(f"{environment.name}: {error}") from None


def check_pins(environment: Path, lock: Path) -> tuple[str, str]:
    """The Python and the package that an environment is for, if its file and its lock agree."""
    python, _, pinned = _read(environment, environment.read_text())
    if not lock.exists():
        raise BuildError(f"{lock} is missing. This makes it: {COMMAND}")
    if wrong := differences(locked_versions(lock), pinned, "pinned"):
        raise BuildError(
            f"{environment.name} and {lock.name} differ: {'; '.join(wrong)}. "
            f"Compile the lock again: {COMMAND}"
        )
    package, pin = next(iter(pinned.items()))
    asked = axes.version(Competitor.parse(environment.stem).framework)
    if not f"{pin}.".startswith(f"{asked}." if asked else ""):
        raise BuildError(f"{environment.name} pins {package}=={pin}, which is no {asked}.")
    return python, package


# ---- Compiling -------------------------------------------------------


def compile_all(root: Path, options: Sequence[str]) -> None:
    """Compile every lock of the project at `root`, and write the files for conda that follow.

    `options` are handed to `uv pip compile`.
    """
    universal = f"--universal --fork-strategy fewest --python-version {PYTHON}".split()
    for stem in ("requirements", "requirements-dev"):
        compile_lock(root, f"{stem}.in", Path(f"{stem}.txt"), *universal, *options)
    main = main_environment((root / "requirements.txt").read_text())
    (root / "workflow/envs/main.yaml").write_text(main)
    for environment in sorted(root.glob("envs/*.yaml")):
        compile_environment(root, environment, options)


def compile_lock(root: Path, source: str, lock: Path, *options: str, pins: str = "") -> None:
    """Write a lock with hashes, without addresses; source is a file, or "-" for the given pins.

    A lock is for every machine: it has the hash of each file that the main index offers, whatever
    part of them lies in an index or folder of this machine.
    """
    arguments = ["pip", "compile", "--quiet", "--generate-hashes", "--output-file", lock]
    arguments += ["--custom-compile-command", COMMAND, *options, source]
    if run_uv(*arguments, main_index_alone=True, cwd=root, input=pins.encode()):
        raise BuildError(f"{lock} was not compiled; uv says why above.{named_proxies()}")


def target(python: str) -> list[str]:
    """The options of uv for an environment's lock."""
    return f"--no-annotate --python-version {python} --python-platform {PLATFORM}".split()


def compile_environment(root: Path, environment: Path, options: Sequence[str]) -> None:
    """Compile an environment's lock, and bring the resolved part of its YAML up to date."""
    lock = environment.with_suffix(".lock")
    chosen = environment.read_text().partition(RESOLVED)[0]
    python, pins, pinned = _read(environment, chosen)
    compile_lock(root, "-", lock, *target(python), *options, pins="\n".join(pins))

    found = locked_versions(lock).items()
    resolved = "".join(
        f"      - {name}=={version}\n" for name, version in found if name not in pinned
    )
    environment.write_text(chosen + (RESOLVED + resolved if resolved else ""))


def main_environment(requirements: str) -> str:
    """The conda environment file with the packages that the text of requirements.txt locks."""
    from packaging.markers import Marker  # here, since who only reads locks needs no packaging

    locked = re.findall(r"^(\S+==\S+)(?: ; (.*?))?(?: \\)?$", requirements, flags=re.MULTILINE)
    pins = [pin for pin, marker in locked if not marker or Marker(marker).evaluate(MARKERS)]
    lines = "".join(f"      - {pin}\n" for pin in pins)
    return MAIN.format(python=PYTHON, command=COMMAND.removeprefix("python "), pins=lines)
