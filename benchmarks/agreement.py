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
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from evenhand.checks import gate
from evenhand.checks.trained import Reference, Sizes, Trained
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor
from evenhand.core.schemas import ROOT
from evenhand.model import protocol, reference
from toolbox.settings import Settings

TRACK = "controlled"
STARTER = ROOT / "workflow/trainers/start.py"
REPORT_TEXT = ROOT / "workflow/scripts/evenhand/report/text.en.yaml"


def given_to_all(seed: int, training: dict, data: Path, folder: Path) -> tuple[Path, Reference]:
    """The seed's protocol, and the reference that follows it."""
    sampled = protocol.sample(
        seed, 0, training["layers"], training["epochs"], training["train_images"]
    )
    np.savez(folder / "protocol.npz", **sampled)
    trained = reference.train(
        *reference.data_sets(
            data / "images.npz", training["pixel_mean"], training["pixel_std"], "float64"
        ),
        reference.weights_of(sampled, "float64"),
        sampled["order"],
        training["batch_size"],
        float(np.float32(training["learning_rate"])),
    )
    return folder / "protocol.npz", Reference.of(trained)


def trained_by(competitor: str, settings: Settings, folder: Path) -> Trained:
    """What a competitor's trainer makes of a protocol."""
    trainer = axes.trainer(TRACK, Competitor.parse(competitor).framework)
    python, result = f"results/environments/{competitor}/bin/python", folder / "result.json"
    losses = folder / "losses.npy"
    command = [python, "-E", "-s", STARTER, trainer, *settings.flags()]
    command += ["--losses", losses, "--result", result]
    variables = os.environ | axes.framework(Competitor.parse(competitor).framework)["variables"]
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    epochs = json.loads(result.read_text())["measured"]["epochs"]
    tests = (np.array([epoch[name] for epoch in epochs]) for name in ("test_loss", "test_accuracy"))
    return Trained(np.load(losses), *tests)


def main(seeds: int, experiment: Experiment, competitors: list[str]) -> None:
    training, config = experiment.training("baseline"), experiment.config["gate"]
    data, sizes = Path("results/data") / training["dataset"], Sizes.of(training)
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shared, expected = given_to_all(seed, training, data, folder)
            for competitor in competitors:
                device = Competitor.parse(competitor).device
                limits = gate.limits(config, device, sizes)
                first = gate.first_steps(config, device, sizes)
                first = min(first, gate.sure_steps(expected.nearest_zero))
                for tier in ("float64", "float32"):
                    settings = Settings.of(
                        training, data=data, protocol=shared, device=device, dtype=tier
                    )
                    run = trained_by(competitor, settings, folder)
                    for row in gate.judge(run, expected, tier, limits, first, sizes):
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
        form = {"test_accuracy": ".0f", "identical_steps": ".2f"}.get(check, ".1e")
        cells = [tier, words[check], *(f"{value:{form}}" for value in values), f"{limit:g}"]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--competitors", nargs="+", help=f"by default all of the {TRACK} track")
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE of the scenario")
    args = parser.parse_args()
    changes = {key: yaml.safe_load(value) for key, value in (pair.split("=") for pair in args.set)}
    asked = Experiment(checked({"scenarios": {"baseline": changes}}))
    main(args.seeds, asked, args.competitors or asked.competitors(TRACK))
