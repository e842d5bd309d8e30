"""Tell what the examinations found, a line each: ok or a remedy. An unfit competitor fails it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path


def lines(verdicts: list[dict], surroundings: list[dict] = (), scheduler: list = ()) -> list[str]:
    """A line for each finding about a competitor, for each node's last remarks, for the scheduler.

    ``verdicts`` and ``surroundings`` as workflow/trainers/examine.py leaves them.
    """
    told = [
        (verdict["competitor"], *finding) for verdict in verdicts for finding in verdict["findings"]
    ]
    remarks = {
        (around["node"], what): rest for around in surroundings for what, *rest in around["remarks"]
    }
    told += [(*about, *rest) for about, rest in remarks.items()]
    told += [("scheduler", *remark) for remark in scheduler]
    return [f"{who}: {what:<20}{'ok' if ok else 'NO':<4}{words}" for who, what, ok, words in told]


def ask_scheduler(wants_gpu: bool) -> list[tuple[str, bool, str]]:
    """Whether Slurm answers, where there is one, and knows of GPUs, where they are wanted."""
    if not shutil.which("sinfo"):
        return []
    told = subprocess.run(["sinfo", "-h", "-o", "%G"], capture_output=True, text=True)
    if told.returncode:
        why = (told.stderr.strip().splitlines() or [f"exit status {told.returncode}"])[-1]
        return [("slurm", False, f"{why}; ask your site whether its controller is up")]
    remarks = [("slurm", True, "answers")]
    if wants_gpu:
        words = f"generic resources: {' '.join(told.stdout.split())}; `gpu` must be among them"
        remarks.append(("gres", "gpu" in told.stdout, words))
    return remarks


def tell(said: list[str], log: str) -> None:
    """Not into the log alone: this is what one looks for on the terminal."""
    text = "\n".join(said) + "\n"
    Path(log).write_text(text)
    print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    verdicts, surroundings = (
        [json.loads(Path(path).read_text()) for path in paths]
        for paths in (snakemake.input.verdicts, snakemake.input.surroundings)
    )
    wants_gpu = any(verdict["competitor"].endswith("-cuda") for verdict in verdicts)
    # Those that earlier starts found unfit are not examined again, and told again.
    found = [f"{name}: NO  {why}" for name, why in snakemake.params.left_out.items()]
    found += lines(verdicts, surroundings, ask_scheduler(wants_gpu))
    tell(found, snakemake.log[0])
    unfit = [*snakemake.params.left_out, *(v["competitor"] for v in verdicts if not v["fit"])]
    if unfit:
        sys.exit(f"unfit, and left out of rounds: {', '.join(unfit)}")
