"""What the examinations found, a line each: ok or a remedy."""

import shutil
import subprocess
import sys
from pathlib import Path


def lines(
    examinations: list[dict], surroundings: list[dict] = (), scheduler: list = ()
) -> list[str]:
    """A line for each finding about a competitor, for each node's last remarks, for the scheduler.

    ``examinations`` and ``surroundings`` as workflow/trainers/examine.py leaves them.
    """
    rows = [
        (examination["competitor"], *finding)
        for examination in examinations
        for finding in examination["findings"]
    ]
    remarks = {
        (around["node"], what): rest for around in surroundings for what, *rest in around["remarks"]
    }
    rows += [(*about, *rest) for about, rest in remarks.items()]
    rows += [("scheduler", *remark) for remark in scheduler]
    return [f"{of}: {what:<20}{'ok' if ok else 'NO':<4}{words}" for of, what, ok, words in rows]


def ask_scheduler(wants_gpu: bool) -> list[tuple[str, bool, str]]:
    """Whether Slurm answers, where there is one, and knows of GPUs, where they are wanted."""
    if not shutil.which("sinfo"):
        return []
    answer = subprocess.run(["sinfo", "-h", "-o", "%G"], capture_output=True, text=True)
    if answer.returncode:
        why = (answer.stderr.strip().splitlines() or [f"exit status {answer.returncode}"])[-1]
        return [("slurm", False, f"{why}; ask your site whether its controller is up")]
    remarks = [("slurm", True, "answers")]
    if wants_gpu:
        words = f"generic resources: {' '.join(answer.stdout.split())}; `gpu` must be among them"
        remarks.append(("gres", "gpu" in answer.stdout, words))
    return remarks


def show(lines: list[str], log: str) -> None:
    """Write the lines into the log and on the terminal, where one looks for them."""
    text = "\n".join(lines) + "\n"
    Path(log).write_text(text)
    print(text, end="", file=sys.stderr, flush=True)
