"""A copy of the project with a small configuration, run as a user would run it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from evenhand.core import axes
from evenhand.core.schemas import ROOT
from support import digits

# What a checkout has besides the project: results, and what programs keep for themselves.
LEFT_BEHIND = (
    *("results", "logs", ".git", ".snakemake", ".venv"),
    *("__pycache__", ".*_cache", ".hypothesis"),
)
# The frameworks, and versions of them, that have an environment for processors.
ON_CPU = [name for name in axes.names("framework") if (ROOT / f"envs/{name}-cpu.yaml").exists()]
CONFIG = {
    "rounds": 2,
    "data": {"train_images": 600, "test_images": 200},
    "scenarios": {
        "baseline": {"epochs": 2, "loader_workers": 2},
        "one-thread": {"threads": 1, "tracks": ["tutorial"], "epochs": 2, "loader_workers": 2},
    },
}


def copy(folder: Path) -> Path:
    """The project alone, as a fresh clone has it, in a folder that this makes."""
    return Path(shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_BEHIND)))


def checkout(folder: Path, environments: Path | None = None, **changes) -> Path:
    """A copy of the project with a small configuration, and perhaps another's environments."""
    copy(folder)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | CONFIG | changes
    config["data"] = config["data"] | {"folder": str(digits.idx_folder(folder / "mine", 600, 200))}
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    if environments:
        (folder / "results").mkdir()
        (folder / "results/environments").symlink_to(environments)
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]


def snakemake(folder: Path, *arguments: str, fails: bool = False, **variables: str) -> str:
    """Run the workflow as a user with these environment variables would; what it prints."""
    run = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=os.environ | variables,
        text=True,
        capture_output=True,
    )
    output = run.stdout + run.stderr
    assert (run.returncode != 0) == fails, output[-5000:]
    return output


def planned(folder: Path, *arguments: str, **variables: str) -> dict[str, int]:
    """How many jobs of each rule a dry run announces, with these environment variables."""
    output = snakemake(folder, "--dry-run", *arguments, **variables)
    stats = output.rpartition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}


def planned_after_a_change(folder: Path, path: str) -> dict[str, int]:
    """What a dry run announces while this file of a checkout has another line.

    Snakemake compares contents, too: a new date alone is no change.
    """
    file = folder / path
    before, text = file.stat(), file.read_text()
    file.write_text(f"{text}# a change\n")
    try:
        return planned(folder)
    finally:
        file.write_text(text)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
