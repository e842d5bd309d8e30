"""How far are the controlled trainers from the reference, over several seeds, in both tiers?

    PYTHONPATH=workflow/scripts python benchmarks/agreement.py [seeds]

Needs the data and the environments that `snakemake` leaves in results/. The trainers run as the
workflow runs them, with the configuration's defaults. Prints one Markdown row for each tier, check
and competitor: the largest deviation of all seeds, and the limit. About a minute a seed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import gate
import numpy as np
import pandas as pd
import protocol
import reference
import settings

CONFIG = settings.checked({})
TRAINING = CONFIG["scenarios"]["baseline"]
FLAGS = ("epochs", "batch_size", "learning_rate", "hidden_units", "pixel_mean", "pixel_std")
TRAINERS = settings.ROOT / "workflow/trainers"
DATA = Path("results/data")


def shared_by_all(seed: int, folder: Path) -> tuple[Path, gate.Reference]:
    """The seed's protocol, and the reference that follows it."""
    drawn, trained = folder / "protocol.npz", folder / "reference.npz"
    files = SimpleNamespace(data=DATA / "mnist.npz", protocol=drawn)
    params = {"training": TRAINING, "seed": seed, "round": 0}
    protocol.main(SimpleNamespace(input=files, output=[drawn], params=params))
    params = SimpleNamespace(training=TRAINING)
    reference.main(SimpleNamespace(input=files, output=[trained], params=params))
    with np.load(trained) as file:
        expected = gate.Reference(file["losses"], file["test_accuracy"], file["nearest_zero"])
    return drawn, expected


def trained(competitor: str, tier: str, drawn: Path, folder: Path) -> gate.Run:
    """What a competitor's controlled trainer makes of a protocol."""
    framework, device = competitor.rsplit("-", 1)
    record = folder / f"{competitor}.json"
    flags = [f"--{key.replace('_', '-')}={TRAINING[key]}" for key in FLAGS]
    flags += [f"--device={device}", f"--dtype={tier}", f"--data={DATA}", f"--protocol={drawn}"]
    flags += [f"--losses={record.with_suffix('.losses.npy')}", f"--hand-over={record}"]
    python = f"results/environments/{competitor}/bin/python"
    command = [python, TRAINERS / f"controlled/{framework}_mlp.py", *flags]
    env = os.environ | {"PYTHONPATH": str(TRAINERS)}
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return gate.read(record)


def main(seeds: int) -> None:
    with np.load(DATA / "mnist.npz") as data:
        images = len(data["train_labels"]), len(data["test_labels"])
    training = (TRAINING[key] for key in ("batch_size", "hidden_units", "learning_rate"))
    sizes = gate.Sizes(*training, *images)
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            drawn, expected = shared_by_all(seed, Path(folder))
            for competitor in settings.competitors(CONFIG, "controlled"):
                device = competitor.rsplit("-", 1)[1]
                limit = gate.limits(CONFIG["gate"], device, sizes)
                first = gate.first_steps(CONFIG["gate"], device, sizes)
                first = min(first, gate.sure_steps(expected.nearest_zero))
                for tier in ("float64", "float32"):
                    run = trained(competitor, tier, drawn, Path(folder))
                    for row in gate.judge(run, expected, tier, limit, first, sizes):
                        rows.append({"tier": tier, "competitor": competitor} | row)
    print("| tier | check | competitor | largest deviation | limit |")
    print("| --- | --- | --- | --- | --- |")
    groups = pd.DataFrame(rows).groupby(["tier", "check", "competitor"], sort=False)
    for cells, group in groups:
        worst, limit = f"{group['deviation'].max():.1e}", f"{group['limit'].max():g}"
        print("|", " | ".join([*cells, worst, limit]), "|")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
