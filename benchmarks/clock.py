"""Does the clock stop when the work is done? Epochs with and without a wait after every step.

    PYTHONPATH=workflow/scripts python benchmarks/clock.py [repetitions]

A framework may hand work over and go on (MXNet does, on the CPU too). If the clock stopped before
the work was done, an epoch that waits after every step would take longer, and what was left over
would be done between the clocks of two epochs, where the weights are copied out. Needs the data,
the protocol and the environments that `snakemake` leaves in results/. Both kinds take turns, each
first as often as the other. Prints a Markdown row for each framework: the median seconds of an
epoch of either kind; the ratio as the workflow computes ratios, over the repetitions; and the
median milliseconds from the end of one epoch's clock to the next one's start, without waits.
"""

import json
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
from evenhand.core.schemas import ROOT
from toolbox.settings import Settings

TRACK = "controlled"
EXPERIMENT = Experiment(checked({}))
STARTER = ROOT / "workflow/trainers/start.py"
WAIT = "--wait-each-step"


def timed(competitor: str, *flags: str) -> tuple[float, float]:
    """Of one controlled run, the median epoch after the first, and the median gap between two."""
    framework, device = Competitor.parse(competitor)
    training = EXPERIMENT.training("baseline")
    settings = Settings.of(
        training,
        data=Path("results/data") / training["dataset"],
        protocol=Path("results/protocol/baseline/0.npz"),
        device=device,
    )
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [
            *(f"results/environments/{competitor}/bin/python", "-E", "-s", STARTER),
            *(axes.trainer(TRACK, framework), *settings.flags()),
            *("--losses", f"{folder}/losses.npy", "--result", result, *flags),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        epochs = json.loads(result.read_text())["measured"]["epochs"]
    gaps = [after["begin"] - e["begin"] - e["seconds"] for e, after in pairwise(epochs)]
    return median(epoch["seconds"] for epoch in epochs[1:]), median(gaps)


def main(repetitions: int) -> None:
    head = ["framework", "seconds, no wait", "a wait each step", "ratio", "95 % interval"]
    print("|", " | ".join([*head, "ms between clocks"]), "|")
    print("|", " | ".join(["---"] * 6), "|")
    for competitor in EXPERIMENT.competitors(TRACK):
        plain, waiting = [], []
        for turn in range(repetitions):
            kinds = [(plain, []), (waiting, [WAIT])]
            for seconds, flags in kinds if turn % 2 else kinds[::-1]:
                seconds.append(timed(competitor, *flags))
        (without, gaps), (with_waits, _) = zip(*plain, strict=True), zip(*waiting, strict=True)
        found = inference.effect(inference.log_ratios(with_waits, without))
        cells = [competitor, f"{median(without):.3f}", f"{median(with_waits):.3f}"]
        cells += [f"{found.ratio:.3f}", f"{found.low:.3f} to {found.high:.3f}"]
        print("|", " | ".join([*cells, f"{1000 * median(gaps):.1f}"]), "|", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
