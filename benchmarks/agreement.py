"""How far are the controlled trainers from the reference, over several seeds, in both tiers?

    PYTHONPATH=workflow/scripts python benchmarks/agreement.py
    PYTHONPATH=workflow/scripts python benchmarks/agreement.py --seeds 2 --competitors numpy-cpu \
        --set batch_size=64

Needs the data and the environments that `snakemake` leaves in results/. The trainers run as the
workflow runs them, with the configuration's defaults and what --set changes of the scenario.
Prints one Markdown row for each tier and check: the largest deviation of all seeds for each
competitor, and the limit. About a minute a seed.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import gate
import numpy as np
import pandas as pd
import protocol
import reference
import settings
import yaml

FLAGS = ("epochs", "batch_size", "learning_rate", "hidden_units", "pixel_mean", "pixel_std")
TRAINERS = settings.ROOT / "workflow/trainers"
DATA = Path("results/data")
REPORT_TEXT = settings.ROOT / "workflow/report/text.en.yaml"


def shared_by_all(seed: int, training: dict, folder: Path) -> tuple[Path, gate.Reference]:
    """The seed's protocol, and the reference that follows it."""
    drawn, trained = folder / "protocol.npz", folder / "reference.npz"
    files = SimpleNamespace(data=DATA / "mnist.npz", protocol=drawn)
    params = {"training": training, "seed": seed, "round": 0}
    protocol.main(SimpleNamespace(input=files, output=[drawn], params=params))
    params = SimpleNamespace(training=training)
    reference.main(SimpleNamespace(input=files, output=[trained], params=params))
    with np.load(trained) as file:
        expected = gate.Reference(file["losses"], file["test_accuracy"], file["nearest_zero"])
    return drawn, expected


def trained(competitor: str, training: dict, tier: str, drawn: Path, folder: Path) -> gate.Run:
    """What a competitor's controlled trainer makes of a protocol."""
    framework, device = competitor.rsplit("-", 1)
    record = folder / f"{competitor}.json"
    flags = [f"--{key.replace('_', '-')}={training[key]}" for key in FLAGS]
    flags += [f"--device={device}", f"--dtype={tier}", f"--data={DATA}", f"--protocol={drawn}"]
    flags += [f"--losses={record.with_suffix('.losses.npy')}", f"--hand-over={record}"]
    python = f"results/environments/{competitor}/bin/python"
    command = [python, TRAINERS / f"controlled/{framework}_mlp.py", *flags]
    env = os.environ | {"PYTHONPATH": str(TRAINERS)}
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return gate.read(record)


def main(seeds: int, config: dict, competitors: list[str]) -> None:
    training = config["scenarios"]["baseline"]
    with np.load(DATA / "mnist.npz") as data:
        images = len(data["train_labels"]), len(data["test_labels"])
    sizes = (training[key] for key in ("batch_size", "hidden_units", "learning_rate"))
    sizes = gate.Sizes(*sizes, *images)
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            drawn, expected = shared_by_all(seed, training, Path(folder))
            for competitor in competitors:
                device = competitor.rsplit("-", 1)[1]
                limit = gate.limits(config["gate"], device, sizes)
                first = gate.first_steps(config["gate"], device, sizes)
                first = min(first, gate.sure_steps(expected.nearest_zero))
                for tier in ("float64", "float32"):
                    run = trained(competitor, training, tier, drawn, Path(folder))
                    for row in gate.judge(run, expected, tier, limit, first, sizes):
                        rows.append({"tier": tier, "competitor": competitor} | row)
    order = dict.fromkeys((row["tier"], row["check"], row["limit"]) for row in rows)
    worst = pd.DataFrame(rows).pivot_table(
        "deviation", ["tier", "check", "limit"], "competitor", "max"
    )
    worst = worst.loc[list(order), competitors]
    words = yaml.safe_load(REPORT_TEXT.read_text())["gate"]["checks"]
    print("|", " | ".join(["tier", "check", *competitors, "limit"]), "|")
    print("|", " | ".join(["---"] * (len(competitors) + 3)), "|")
    for (tier, check, limit), values in worst.iterrows():
        form = ".0f" if check == "test_accuracy" else ".1e"
        cells = [tier, words[check], *(f"{value:{form}}" for value in values), f"{limit:g}"]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--competitors", nargs="+", help="by default all of the controlled track")
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE of the scenario")
    args = parser.parse_args()
    changes = {key: yaml.safe_load(value) for key, value in (pair.split("=") for pair in args.set)}
    config = settings.checked({"scenarios": {"baseline": changes}})
    main(args.seeds, config, args.competitors or settings.competitors(config, "controlled"))
