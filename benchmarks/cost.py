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
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "all", "--quiet=all"]
FLAGS = ["device", "seed", "epochs", "batch_size", "learning_rate", "hidden_units", "pixel_mean"]
FLAGS += ["pixel_std", "loader_workers"]  # of the trainers, as the workflow gives them


def checkout(folder: Path) -> Path:
    leave = shutil.ignore_patterns("results", "logs", ".git", ".snakemake", "__pycache__")
    return Path(shutil.copytree(ROOT, folder / "evenhand", ignore=leave))


def clocked(command: list[str], folder: Path, **options) -> float:
    """Seconds that a command takes; it must succeed."""
    begin = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, **options)
    return time.monotonic() - begin


def account(before: resource.struct_rusage) -> str:
    """Processor time since, and the largest resident set, of the processes that have ended."""
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime
    return f"{used:.1f} s of processor time, {now.ru_maxrss / 2**20:.2f} GiB"


def planning(folder: Path, rounds: str = "1000") -> None:
    dry_run = [*SNAKEMAKE, "--dry-run", "--config", f"rounds={rounds}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = clocked(dry_run, folder, stdout=subprocess.DEVNULL)
    print(f"dry run of {rounds} rounds: {seconds:.1f} s, {account(before)}")


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
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = clocked([*report, "--allowed-rules", *rules.split()], folder)
    print(f"tables and report of {rounds} rounds: {seconds:.1f} s, {account(before)}")


def scheduling(folder: Path, rounds: str = "5") -> None:
    """The workflow from its start to the table of runs, then the same runs by a shell alone."""
    results = folder / "results"
    results.mkdir()
    for ready in ("environments", "data"):
        (results / ready).symlink_to(ROOT / "results" / ready)
    job = [*SNAKEMAKE, "results/runs.csv", "--allowed-rules", "protocol", "round", "train"]
    job += ["collect", "--rerun-triggers", "mtime", "--config", f"rounds={rounds}"]
    workflow = clocked(job, folder)
    records = [json.loads(path.read_text()) for path in results.glob("runs/*/*/*/*.json")]
    records.sort(key=lambda record: record["measured"]["started"])
    inside = sum(record["measured"]["seconds"] for record in records)
    (folder / "loop.sh").write_text("set -e\n" + "\n".join(map(plain, records)))
    loop = clocked(["sh", "loop.sh"], folder)
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
