"""How far are the trainers of a gated track from the reference, over several seeds, in each tier?

    PYTHONPATH=workflow/scripts python benchmarks/agreement.py
    PYTHONPATH=workflow/scripts python benchmarks/agreement.py --track tuned
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
from collections.abc import Sequence
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
from evenhand.model import protocol, reference, restarts
from toolbox.settings import Settings

STARTER = ROOT / "workflow/trainers/start.py"
REPORT_TEXT = ROOT / "workflow/scripts/evenhand/report/text.en.yaml"


def given_to_all(
    seed: int, training: dict, data: Path, folder: Path, with_twins: bool
) -> tuple[Path, Reference]:
    """The seed's protocol, and the reference that follows it; beside it what restarts need."""
    sampled = protocol.sample(
        seed, 0, training["layers"], training["epochs"], training["train_images"]
    )
    np.savez(folder / "protocol.npz", **sampled)
    train_set, test_set = reference.data_sets(
        data / "images.npz", training["pixel_mean"], training["pixel_std"], "float64"
    )
    weights, order = reference.weights_of(sampled, "float64"), sampled["order"]
    sgd = training["batch_size"], float(np.float32(training["learning_rate"]))
    trained = reference.train(train_set, test_set, weights, order, *sgd)
    if with_twins:
        file = folder / "weights.npy"
        restarts.write(file, train_set, weights, order, *sgd, trained["nearest_zero"])
    return folder / "protocol.npz", Reference.of(trained)


def trained_by(
    competitor: str, track: str, settings: Settings, folder: Path, more: Sequence = ()
) -> Trained:
    """What a competitor's trainer makes of a protocol, and of `more` flags."""
    trainer = axes.trainer(track, Competitor.parse(competitor).framework)
    python, result = f"results/environments/{competitor}/bin/python", folder / "result.json"
    losses = folder / "losses.npy"
    command = [python, "-E", "-s", STARTER, trainer, *settings.flags(), *more]
    command += ["--losses", losses, "--result", result]
    variables = os.environ | axes.framework(Competitor.parse(competitor).framework)["variables"]
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    epochs = json.loads(result.read_text())["measured"]["epochs"]
    tests = (np.array([epoch[name] for epoch in epochs]) for name in ("test_loss", "test_accuracy"))
    return Trained(np.load(losses), *tests)


def main(seeds: int, experiment: Experiment, track: str, competitors: list[str]) -> None:
    training, config = experiment.training("baseline"), experiment.config["gate"]
    data, sizes = Path("results/data") / training["dataset"], Sizes.of(training)
    twins = [name for name in competitors if experiment.has_twin(track, name)]
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shared, expected = given_to_all(seed, training, data, folder, bool(twins))
            for competitor in competitors:
                device = Competitor.parse(competitor).device
                limits = gate.limits(config, device, sizes)
                first = gate.first_steps(config, device, sizes)
                first = min(first, gate.sure_steps(expected.nearest_zero))
                tiers = {"float64": ("float64", []), "float32": ("float32", [])}
                if competitor in twins:
                    tiers["restarted"] = "float32", ["--restarts", folder / "weights.npy"]
                for tier, (dtype, more) in tiers.items():
                    settings = Settings.of(
                        training, data=data, protocol=shared, device=device, dtype=dtype
                    )
                    run = trained_by(competitor, track, settings, folder, more)
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
        values = ("" if np.isnan(value) else f"{value:{form}}" for value in values)
        cells = [tier, words[check], *values, f"{limit:g}"]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--track", default="controlled", help="one that the gate proves")
    parser.add_argument("--competitors", nargs="+", help="by default all that take part in it")
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE of the scenario")
    args = parser.parse_args()
    changes = {key: yaml.safe_load(value) for key, value in (pair.split("=") for pair in args.set)}
    asked = Experiment(checked({"scenarios": {"baseline": changes}}))
    main(args.seeds, asked, args.track, args.competitors or asked.competitors(args.track))
