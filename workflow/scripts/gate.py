"""Hold every controlled run against the NumPy float64 reference, step by step.

docs/gate.md says what this proves, where the limits come from, and which faults it catches.
"""

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from audit import Audit
from settings import same_training
from tables import write_table

# A ReLU whose input is this near to zero, relative to all inputs' root mean square, may flip in
# float32: rounding errors near zero are 2.3e-7 of it, root mean square, and 2e-6 at most.
FLIPS = 2e-6
REJECTED = "rejected by the audit"


class Run(NamedTuple):
    """What a run left to be judged."""

    losses: np.ndarray  # (epochs, steps), the loss of each step
    accuracy: np.ndarray  # (epochs,), on the test set after each epoch, a fraction


class Reference(NamedTuple):
    """What it is judged by."""

    losses: np.ndarray
    accuracy: np.ndarray
    nearest_zero: np.ndarray  # (epochs, steps), the smallest ReLU input of each step, relative


class Sizes(NamedTuple):
    """What limits and causes depend on."""

    batch_size: int
    hidden_units: int
    learning_rate: float
    train_images: int
    test_images: int


# ---- limits ----------------------------------------------------------


def limits(gate: dict, device: str, sizes: Sizes) -> dict[str, float]:
    """How far each check may be off: loss in nats, test accuracy in images.

    ``gate`` is the config's section, whose numbers are for the tutorial's sizes; a device may have
    a section of its own in it. docs/gate.md gives the reasons for what sizes do to float32.
    """
    gate = gate | gate.get(device, {})
    scatter = max(1, sizes.learning_rate / 0.1 * 128 / sizes.batch_size)
    images = max(2, gate["test_images"] * (sizes.test_images / 10_000) ** 0.5)
    return {
        "steps": gate["float64_step"],
        "first_steps": gate["float32_first"],
        "epoch_0": gate["float32_first_epoch"] * scatter**2,
        "later_epochs": gate["float32_later_epochs"] * scatter**2,
        "test_accuracy": images * scatter,
    }


