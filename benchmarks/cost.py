"""What the workflow itself costs: planning, analysis, and scheduling beside a plain loop.

    export PYTHONPATH=tests:workflow/scripts
    python benchmarks/cost.py planning [ROUNDS]    dry run, of 1,000 rounds by default
    python benchmarks/cost.py analysis [ROUNDS]    tables and report of so many generated rounds
    python benchmarks/cost.py scheduling [ROUNDS]  rounds (5), beside a shell's loop over them

Each works in a copy of the project. `scheduling` takes the environments and data of this checkout,
where the main job has run, and needs a machine that does nothing else. docs/performance.md keeps
what was printed.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

from evenhand.core.config import checked
from evenhand.core.schemas import ROOT
from support import records
from support.checkouts import copy
from toolbox.record import Record

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "all"]
EMPTY_JOBS = """
rule all:
    input: [f"{i}" for i in range(config["jobs"])]
rule one:
    output: "{i}"
    shell: "touch {output}"
"""


class Cost(NamedTuple):
    """What a process and all that it started took: wall time, processor time, the largest one."""

    seconds: float
    processor: float
    gibibytes: float

    def __str__(self) -> str:
        processor, memory = f"{self.processor:.1f} s of processor time", f"{self.gibibytes:.2f} GiB"
        return f"{self.seconds:.1f} s, {processor}, {memory}"


def cost(command: list[str], folder: Path) -> Cost:
    """Run a command, which must succeed; what it prints is in the folder's output.txt."""
    output = folder / "output.txt"
    with open(output, "w") as file:
        begin = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(output.read_text()[-3000:])
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def planning(folder: Path, rounds: str = "1000") -> None:
    """A dry run, and for its measure one of as many jobs that need nothing and do nothing."""
    dry_run = [*SNAKEMAKE, "--dry-run", "--config"]
    ours = cost([*dry_run, f"rounds={rounds}"], folder)
    jobs = re.search(r"^total +(\d+)$", (folder / "output.txt").read_text(), re.MULTILINE)[1]
    print(f"dry run of {rounds} rounds, {jobs} jobs: {ours}")

    (folder / "empty").mkdir()
    (folder / "empty/Snakefile").write_text(EMPTY_JOBS)
    empty = cost([*dry_run, f"jobs={jobs}"], folder / "empty")
    print(f"dry run of as many empty jobs: {empty}")


def analysis(folder: Path, rounds: str = "1000") -> None:
    """Everything that follows the runs, from their records to the page."""
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    records.make(folder / "results", checked(config | {"rounds": int(rounds)}))
    targets = ["results/report.html", "--rerun-triggers", "mtime"]
    report = [*SNAKEMAKE, *targets, "--config", f"rounds={rounds}"]
    whole = cost([*report, "--allowed-rules", *records.AFTER_RUNS], folder)
    print(f"tables and report of {rounds} rounds: {whole}")


def scheduling(folder: Path, rounds: str = "5") -> None:
    """The workflow from its start to the table of runs, then the same runs by a shell alone."""
    results = folder / "results"
    results.mkdir()
    for ready in ("environments", "data", "doctor"):
        (results / ready).symlink_to(ROOT / "results" / ready)
    table = [*SNAKEMAKE, "results/runs.csv", "--config", f"rounds={rounds}"]
    only = ["--allowed-rules", "protocol", "secret", "round", "train", "collect"]
    workflow = cost([*table, *only, "--rerun-triggers", "mtime"], folder).seconds
    runs = {path: Record.read(path).measured for path in results.glob("runs/*/*/*/*.json")}
    inside = sum(measured.seconds for measured in runs.values())
    commands = shell_commands([*table, "--detailed-summary"], folder)
    turns = sorted(runs, key=lambda path: runs[path].started)
    loop = [commands[str(path.relative_to(folder))] for path in turns]
    (folder / "loop.sh").write_text("\n".join(["set -e", *loop]))
    plain = cost(["sh", "loop.sh"], folder).seconds
    print(f"{len(runs)} runs: workflow {workflow:.1f} s, of it outside of runs ", end="")
    print(f"{workflow - inside:.1f} s; plain loop {plain:.1f} s, ratio {workflow / plain:.3f}")


def shell_commands(summary: list[str], folder: Path) -> dict[str, str]:
    """The shell's command that made each file, as Snakemake's summary has it."""
    lines = subprocess.run(summary, cwd=folder, check=True, capture_output=True, text=True).stdout
    head, *rows = csv.reader(lines.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row[head.index("output_file")]: row[head.index("shellcmd")] for row in rows}


if __name__ == "__main__":
    measure = {"planning": planning, "analysis": analysis, "scheduling": scheduling}[sys.argv[1]]
    with tempfile.TemporaryDirectory() as scratch:
        measure(copy(Path(scratch) / "evenhand"), *sys.argv[2:])
