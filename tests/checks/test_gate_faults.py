"""A correct trainer, made wrong on purpose, does not get through the gate.

Each fault is a replacement in the text of NumPy's controlled trainer, so that what is tested is the
trainer that runs. It trains through the toolbox, in both tiers, on a small made-up data set: 1,000
images in batches of 128 are 8 steps an epoch, the last of 104 images.
"""

import dataclasses
import re
from functools import cache

import numpy as np
import pytest

from evenhand.checks import audit_record, gate
from evenhand.checks.trained import Reference, Sizes, read
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.identity import losses_path
from evenhand.core.schemas import ROOT
from evenhand.model import reference
from support import launching
from toolbox.record import Record

TRAINER = axes.trainer("controlled", "numpy")
SETTINGS = launching.settings(epochs=32, layers=(784, 32, 10))
SIZES = Sizes(128, SETTINGS.layers, 0.1, train_images=1000, test_images=100)
SEEDS = {"float64": 1, "float32": 2}  # of the round that is rehearsed, and of one that is not

# What is replaced by what (regular expressions), and the cause that the gate must name; None where
# it cannot see the fault.
DATA, WEIGHTS = r"images, labels = run.training_set\(\)", r"run\.initial_weights\(\)"
ORDER, UPDATE = r"batches\(order\)", r"(\w+) -= run\.learning_rate \* (.*)"
BATCH, STEP = r"x, y = images.*\n( +)", r"( +)step\(values, gradient\)\n"
MEAN, REPORTED = r"\)\.mean\(\)", r"append\(loss\)"
FINISH = r"epoch\.finish\(weights\)"
NARROW = [
    (DATA, r"\g<0>\nimages = images.astype(np.float32)"),
    (WEIGHTS, r"[w.astype(np.float32) for w in \g<0>]"),
]
FAULTS = {
    "learning rate 0.1001": ([(r"run\.learning_rate", "0.1001")], "first_update"),
    "weight decay 1e-5": (
        [(UPDATE, r"\1 -= run.learning_rate * (\2 + 1e-5 * \1)")],
        "first_update",
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
        "second_update",
    ),
    "loss summed over the batch": (
        [(MEAN, ").sum()"), (r"gradient / len\(y\)", "gradient")],
        "loss_summed",
    ),
    "loss after the update": (
        [(STEP, r"\g<0>\1loss, _ = loss_fn(net(x)[1], y)\n")],
        "loss_after_update",
    ),
    "last batch divided by 128": (
        [(r"gradient / len\(y\)", "gradient / run.batch_size")],
        "last_update_of_epoch",
    ),
    "loss of the last batch divided by 128": (
        [(MEAN, ").sum() / run.batch_size")],
        "last_batch_loss",
    ),
    "every epoch skips its last batch": ([(ORDER, "batches(order[:-104])")], "steps_left_out"),
    "one epoch skips its last batch": (
        [(ORDER, "batches(order[: None if epoch.index else -104])")],
        "step_left_out",
    ),
    "order of one epoch reversed": (
        [(ORDER, "batches(order[:: -1 if epoch.index == 2 else 1])")],
        "order",
    ),
    "normalization 0.1307/0.3081": (
        [(DATA, r"\g<0>\nimages = (images * 0.31 + 0.13 - 0.1307) / 0.3081")],
        "first_loss",
    ),
    "pixels divided by 256": (
        [(DATA, r"\g<0>\nimages = ((images * 0.31 + 0.13) * 255 / 256 - 0.13) / 0.31")],
        "first_loss",
    ),
    "labels shifted by one": ([(DATA, r"\g<0>\nlabels = (labels + 1) % 10")], "labels"),
    "labels of one batch rolled": (
        [(BATCH, r"\g<0>y = np.roll(y, 1) if (epoch.index, epoch.steps) == (1, 4) else y\n\1")],
        "one_batch",
    ),
    "weights of another seed": (
        [
            (
                WEIGHTS,
                "[np.random.default_rng(1).uniform(w.min(), w.max(), w.shape).astype(w.dtype)"
                r" for w in \g<0>]",
            )
        ],
        "first_loss",
    ),
    "bias of the hidden layer missing": ([(r"@ w\.T \+ b, 0", "@ w.T, 0")], "first_loss"),
    "float16 arithmetic": (
        [
            (DATA, r"\g<0>\nimages = images.astype(np.float16)"),
            (WEIGHTS, r"[w.astype(np.float16) for w in \g<0>]"),
        ],
        "half_precision",
    ),
    "float32 where float64 is asked": (NARROW, "single_precision"),
    "the same, losses and weights widened": (
        [
            *NARROW,
            (MEAN, ").mean(dtype=float)"),
            (FINISH, "epoch.finish(w.astype(run.dtype) for w in weights)"),
        ],
        "single_precision",
    ),
    "weights of the epoch before handed over": (
        [
            (r"    with epoch\.clock", r"    before = [w.copy() for w in weights]\n\g<0>"),
            (FINISH, "epoch.finish(before)"),
        ],
        "weights_handed_over",
    ),
    "weights one step stale": (
        [
            (STEP, r"\1before = [w.copy() for w in weights]\n\g<0>"),
            (FINISH, "epoch.finish(before)"),
        ],
        "weights_handed_over",
    ),
    "the very last update applied twice": (
        [(FINISH, r"if epoch.index == 31:\n            step(values, gradient)\n        \g<0>")],
        "last_update",
    ),
    "the reference's losses instead of its own": (
        [(REPORTED, r"append(np.load('reference.npz')['losses'][epoch.index, epoch.steps])")],
        "reference_copied",
    ),
    "learning rate 0.1001, but in the rehearsed round": (
        [(r"run\.learning_rate", "(0.1001 if run.seed != 1 else run.learning_rate)")],
        "first_update",
    ),
    "learning rate 0.1001, in float32 alone": (
        [(r"run\.learning_rate", "(0.1001 if w.dtype == np.float32 else run.learning_rate)")],
        "first_update",
    ),
    "weight decay 1e-6, in float32 alone": (
        [(UPDATE, r"\1 -= run.learning_rate * (\2 + 1e-6 * (\1.dtype == np.float32) * \1)")],
        None,
    ),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Trains the trainer with a fault (or none) in a tier; the gate's rows and the audit's."""
    folder = launching.prepare(tmp_path_factory.mktemp("faults"), "numpy", "cpu", SETTINGS, 1000)
    images = folder / "data/images.npz"
    with np.load(folder / "protocol.npz") as shared:
        trained = reference.train(
            *reference.data_sets(images, SETTINGS.pixel_mean, SETTINGS.pixel_std, "float64"),
            reference.weights_of(shared, "float64"),
            shared["order"],
            SETTINGS.batch_size,
            float(np.float32(SETTINGS.learning_rate)),
        )
    np.savez(folder / "reference.npz", **trained)
    truth, config = Reference.of(trained), checked({})["gate"]
    limits = gate.limits(config, "cpu", SIZES)
    first = min(gate.first_steps(config, "cpu", SIZES), gate.sure_steps(truth.nearest_zero))

    @cache
    def judge(fault: str | None, tier: str) -> tuple[list[dict], list[str]]:
        (folder / "trainer.py").write_text(wrong(TRAINER.read_text(), fault))
        asked = dataclasses.replace(SETTINGS, dtype=tier, seed=SEEDS[tier])
        done = launching.launch(folder, "trainer.py", asked, ["--no-round-check"])
        assert done.returncode == 0, done.stderr
        path, project = folder / "record.json", audit_record.Project(folder, ROOT)
        record = Record.read(path)
        of_record = record.requested, record.measured
        found = [
            *audit_record.work(*of_record),
            *audit_record.weights(*of_record),
            *audit_record.losses(losses_path(path), *of_record, project),
        ]
        rows = gate.judge(read(path), truth, tier, limits, first, SIZES)
        return rows, [finding.check for finding in found]

    return judge


def wrong(source: str, fault: str | None) -> str:
    for pattern, replacement in FAULTS[fault][0] if fault else []:
        changed = re.sub(pattern, replacement, source)
        assert changed != source, f"{pattern} is not in the trainer any more"
        source = changed
    return source


def failed(judged, fault: str, tier: str) -> list[dict]:
    return [row for row in judged(fault, tier)[0] if not row["passed"]]


@pytest.mark.parametrize("tier", SEEDS)
def test_the_correct_trainer_passes(judged, tier):
    rows, findings = judged(None, tier)
    assert [row for row in rows if not row["passed"]] == []
    assert findings == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_and_its_cause_named(judged, fault):
    rows = failed(judged, fault, "float64") or failed(judged, fault, "float32")
    assert {row["cause"] for row in rows} == {FAULTS[fault][1]} - {None}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_documentation_says_where_a_fault_is_caught(judged, fault):
    """The line that is missing in docs/gate.md, or out of date, is the one shown here."""
    steps, audited = [], []
    for tier in SEEDS:
        rows = failed(judged, fault, tier)
        steps.append((rows[0]["step"] or "all") if rows else "not seen")
        audited += judged(fault, tier)[1]
    audited = ", ".join(dict.fromkeys(audited)) or "not seen"
    cause = f"`{FAULTS[fault][1]}`" if FAULTS[fault][1] else "none"
    line = f"| {fault} | {steps[0]} | {steps[1]} | {audited} | {cause} |"
    assert line in (ROOT / "docs/gate.md").read_text().splitlines()
