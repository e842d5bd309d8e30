"""What the examinations found, a line each: ok or a remedy."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor


class Loader(NamedTuple):
    """A data loader's workers, processes that hand batches over in shared memory."""

    scenario: str
    workers: int
    batch_size: int
    inputs: int

    @property
    def shared_bytes(self) -> int:
        """What the batches take: each worker has two ready and makes a third, and one is used.

        Two ready a worker is the default of all loaders here. Pixels as float32, labels as int64.
        """
        return (3 * self.workers + 1) * self.batch_size * (4 * self.inputs + 8)


def largest_loaders(experiment: Experiment) -> dict[str, Loader]:
    """By competitor, of all that it will run the loader that takes most shared memory."""
    largest = {}
    for track, scenario in experiment.contests:
        training = experiment.training(scenario)
        loader = Loader(
            scenario, training["loader_workers"], training["batch_size"], training["layers"][0]
        )
        if axes.track(track, experiment.root)["data"] == "loader" and loader.workers:
            for name in experiment.competitors(track):
                framework = axes.framework(Competitor.parse(name).framework, experiment.root)
                if framework["loader_workers"] == "processes":
                    others = [largest[name]] if name in largest else []
                    largest[name] = max([*others, loader], key=lambda of: of.shared_bytes)
    return largest


def lines(
    examinations: list[dict],
    surroundings: list[dict] = (),
    others: Mapping[str, list[tuple[str, bool, str]]] | None = None,
    loaders: Mapping[str, Loader] | None = None,
    threads: Mapping[str, int | str] | None = None,
) -> list[str]:
    """A line for each finding about a competitor, for each node's last remarks, for all others.

    ``examinations`` and ``surroundings`` as workflow/trainers/examine.py and look_around.py leave
    them, those of a competitor at the same place. ``others``: remarks by what they are about, the
    scheduler say: subject, whether all is well, and words. ``loaders``: the largest of each
    competitor that has one. ``threads``: what each scenario asks for.
    """
    rows = [
        (examination["competitor"], *finding)
        for examination in examinations
        for finding in examination["findings"]
    ]
    rows += [
        (name, *enough_shared_memory(loaders[name], around["shared_memory_bytes"]))
        for name, around in zip((e["competitor"] for e in examinations), surroundings, strict=False)
        if name in (loaders or {}) and "shared_memory_bytes" in around
    ]
    remarks = {
        (around["node"], what): rest for around in surroundings for what, *rest in around["remarks"]
    }
    remarks |= {
        (around["node"], "threads"): (False, words)
        for around in surroundings
        if (words := "; ".join(too_many_threads(threads or {}, around.get("usable_cores"))))
    }
    rows += [(*about, *rest) for about, rest in remarks.items()]
    rows += [(about, *remark) for about, found in (others or {}).items() for remark in found]
    return [f"{of}: {what:<20}{'ok' if ok else 'NO':<4}{words}" for of, what, ok, words in rows]


def examined(file: Path) -> tuple[str, bool, str]:
    """When an examination was made: it is kept, and may be older than what is around it."""
    made = datetime.fromtimestamp(file.stat().st_mtime)
    return "examined", True, made.isoformat(" ", "minutes")


def enough_shared_memory(loader: Loader, free: int) -> tuple[str, bool, str]:
    """Whether as many bytes are free as a loader takes; without them its workers die or wait."""
    enough = free >= loader.shared_bytes
    words = (
        f"/dev/shm has {free / 1e6:.1f} MB free; {loader.workers} loader workers with batches of "
        f"{loader.batch_size} may take {loader.shared_bytes / 1e6:.1f} MB"
    )
    remedy = (
        f" (scenario {loader.scenario}): make it larger (docker run --shm-size; mount -o remount,"
        "size=...), or set fewer `loader_workers`"
    )
    return "shared memory", enough, words + ("" if enough else remedy)


def too_many_threads(threads: Mapping[str, int | str], cores: float | None) -> list[str]:
    """The scenarios that ask for more threads than cores can be used, in words; None: not known."""
    return [
        f"scenario {scenario} asks for {wanted}, and {cores:g} cores can be used: they take turns"
        for scenario, wanted in threads.items()
        if wanted != "default" and cores is not None and wanted > cores
    ]


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
