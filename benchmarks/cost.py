"""What the workflow itself costs: planning, analysis, and scheduling beside a plain loop.

    python benchmarks/cost.py planning    dry run of 1,000 rounds
    python benchmarks/cost.py analysis    tables and report of 1,000 rounds of made-up records
    python benchmarks/cost.py scheduling  one round of the default config, beside a plain loop

Each works in a copy of the project. `scheduling` takes the environments and data of this checkout,
where the main job has run. docs/performance.md keeps what was printed.
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


def planning(folder: Path) -> None:
    dry_run = [*SNAKEMAKE, "--dry-run", "--config", "rounds=1000"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = clocked(dry_run, folder, stdout=subprocess.DEVNULL)
    print(f"dry run of 1,000 rounds: {seconds:.1f} s, {account(before)}")


def analysis(folder: Path) -> None:
    paths = {"PYTHONPATH": f"{ROOT}/workflow/scripts:{ROOT}/workflow/trainers"}
    generate = [sys.executable, ROOT / "benchmarks/records.py", "--rounds", "1000", "results"]
    subprocess.run(generate, cwd=folder, check=True, env=os.environ | paths)
    for framework in ("pytorch", "mxnet", "numpy"):  # nobody answers the tutorial's statements
        answers = folder / f"results/statements/{framework}-cpu.json"
        answers.parent.mkdir(exist_ok=True)
        answers.write_text("[]")
    rules = (
        "collect audit gate tutorial_check compare compare_nodes statements figures report".split()
    )
    targets = ["results/report.html"]
    report = [*SNAKEMAKE, *targets, "--config", "rounds=1000", "--rerun-triggers", "mtime"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = clocked([*report, "--allowed-rules", *rules], folder)
    print(f"tables and report of 1,000 rounds: {seconds:.1f} s, {account(before)}")


def scheduling(folder: Path) -> None:
    results = folder / "results"
    results.mkdir()
    for ready in ("environments", "data"):
        (results / ready).symlink_to(ROOT / "results" / ready)
    job = [*SNAKEMAKE, "results/runs.csv", "--config", "rounds=1", "--rerun-triggers", "mtime"]
    workflow = clocked(job, folder)
    records = [json.loads(path.read_text()) for path in results.glob("runs/*/*/*/*.json")]
    records.sort(key=lambda record: record["measured"]["started"])
    loop = sum(clocked(plain(record), folder) for record in records)
    print(f"{len(records)} runs: workflow {workflow:.1f} s, plain loop {loop:.1f} s, ", end="")
    print(f"ratio {workflow / loop:.3f}")


def plain(record: dict) -> list[str]:
    """The shell's command for the run of a record."""
    asked = record["asked"]
    contest = f"{asked['track']}/{asked['scenario']}/{asked['round']}"
    competitor = f"{asked['framework']}-{asked['device']}"
    launch = f"results/environments/{competitor}/bin/python -m toolbox.launch"
    launch += f" --trainer workflow/trainers/{asked['track']}/{asked['framework']}_mlp.py"
    launch += f" --environment results/environments/{competitor}.json"
    launch += f" --round results/rounds/{contest}.json --threads {asked['threads']}"
    launch += " --record again.json --losses again.npy -- --data results/data"
    launch += f" --seed {asked['seed']} --epochs {asked['epochs']}"
    if record["ran"]["protocol_sha256"]:
        launch += f" --protocol results/protocol/{asked['scenario']}/{asked['round']}.npz"
    return ["env", "PYTHONPATH=workflow/trainers", *launch.split()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        {"planning": planning, "analysis": analysis, "scheduling": scheduling}[sys.argv[1]](
            checkout(Path(scratch))
        )
