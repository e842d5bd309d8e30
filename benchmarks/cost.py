"""What the workflow itself costs: planning, analysis, and scheduling beside a plain loop.

    python benchmarks/cost.py planning [ROUNDS]    dry run, of 1,000 rounds unless told otherwise
    python benchmarks/cost.py analysis [ROUNDS]    tables and report of so many made-up rounds
    python benchmarks/cost.py scheduling [ROUNDS]  rounds (5), beside a shell's loop over them

Each works in a copy of the project. `scheduling` takes the environments and data of this checkout,
where the main job has run, and needs a machine that does nothing else. docs/performance.md keeps
what was printed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "all"]
FLAGS = ["device", "seed", "epochs", "batch_size", "learning_rate", "hidden_units", "pixel_mean"]
FLAGS += ["pixel_std", "loader_workers"]  # of the trainers, as the workflow gives them
EMPTY_JOBS = """
rule all:
    input: [f"{i}" for i in range(config["jobs"])]
rule one:
    output: "{i}"
    shell: "touch {output}"
"""


def checkout(folder: Path) -> Path:
    leave = shutil.ignore_patterns("results", "logs", ".git", ".snakemake", "__pycache__")
    return Path(shutil.copytree(ROOT, folder / "evenhand", ignore=leave))


class Cost(NamedTuple):
    """What a process and all that it started took: wall time, processor time, the largest one."""

    seconds: float
    processor: float
    gibibytes: float

    def __str__(self) -> str:
        processor, memory = f"{self.processor:.1f} s of processor time", f"{self.gibibytes:.2f} GiB"
        return f"{self.seconds:.1f} s, {processor}, {memory}"


def cost(command: list[str], folder: Path) -> Cost:
    """Run a command, which must succeed; what it says is in the folder's said.txt."""
    said = folder / "said.txt"
    with open(said, "w") as file:
        begin = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(said.read_text()[-3000:])
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def planning(folder: Path, rounds: str = "1000") -> None:
    """A dry run, and for its measure one of as many jobs that need nothing and do nothing."""
    dry_run = [*SNAKEMAKE, "--dry-run", "--config"]
    ours = cost([*dry_run, f"rounds={rounds}"], folder)
    jobs = re.search(r"^total +(\d+)$", (folder / "said.txt").read_text(), re.MULTILINE)[1]
    print(f"dry run of {rounds} rounds, {jobs} jobs: {ours}")

    (folder / "empty").mkdir()
    (folder / "empty/Snakefile").write_text(EMPTY_JOBS)
    empty = cost([*dry_run, f"jobs={jobs}"], folder / "empty")
    print(f"dry run of as many empty jobs: {empty}")


def analysis(folder: Path, rounds: str = "1000") -> None:
    paths = {"PYTHONPATH": f"{ROOT}/workflow/scripts:{ROOT}/workflow/trainers"}
    generate = [sys.executable, ROOT / "benchmarks/records.py", "--rounds", rounds, "results"]
    subprocess.run(generate, cwd=folder, check=True, env=os.environ | paths)
    for framework in ("pytorch", "mxnet", "numpy"):  # nobody answers the tutorial's statements
        answers = folder / f"results/statements/{framework}-cpu.json"
        answers.parent.mkdir(exist_ok=True)
        answers.write_text("[]")
    rules = "collect audit gate tutorial_check compare compare_nodes statements figures report"
    targets = ["results/report.html", "--rerun-triggers", "mtime"]
    report = [*SNAKEMAKE, *targets, "--config", f"rounds={rounds}"]
    whole = cost([*report, "--allowed-rules", *rules.split()], folder)
    print(f"tables and report of {rounds} rounds: {whole}")


def scheduling(folder: Path, rounds: str = "5") -> None:
    """The workflow from its start to the table of runs, then the same runs by a shell alone."""
    results = folder / "results"
    results.mkdir()
    for ready in ("environments", "data", "doctor"):
        (results / ready).symlink_to(ROOT / "results" / ready)
    job = [*SNAKEMAKE, "results/runs.csv", "--allowed-rules", "protocol", "round", "train"]
    job += ["collect", "--rerun-triggers", "mtime", "--config", f"rounds={rounds}"]
    workflow = cost(job, folder).seconds
    records = [json.loads(path.read_text()) for path in results.glob("runs/*/*/*/*.json")]
    records.sort(key=lambda record: record["measured"]["started"])
    inside = sum(record["measured"]["seconds"] for record in records)
    (folder / "loop.sh").write_text("set -e\n" + "\n".join(map(plain, records)))
    loop = cost(["sh", "loop.sh"], folder).seconds
    print(f"{len(records)} runs: workflow {workflow:.1f} s, of it outside of runs ", end="")
    print(f"{workflow - inside:.1f} s; plain loop {loop:.1f} s, ratio {workflow / loop:.3f}")


def plain(record: dict) -> str:
    """The shell's command for the run of a record."""
    asked = record["asked"]
    contest = f"{asked['track']}/{asked['scenario']}/{asked['round']}"
    competitor = f"{asked['framework']}-{asked['device']}"
    launch = f"PYTHONPATH=workflow/trainers results/environments/{competitor}/bin/python"
    launch += f" -m toolbox.launch --threads {asked['threads']}"
    launch += f" --trainer workflow/trainers/{asked['track']}/{asked['framework']}_mlp.py"
    launch += f" --environment results/environments/{competitor}.json"
    launch += f" --round results/rounds/{contest}.json"
    launch += " --record again.json --losses again.npy -- --data results/data"
    for flag in FLAGS:
        launch += f" --{flag.replace('_', '-')} {asked[flag]}"
    if record["ran"]["protocol_sha256"]:
        launch += f" --protocol results/protocol/{asked['scenario']}/{asked['round']}.npz"
    return f"{launch} > again.log 2>&1"


if __name__ == "__main__":
    measure = {"planning": planning, "analysis": analysis, "scheduling": scheduling}[sys.argv[1]]
    with tempfile.TemporaryDirectory() as scratch:
        measure(checkout(Path(scratch)), *sys.argv[2:])
