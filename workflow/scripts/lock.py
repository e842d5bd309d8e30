"""Compile every lock with uv.

    python workflow/scripts/lock.py            keeps the locked versions that the pins still allow
    python workflow/scripts/lock.py --upgrade  takes the newest that the pins allow

envs/*.lock come from the pins in the YAML beside them, for Linux on x86_64. What those pins need
is then written back under them, so that conda, which reads no lock, installs the same versions.
requirements.txt and requirements-dev.txt come from the .in beside them, for every platform and
every Python from 3.11 on. Options are handed to `uv pip compile`.
"""

import sys
from pathlib import Path

from environment import asked, locked_versions, run_uv

ROOT = Path(__file__).parents[2]
PLATFORM = "x86_64-manylinux_2_28"  # Linux with glibc 2.28 (2018) or newer, as torch's wheels ask
RESOLVED = "      # What these need, as resolved by workflow/scripts/lock.py:\n"


def compile_lock(source: str, lock: str, *options: str, pins: str = "") -> None:
    """Write a lock with hashes, without addresses; source is a file, or "-" for the given pins."""
    own_command = ("--custom-compile-command", "python workflow/scripts/lock.py")
    compile_to = "pip compile --quiet --generate-hashes --output-file".split()
    options += (*own_command, *sys.argv[1:])
    if run_uv(*compile_to, lock, *options, source, cwd=ROOT, input=pins.encode()):
        sys.exit(f"{lock} was not compiled; uv says why above.")


def compile_environment(environment: Path) -> None:
    """Compile an environment's lock, and bring the resolved part of its YAML up to date."""
    lock = environment.with_suffix(".lock")
    chosen = environment.read_text().partition(RESOLVED)[0]
    python, pins = asked(chosen)
    target = f"--python-version {python} --python-platform {PLATFORM}"
    compile_lock("-", str(lock), "--no-annotate", *target.split(), pins="\n".join(pins))

    locked = [f"{name}=={version}" for name, version in locked_versions(lock).items()]
    resolved = "".join(f"      - {pin}\n" for pin in locked if pin not in pins)
    environment.write_text(chosen + (RESOLVED + resolved if resolved else ""))


if __name__ == "__main__":
    universal = "--universal --fork-strategy fewest --python-version 3.11".split()
    compile_lock("requirements.in", "requirements.txt", *universal)
    compile_lock("requirements-dev.in", "requirements-dev.txt", *universal)
    for environment in sorted(ROOT.glob("envs/*.yaml")):
        compile_environment(environment)
