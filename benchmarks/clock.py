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
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median

import inference
import settings

TRAINERS = settings.ROOT / "workflow/trainers"
WAIT = "--wait-each-step"


def clocked(competitor: str, *flags: str) -> tuple[float, float]:
    """Of one controlled run, the median epoch after the first, and the median gap between two."""
    framework, device = competitor.rsplit("-", 1)
    with tempfile.TemporaryDirectory() as folder:
        handed = Path(folder) / "handed.json"
        command = [
            f"results/environments/{competitor}/bin/python",
            TRAINERS / f"controlled/{framework}_mlp.py",
            *("--device", device, "--data", "results/data"),
            *("--protocol", "results/protocol/baseline/0.npz"),
            *("--losses", f"{folder}/losses.npy", "--hand-over", handed, *flags),
        ]
        env = os.environ | {"PYTHONPATH": str(TRAINERS)}
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        epochs = json.loads(handed.read_text())["measured"]["epochs"]
    gaps = [after["begin"] - e["begin"] - e["seconds"] for e, after in pairwise(epochs)]
    return median(epoch["seconds"] for epoch in epochs[1:]), median(gaps)


def main(repetitions: int) -> None:
    head = ["framework", "seconds, no wait", "a wait each step", "ratio", "95 % interval"]
    print("|", " | ".join([*head, "ms between clocks"]), "|")
    print("|", " | ".join(["---"] * 6), "|")
    for competitor in settings.competitors(settings.checked({}), "controlled"):
        plain, waiting = [], []
        for turn in range(repetitions):
            kinds = [(plain, []), (waiting, [WAIT])]
            for seconds, flags in kinds if turn % 2 else kinds[::-1]:
                seconds.append(clocked(competitor, *flags))
        (without, gaps), (with_waits, _) = zip(*plain, strict=True), zip(*waiting, strict=True)
        found = inference.effect(inference.log_ratios(with_waits, without))
        cells = [competitor, f"{median(without):.3f}", f"{median(with_waits):.3f}"]
        cells += [f"{found.ratio:.3f}", f"{found.low:.3f} to {found.high:.3f}"]
        print("|", " | ".join([*cells, f"{1000 * median(gaps):.1f}"]), "|", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
