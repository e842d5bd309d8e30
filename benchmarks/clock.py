"""What does it cost that the launcher keeps the time? Trainers alone, and watched by it.

    PYTHONPATH=workflow/scripts python benchmarks/clock.py [REPETITIONS] [TRACK]

Needs the data, the protocol and the environments that `snakemake` leaves in results/, and a machine
that does nothing else. Both kinds take turns, each first as often as the other. Prints a Markdown
row for each framework: the median seconds of an epoch after the first, of either kind and by the
trainer's own clock; the ratio as the workflow computes ratios, over the repetitions; of those
watched, by how many milliseconds the launcher's epochs are longer than the trainer's, and how many
lie between two epochs.
"""

import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median

from evenhand.comparison import inference
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor
from toolbox.launch import trainer_command
from toolbox.settings import Settings
from toolbox.stopwatch import Stopwatch

EXPERIMENT = Experiment(checked({}))
HEAD = ["framework", "seconds, alone", "watched", "ratio", "95 % interval"]
HEAD += ["ms longer by the launcher, median", "most", "ms between clocks"]


def trained(track: str, competitor: str, watch: bool) -> tuple[list[float], list[float], list]:
    """Of one run, by epoch: seconds by its own clock, by how much ours are longer, and the gaps."""
    framework, device = Competitor.parse(competitor)
    training = EXPERIMENT.training("baseline")
    own_start = axes.track(track)["start"] == "own"
    settings = Settings.of(
        training,
        data=Path("results/data") / training["dataset"],
        protocol=None if own_start else Path("results/protocol/baseline/0.npz"),
        device=device,
    )
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = trainer_command(
            axes.trainer(track, framework), settings.flags(), Path(folder) / "losses.npy", result
        )
        command[0] = f"results/environments/{competitor}/bin/python"
        clocked = []
        if watch:
            stopwatch = Stopwatch()
            stopwatch.run(command, dict(os.environ))
            clocked = [part for part in stopwatch.parts if part.name == "epochs"]
        else:
            subprocess.run(command, check=True)
        epochs = json.loads(result.read_text())["measured"]["epochs"]
    seconds = [epoch["trainer_seconds"] for epoch in epochs]
    longer = [part.seconds - own for part, own in zip(clocked, seconds, strict=False)]
    return seconds, longer, [after.begin - before.end for before, after in pairwise(clocked)]


def main(repetitions: int = 10, track: str = "controlled") -> None:
    rows = []
    for competitor in EXPERIMENT.competitors(track):
        kinds, longer, gaps = {False: [], True: []}, [], []
        for turn in range(repetitions):
            for watch in (False, True) if turn % 2 else (True, False):
                seconds, more, between = trained(track, competitor, watch)
                kinds[watch].append(median(seconds[1:]))
                longer += more
                gaps += between
        found = inference.effect(inference.log_ratios(kinds[True], kinds[False]))
        cells = [competitor, f"{median(kinds[False]):.3f}", f"{median(kinds[True]):.3f}"]
        cells += [f"{found.ratio:.3f}", f"{found.low:.3f} to {found.high:.3f}"]
        cells += [f"{1000 * value:.2f}" for value in (median(longer), max(longer), median(gaps))]
        rows.append(cells)
    for row in (HEAD, ["---"] * len(HEAD), *rows):
        print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
