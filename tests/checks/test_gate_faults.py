"""A correct trainer, made wrong on purpose, does not get through the gate.

Each fault is a replacement in the text of NumPy's controlled trainer, so that what is tested is the
trainer that runs. It trains through the toolbox, in both tiers, on a small made-up data set: 1,000
images in batches of 128 are 8 steps an epoch, the last of 104 images.
"""

import dataclasses
import re
import subprocess
from functools import cache

import numpy as np
import pytest

from evenhand.checks import audit_record, gate
from evenhand.checks.trained import Reference, Sizes, read
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.identity import losses_path
from evenhand.core.schemas import ROOT
from evenhand.model import protocol, reference
from support import digits, records
from toolbox.launch import start
from toolbox.record import Record, write
from toolbox.settings import Settings

TRAINER = axes.trainer("controlled", "numpy")
LAUNCHER = ROOT / "workflow/trainers/toolbox/launch.py"
SETTINGS = Settings(ROOT, epochs=2, layers=(784, 32, 10))
SIZES = Sizes(128, SETTINGS.layers, 0.1, train_images=1000, test_images=500)

# What is replaced by what (regular expressions), and the cause that the gate must name.
DATA, WEIGHTS = r"images, labels = run.training_set\(\)", r"run\.initial_weights\(\)"
ORDER, UPDATE = r"epoch\.order\)", r"(\w+) -= run\.learning_rate \* (.*)"
FAULTS = {
    "learning rate 0.1001": ([(r"run\.learning_rate", "0.1001")], "learning_rate_or_order"),
    "weight decay 1e-5": (
        [(UPDATE, r"\1 -= run.learning_rate * (\2 + 1e-5 * \1)")],
        "learning_rate_or_order",
    ),
    "momentum 0.01": (
        [
            (r"\nrun = ", "\nvelocity = {}\nrun = "),
            (
                UPDATE,
                r"velocity[id(\1)] = 0.01 * velocity.get(id(\1), 0) + \2"
                r"\n        \1 -= run.learning_rate * velocity[id(\1)]",
            ),
        ],
        "momentum",
    ),
    "loss summed over the batch": (
        [(r"\.mean\(\)", ".sum()"), (r"gradient / len\(y\)", "gradient")],
        "loss_summed",
    ),
    "last batch divided by 128": (
        [(r"gradient / len\(y\)", "gradient / run.batch_size")],
        "last_batch_update",
    ),
    "loss of the last batch divided by 128": (
        [(r"\.mean\(\)", ".sum() / run.batch_size")],
        "last_batch_loss",
    ),
    "every epoch skips its last batch": ([(ORDER, "epoch.order[:-104])")], "steps_left_out"),
    "one epoch skips its last batch": (
        [(ORDER, "epoch.order[: None if epoch.index else -104])")],
        "step_left_out",
    ),
    "order of one epoch reversed": (
        [(ORDER, "epoch.order[:: -1 if epoch.index == 1 else 1])")],
        "order",
    ),
    "normalization 0.1307/0.3081": (
        [(DATA, r"\g<0>\nimages = (images * 0.31 + 0.13 - 0.1307) / 0.3081")],
        "initialization",
    ),
    "pixels divided by 256": (
        [(DATA, r"\g<0>\nimages = ((images * 0.31 + 0.13) * 255 / 256 - 0.13) / 0.31")],
        "initialization",
    ),
    "labels shifted by one": ([(DATA, r"\g<0>\nlabels = (labels + 1) % 10")], "labels"),
    "weights of another seed": (
        [
            (
                WEIGHTS,
                "[np.random.default_rng(1).uniform(w.min(), w.max(), w.shape).astype(w.dtype)"
                r" for w in \g<0>]",
            )
        ],
        "initialization",
    ),
    "bias of the hidden layer missing": ([(r"@ w\.T \+ b, 0", "@ w.T, 0")], "initialization"),
    "float16 arithmetic": (
        [
            (DATA, r"\g<0>\nimages = images.astype(np.float16)"),
            (WEIGHTS, r"[w.astype(np.float16) for w in \g<0>]"),
        ],
        "half_precision",
    ),
    "float32 where float64 is asked": (
        [
            (DATA, r"\g<0>\nimages = images.astype(np.float32)"),
            (WEIGHTS, r"[w.astype(np.float32) for w in \g<0>]"),
        ],
        "single_precision",
    ),
    "weights of the epoch before handed over": (
        [
            (r"    with epoch\.clock", r"    before = [w.copy() for w in weights]\n\g<0>"),
            (r"epoch\.finish\(weights\)", "epoch.finish(before)"),
        ],
        "evaluation",
    ),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Trains the trainer with a fault (or none) in a tier; the gate's rows and the audit's."""
    folder = tmp_path_factory.mktemp("faults")
    digits.packed(folder, 1000, 500)
    shared = protocol.sample(2018, 0, SETTINGS.layers, SETTINGS.epochs, 1000)
    np.savez(folder / "protocol.npz", **shared)
    truth = reference.train(
        *reference.data_sets(
            folder / "images.npz", SETTINGS.pixel_mean, SETTINGS.pixel_std, "float64"
        ),
        reference.weights_of(shared, "float64"),
        shared["order"],
        SETTINGS.batch_size,
        float(np.float32(SETTINGS.learning_rate)),
    )
    truth = Reference(truth["losses"], truth["test_accuracy"], truth["nearest_zero"])
    config = checked({})["gate"]
    write(folder / "round.json", records.opened_round())
    write(folder / "receipt.json", records.receipt("numpy-cpu"))

    @cache
    def judge(fault: str | None, tier: str) -> tuple[list[dict], list[str]]:
        trainer = folder / f"{len(list(folder.iterdir()))}.py"
        trainer.write_text(wrong(TRAINER.read_text(), fault))
        path = trainer.with_suffix(".json")
        options = ["--trainer", trainer, "--environment", folder / "receipt.json"]
        options += ["--round", folder / "round.json", "--no-round-check", "--threads", "1"]
        options += ["--record", path, "--losses", losses_path(path)]
        asked = dataclasses.replace(
            SETTINGS, data=folder, protocol=folder / "protocol.npz", dtype=tier
        )
        command = start(LAUNCHER, *options, "--", *asked.flags())
        subprocess.run(command, check=True, capture_output=True)
        first = min(gate.first_steps(config, "cpu", SIZES), gate.sure_steps(truth.nearest_zero))
        limit = gate.limits(config, "cpu", SIZES)
        record = Record.read(path)
        found = [
            *audit_record.work(record.requested, record.measured),
            *audit_record.losses(losses_path(path), record.requested, record.measured),
        ]
        rows = gate.judge(read(path), truth, tier, limit, first, SIZES)
        return rows, [finding.check for finding in found]

    return judge


def wrong(source: str, fault: str | None) -> str:
    for pattern, replacement in FAULTS[fault][0] if fault else []:
        changed = re.sub(pattern, replacement, source)
        assert changed != source, f"{pattern} is not in the trainer any more"
        source = changed
    return source


@pytest.mark.parametrize("tier", ["float64", "float32"])
def test_the_correct_trainer_passes(judged, tier):
    rows, findings = judged(None, tier)
    assert [row for row in rows if not row["passed"]] == []
    assert findings == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_and_its_cause_named(judged, fault):
    failed = [row for row in judged(fault, "float64")[0] if not row["passed"]]
    assert failed
    assert all(FAULTS[fault][1] == row["cause"] for row in failed)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_documentation_says_where_a_fault_is_caught(judged, fault):
    """The line that is missing in docs/gate.md, or out of date, is the one shown here."""
    cause = next(row["cause"] for row in judged(fault, "float64")[0] if not row["passed"])
    steps = [
        next((row["step"] for row in judged(fault, tier)[0] if not row["passed"]), "not seen")
        for tier in ("float64", "float32")
    ]
    audited = ", ".join(dict.fromkeys(judged(fault, "float32")[1]))
    line = f"| {fault} | {steps[0]} | {steps[1]} | {audited or 'not seen'} | `{cause}` |"
    assert line in (ROOT / "docs/gate.md").read_text().splitlines()
