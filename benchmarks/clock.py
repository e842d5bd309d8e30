"""Does the clock stop when the work is done? Epochs with and without a wait after every step.

    PYTHONPATH=workflow/scripts python benchmarks/clock.py [repetitions]

A framework may hand work over and go on (MXNet does, on the CPU too). If the clock stopped before
the work was done, an epoch that waits after every step would take longer. Needs the data, the
protocol and the environments that `snakemake` leaves in results/. Both kinds take turns, each first
as often as the other. Prints a Markdown row for each framework: the median seconds of an epoch of
either kind, and the ratio as the workflow computes ratios, over the repetitions.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import inference
import settings

TRAINERS = settings.ROOT / "workflow/trainers"
WAIT = "--wait-each-step"


def epoch_seconds(competitor: str, *flags: str) -> float:
    """Median of the epochs after the first of one controlled run, as the workflow takes it."""
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
    return median(epoch["seconds"] for epoch in epochs[1:])


def main(repetitions: int) -> None:
    print("| framework | seconds, no wait | a wait each step | ratio | 95 % interval |")
    print("| --- | --- | --- | --- | --- |")
    for competitor in settings.competitors(settings.checked({}), "controlled"):
        plain, waiting = [], []
        for turn in range(repetitions):
            kinds = [(plain, []), (waiting, [WAIT])]
            for seconds, flags in kinds if turn % 2 else kinds[::-1]:
                seconds.append(epoch_seconds(competitor, *flags))
        found = inference.effect(inference.log_ratios(waiting, plain))
        interval = f"{found.low:.3f} to {found.high:.3f}"
        cells = [competitor, f"{median(plain):.3f}", f"{median(waiting):.3f}"]
        print("|", " | ".join([*cells, f"{found.ratio:.3f}", interval]), "|", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
