"""A correct trainer, made wrong on purpose, does not get through the gate.

Each fault is a replacement in the text of NumPy's controlled trainer, so that what is tested is the
trainer that runs. It trains through the toolbox, in both tiers, on a small made-up data set: 1,000
images in batches of 128 are 8 steps an epoch, the last of 104 images.
"""

import json
import os
import re
import subprocess
import sys
from functools import cache

import audit
import gate
import made_up
import numpy as np
import protocol
import pytest
import reference
import settings

from toolbox.record import sha256

TRAINER = settings.ROOT / "workflow/trainers/controlled/numpy_mlp.py"
TRAINING = {
    "batch_size": 128,
    "epochs": 2,
    "hidden_units": 32,
    "learning_rate": 0.1,
    "pixel_mean": 0.13,
    "pixel_std": 0.31,
}
SIZES = gate.Sizes(128, 32, 0.1, train_images=1000, test_images=500)

# What is replaced by what (regular expressions), and the cause that the gate must name.
DATA, WEIGHTS = r"images, labels = run.training_set\(\)", r"run\.initial_weights\(\)"
ORDER, UPDATE = r"epoch\.order\)", r"(\w+)\[\.\.\.\] -= run\.learning_rate \* (.*)"
FAULTS = {
    "learning rate 0.1001": ([(r"run\.learning_rate", "0.1001")], "learning rate"),
    "weight decay 1e-5": (
        [(UPDATE, r"\1[...] -= run.learning_rate * (\2 + 1e-5 * \1)")],
        "learning rate",
    ),
    "momentum 0.01": (
        [
            (r"\nrun = ", "\nvelocity = {}\nrun = "),
            (
                UPDATE,
                r"velocity['\1'] = 0.01 * velocity.get('\1', 0) + \2"
                r"\n    \1[...] -= run.learning_rate * velocity['\1']",
            ),
        ],
        "momentum",
    ),
    "loss summed over the batch": (
        [(r"\.mean\(\)", ".sum()"), (r"gradient /= len\(y\)", "pass")],
        "summed",
    ),
    "last batch divided by 128": (
        [(r"gradient /= len\(y\)", "gradient /= run.batch_size")],
        "averaging of the last batch",
    ),
    "loss of the last batch divided by 128": (
        [(r"\.mean\(\)", ".sum() / run.batch_size")],
        "averaging of the last batch",
    ),
    "every epoch skips its last batch": ([(ORDER, "epoch.order[:-104])")], "left out"),
    "one epoch skips its last batch": (
        [(ORDER, "epoch.order[: None if epoch.index else -104])")],
        "left out",
    ),
    "order of one epoch reversed": (
        [(ORDER, "epoch.order[:: -1 if epoch.index == 1 else 1])")],
        "order",
    ),
    "normalization 0.1307/0.3081": (
        [(DATA, r"\g<0>\nimages = (images * 0.31 + 0.13 - 0.1307) / 0.3081")],
        "scaling",
    ),
    "pixels divided by 256": (
        [(DATA, r"\g<0>\nimages = ((images * 0.31 + 0.13) * 255 / 256 - 0.13) / 0.31")],
        "scaling",
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
    "bias of the hidden layer missing": ([(r"w1\.T \+ b1", "w1.T")], "initialization"),
    "float16 arithmetic": (
        [
            (DATA, r"\g<0>\nimages = images.astype(np.float16)"),
            (WEIGHTS, r"[w.astype(np.float16) for w in \g<0>]"),
        ],
        "half precision",
    ),
    "float32 where float64 is asked": (
        [
            (DATA, r"\g<0>\nimages = images.astype(np.float32)"),
            (WEIGHTS, r"[w.astype(np.float32) for w in \g<0>]"),
        ],
        "single precision",
    ),
    "weights of the epoch before handed over": (
        [
            (r"    with epoch\.clock", r"    before = [w.copy() for w in (w1, b1, w2, b2)]\n\g<0>"),
            (r"finish\(\[.*\]\)", "finish(before)"),
        ],
        "evaluation",
    ),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Trains the trainer with a fault (or none) in a tier; the gate's rows and the audit's."""
    folder = tmp_path_factory.mktemp("faults")
    data = made_up.packed(folder, 1000, 500) / "mnist.npz"
    shared = folder / "protocol.npz"
    weights = protocol.initial_weights(protocol.stream(2018, 0, 0), TRAINING["hidden_units"])
    order = protocol.batch_order(protocol.stream(2018, 0, 1), TRAINING["epochs"], 1000)
    np.savez(shared, **weights, order=order)
    truth = reference.train(
        *reference.data_sets(data, TRAINING, "float64"),
        reference.Weights(**{name: weight.astype(float) for name, weight in weights.items()}),
        order,
        TRAINING["batch_size"],
        float(np.float32(TRAINING["learning_rate"])),
    )
    truth = gate.Reference(truth["losses"], truth["test_accuracy"], truth["nearest_zero"])
    config = settings.checked({})["gate"]

    @cache
    def judge(fault: str | None, tier: str) -> tuple[list[dict], list[dict]]:
        trainer = folder / f"{len(list(folder.iterdir()))}.py"
        trainer.write_text(wrong(TRAINER.read_text(), fault))
        record = trainer.with_suffix(".json")
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in TRAINING.items()]
        flags += [f"--dtype={tier}", f"--data={folder}", f"--protocol={shared}"]
        flags += [f"--losses={record.with_suffix('.losses.npy')}", f"--hand-over={record}"]
        env = os.environ | {"PYTHONPATH": str(TRAINER.parents[1]), "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run([sys.executable, trainer, *flags], env=env, check=True, capture_output=True)
        first = min(gate.first_steps(config, "cpu", SIZES), gate.sure_steps(truth.nearest_zero))
        limit = gate.limits(config, "cpu", SIZES)
        handed = json.loads(record.read_text())
        handed["measured"]["losses_sha256"] = sha256(record.with_suffix(".losses.npy"))
        auditor = audit.Audit(folder)
        auditor.work(handed["asked"], handed["measured"], {})
        auditor.losses(record, handed["asked"], handed["measured"], {})
        rows = gate.judge(gate.read(record), truth, tier, limit, first, SIZES)
        return rows, auditor.findings

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
    assert all(FAULTS[fault][1] in row["cause"] for row in failed)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_documentation_says_where_a_fault_is_caught(judged, fault):
    """The line that is missing in docs/gate.md, or out of date, is the one shown here."""
    cause = next(row["cause"] for row in judged(fault, "float64")[0] if not row["passed"])
    steps = [
        next((row["step"] for row in judged(fault, tier)[0] if not row["passed"]), "not seen")
        for tier in ("float64", "float32")
    ]
    audited = ", ".join(dict.fromkeys(row["check"] for row in judged(fault, "float32")[1]))
    line = f"| {fault} | {steps[0]} | {steps[1]} | {audited or 'not seen'} | {cause} |"
    assert line in (settings.ROOT / "docs/gate.md").read_text().splitlines()
