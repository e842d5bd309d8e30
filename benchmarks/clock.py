"""Does the clock stop when the work is done? Epochs with and without a wait after every step.

    python benchmarks/clock.py [repetitions]

A framework may hand work over and go on (MXNet does, on the CPU too). If the clock stopped before
the work was done, an epoch that waits after every step would take longer. Both kinds take turns, in
the environments and with the data and protocol of this checkout, where the main job has run.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]


def epoch_seconds(framework: str, scratch: Path, *flags: str) -> float:
    """Median of the epochs after the first of one controlled run."""
    handed = scratch / "handed.json"
    command = [
        ROOT / f"results/environments/{framework}-cpu/bin/python",
        ROOT / f"workflow/trainers/controlled/{framework}_mlp.py",
        *("--data", ROOT / "results/data", "--protocol", ROOT / "results/protocol/baseline/0.npz"),
        *("--losses", scratch / "losses.npy", "--hand-over", handed, *flags),
    ]
    env = {"PYTHONPATH": str(ROOT / "workflow/trainers")}
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    epochs = json.loads(handed.read_text())["measured"]["epochs"]
    return median(epoch["seconds"] for epoch in epochs[1:])


def main(repetitions: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for framework in ("numpy", "pytorch", "mxnet"):
            ratios = [
                epoch_seconds(framework, Path(scratch), "--wait-each-step")
                / epoch_seconds(framework, Path(scratch))
                for _ in range(repetitions)
            ]
            told = " ".join(f"{ratio:.3f}" for ratio in ratios)
            print(f"{framework}: waiting / not waiting, median {median(ratios):.3f} of {told}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