def first_steps(gate: dict, device: str, sizes: Sizes) -> int:
    """How many steps count as the first: the more ReLUs a step computes, the fewer.

    No less than two, since the second is the first that shows an update.
    """
    steps = (gate | gate.get(device, {}))["float32_first_steps"]
    relus = sizes.batch_size * sizes.hidden_units
    return max(2, min(steps, steps * 128 * 256 // relus))


def sure_steps(nearest_zero: np.ndarray) -> int:
    """How many steps pass before rounding in float32 may have changed an update by a flipped ReLU.

    A flip changes the loss of its own step by no more than rounding does, and of all later ones.
    """
    doubtful = nearest_zero.ravel() < FLIPS
    return int(doubtful.argmax()) + 1 if doubtful.any() else doubtful.size


# ---- one run ---------------------------------------------------------


def judge(
    run: Run, reference: Reference, tier: str, limit: dict[str, float], first: int, sizes: Sizes
) -> list[dict]:
    """One row for each check of the tier: check, deviation, limit, step, passed, cause.

    ``step``, counted from 1 over all epochs, is the first one outside; for an epoch's average the
    first of that epoch (less the ``first`` steps, which have their own check), for the accuracy
    the last.
    """
    epochs, steps = reference.losses.shape
    losses = aligned(run.losses, reference.losses.shape)
    accuracy = aligned(run.accuracy[None], (1, epochs))[0]
    by_step = distance(losses, reference.losses).ravel()
    by_epoch = distance(losses.mean(axis=1), reference.losses.mean(axis=1))
    images = np.rint(distance(accuracy, reference.accuracy) * sizes.test_images)

    number = np.arange(epochs * steps) + 1
    begins, ends = number[::steps], number[steps - 1 :: steps]
    if tier == "float64":
        limit = limit | {"test_accuracy": 0}  # equal weights see every image alike
        checks = {"steps": (by_step, number)}
    else:
        checks = {
            "first_steps": (by_step[:first], number[:first]),
            "epoch_0": (by_epoch[:1], np.array([min(first + 1, steps)])),
            "later_epochs": (by_epoch[1:], begins[1:]),
        }
    rows, outside = [], {}
    for check, (deviation, at) in (checks | {"test_accuracy": (images, ends)}).items():
        if (beyond := deviation > limit[check]).any():
            outside[check] = int(at[beyond.argmax()])
        rows.append(
            {
                "check": check,
                "deviation": deviation.max(initial=0),
                "limit": limit[check],
                "step": outside.get(check),
                "passed": check not in outside,
            }
        )
    cause = likely_cause(outside, run, reference, sizes) if outside else ""
    return [row | {"cause": "" if row["passed"] else cause} for row in rows]


def aligned(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The values in the reference's shape: NaN where one is missing, everywhere if too many are."""
    whole = np.full(shape, np.nan)
    if np.less_equal(values.shape, shape).all():
        whole[: values.shape[0], : values.shape[1]] = values
    return whole


def distance(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """|values - truth|, infinite where a value is missing or not finite."""
    return np.where(np.isfinite(values), np.abs(values - truth), np.inf)


def likely_cause(outside: dict[str, int], run: Run, reference: Reference, sizes: Sizes) -> str:
    """What is probably wrong, in words, from where the run first leaves the reference.

    A step's loss is computed before its update, and from its batch alone: step 1 shows what the
    training starts from, step 2 the first update, step 3 what an optimizer remembers.
    ``outside``: for each check that failed, the first step outside.
    """
    losses, expected = run.losses, reference.losses
    epochs, steps = expected.shape
    if not losses.size:
        return "nothing to judge: the record or its step losses cannot be read"
    if losses.shape != expected.shape:
        found = " x ".join(map(str, losses.shape))
        return f"steps left out or added: {found} losses instead of {epochs} x {steps}"
    if outside.keys() == {"test_accuracy"}:
        return "evaluation: every loss agrees, the test accuracy does not"
    if np.isclose(losses[0, 0], expected[0, 0] * sizes.batch_size, rtol=1e-3):
        return "scaling: the loss is summed over the batch, not averaged"
    if not np.isfinite(losses[:, :-1]).all():
        return "the training diverged: losses are not finite"
    if not np.isfinite(losses).all():  # shorter epochs are filled up at their end
        return "a step left out: an epoch has a loss less than the others"
    if is_made_of(losses, np.float16):
        return "half precision: every loss is a float16 number"
    if "steps" in outside and is_made_of(losses, np.float32):
        return "single precision: every loss is a float32 number"

    step = min(step for check, step in outside.items() if check != "test_accuracy")
    epoch, place = divmod(step - 1, steps)
    if step == 1 and learned_other_labels(run, reference):
        return "labels: the losses fall as they should, and the test set is not recognized"
    if step == 1:
        return "initialization or scaling: weights, pixels or loss of the first batch differ"
    if step == 2:
        return "learning rate or order: the first update or the second batch differs"
    if step == 3 and "steps" in outside:
        return "momentum or its like: the first update is right, the second is not"
    if epoch and place == 0:
        if other_images(losses[epoch], expected[epoch]):
            return "order: the batches of this epoch hold other images"
        return "averaging of the last batch: the update before this epoch differs"
    if place == steps - 1 and sizes.train_images % sizes.batch_size:
        return "averaging of the last batch: its loss differs"
    return "learning rate, optimizer or order: an update or a batch before this step differs"


def is_made_of(losses: np.ndarray, dtype: type) -> bool:
    """Whether every loss is a number of this narrower type."""
    with np.errstate(over="ignore"):
        return np.array_equal(losses, losses.astype(dtype))


def learned_other_labels(run: Run, reference: Reference) -> bool:
    """Whether the last epoch's average loss is near the reference's, the accuracy far below."""
    loss, expected = run.losses[-1].mean(), reference.losses[-1].mean()
    return abs(loss / expected - 1) < 0.25 and run.accuracy[-1] < reference.accuracy[-1] / 2


def other_images(losses: np.ndarray, expected: np.ndarray) -> bool:
    """Whether an epoch's losses jump from step to step where the reference's do not.

    Equal batches jump together, even from somewhat different weights.
    """
    return bool(np.diff(losses - expected).std() > np.diff(expected).std() / 2)


# ---- all runs --------------------------------------------------------


def identity(record: Path, tier: str) -> dict:
    """Who ran, read from the path: the record itself may be missing, cut or edited.

    float64: .../{scenario}/{framework}-{device}.json, with the first round's weights and order;
    float32: .../{scenario}/{round}/{framework}-{device}.json.
    """
    scenario, round_ = (record.parts[-2], 0) if tier == "float64" else record.parts[-3:-1]
    framework, device = record.stem.rsplit("-", 1)
    who = {"scenario": scenario, "framework": framework, "device": device}
    return who | {"competitor": record.stem, "round": int(round_), "tier": tier}


def read(record: Path) -> Run:
    """The run behind a record; empty where the files cannot be read, which no check passes."""
    try:
        epochs = json.loads(record.read_text())["measured"]["epochs"]
        accuracy = np.array([epoch["test_accuracy"] for epoch in epochs], dtype=float)
        losses = np.load(record.with_suffix(".losses.npy")).astype(float)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return Run(np.empty((0, 0)), np.empty(0))
    return Run(losses, accuracy) if losses.ndim == 2 else Run(np.empty((0, 0)), accuracy)


def doubts(rehearsal: Path) -> str:
    """What the audit has against the record of a float64 run, which no ranking shows; or nothing.

    ``rehearsal``: results/rehearsals/{scenario}/{framework}-{device}.json
    """
    results = rehearsal.parents[2]
    audit = Audit(results)
    round_ = results / f"rounds/controlled/{rehearsal.parent.name}/0.json"
    audit.everything([], [round_], [rehearsal])
    errors = (f for f in audit.findings if f["severity"] == "error" and "competitor" in f)
    return next((f"{REJECTED}: {f['check']}, {f['finding']}" for f in errors), "")


@lru_cache(maxsize=1)  # the runs of a round come one after another; all references may be a lot
def read_reference(path: Path) -> Reference:
    with np.load(path) as file:
        return Reference(file["losses"], file["test_accuracy"], file["nearest_zero"])


def main(snakemake) -> None:
    gate, scenarios = snakemake.params.gate, snakemake.params.scenarios
    with np.load(snakemake.input.data) as data:
        images = len(data["train_labels"]), len(data["test_labels"])
    references = {
        (path.parent.name, int(path.stem)): path for path in map(Path, snakemake.input.references)
    }

    rows, deviations = [], []
    records = [(Path(path), "float64") for path in snakemake.input.rehearsals]
    records += [(Path(path), "float32") for path in snakemake.input.records]
    for path, tier in records:
        who, run = identity(path, tier), read(path)
        if doubt := doubts(path) if tier == "float64" else "":
            run = Run(np.empty((0, 0)), np.empty(0))
        training = scenarios[who["scenario"]]
        twin = same_training({"scenarios": scenarios}, who["scenario"])
        reference = read_reference(references[twin, who["round"]])
        sizes = Sizes(
            *(training[key] for key in ("batch_size", "hidden_units", "learning_rate")), *images
        )
        limit = limits(gate, who["device"], sizes)
        first = min(first_steps(gate, who["device"], sizes), sure_steps(reference.nearest_zero))
        cause = {"cause": doubt} if doubt else {}
        rows += [who | row | cause for row in judge(run, reference, tier, limit, first, sizes)]
        if who["round"] == 0:
            losses = aligned(run.losses, reference.losses.shape)
            steps = pd.DataFrame({"deviation": distance(losses, reference.losses).ravel()})
            steps = steps.assign(step=steps.index + 1, limit=limit["steps"], **who)
            if tier == "float32":  # where only the first steps have a limit each
                steps["limit"] = np.where(steps["step"] <= first, limit["first_steps"], np.nan)
            deviations.append(steps)

    write_table(pd.DataFrame(rows), snakemake.output.checks)
    columns = ["scenario", "competitor", "round", "tier", "step", "deviation", "limit"]
    write_table(pd.concat(deviations)[columns], snakemake.output.steps)


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    main(snakemake)
