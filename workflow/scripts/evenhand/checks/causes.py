"""What is probably wrong with a run that leaves the reference, as a code.

The report's text.{language}.yaml has the sentence for each code, under gate.causes.
"""

from typing import NamedTuple

import numpy as np

from evenhand.checks.trained import Reference, Sizes, Trained


class Cause(NamedTuple):
    """A code, and what the sentence for it may add: shapes, or what the audit found."""

    code: str
    detail: str = ""


REJECTED_BY_AUDIT = "rejected_by_audit"
NOTHING_TO_JUDGE = "nothing_to_judge"
STEPS_LEFT_OUT = "steps_left_out"  # detail: shape of the losses ≠ the reference's
EVALUATION = "evaluation"
LOSS_SUMMED = "loss_summed"
DIVERGED = "diverged"
STEP_LEFT_OUT = "step_left_out"
HALF_PRECISION = "half_precision"
SINGLE_PRECISION = "single_precision"
LABELS = "labels"
INITIALIZATION = "initialization"
LEARNING_RATE_OR_ORDER = "learning_rate_or_order"
MOMENTUM = "momentum"
ORDER = "order"
LAST_BATCH_UPDATE = "last_batch_update"
LAST_BATCH_LOSS = "last_batch_loss"
OPTIMIZER_OR_ORDER = "optimizer_or_order"


def likely_cause(
    outside: dict[str, int], run: Trained, reference: Reference, sizes: Sizes
) -> Cause:
    """What is probably wrong, from where the run first leaves the reference.

    A step's loss is computed before its update, and from its batch alone: step 1 shows what the
    training starts from, step 2 the first update, step 3 what an optimizer remembers.
    `outside`: for each check that failed, the first step outside.
    """
    losses, expected = run.losses, reference.losses
    if not losses.size:
        return Cause(NOTHING_TO_JUDGE)
    if losses.shape != expected.shape:
        found, due = (" x ".join(map(str, values.shape)) for values in (losses, expected))
        return Cause(STEPS_LEFT_OUT, f"{found} ≠ {due}")
    return Cause(_code(outside, run, reference, sizes))


def _code(outside: dict[str, int], run: Trained, reference: Reference, sizes: Sizes) -> str:
    """The same for losses of the reference's shape."""
    losses, expected = run.losses, reference.losses
    if outside.keys() == {"test_accuracy"}:
        return EVALUATION
    if np.isclose(losses[0, 0], expected[0, 0] * sizes.batch_size, rtol=1e-3):
        return LOSS_SUMMED
    if not np.isfinite(losses[:, :-1]).all():
        return DIVERGED
    if not np.isfinite(losses).all():  # shorter epochs are filled up at their end
        return STEP_LEFT_OUT
    if is_made_of(losses, np.float16):
        return HALF_PRECISION
    if "steps" in outside and is_made_of(losses, np.float32):
        return SINGLE_PRECISION

    step = min(step for check, step in outside.items() if check != "test_accuracy")
    steps = expected.shape[1]
    epoch, place = divmod(step - 1, steps)
    if step == 1:
        return LABELS if learned_other_labels(run, reference) else INITIALIZATION
    if step == 2:
        return LEARNING_RATE_OR_ORDER
    if step == 3 and "steps" in outside:
        return MOMENTUM
    if epoch and place == 0:
        return ORDER if other_images(losses[epoch], expected[epoch]) else LAST_BATCH_UPDATE
    if place == steps - 1 and sizes.train_images % sizes.batch_size:
        return LAST_BATCH_LOSS
    return OPTIMIZER_OR_ORDER


def is_made_of(losses: np.ndarray, dtype: type) -> bool:
    """Whether every loss is a number of this narrower type."""
    with np.errstate(over="ignore"):
        return np.array_equal(losses, losses.astype(dtype))


def learned_other_labels(run: Trained, reference: Reference) -> bool:
    """Whether the last epoch's average loss is near the reference's, the accuracy far below."""
    loss, expected = run.losses[-1].mean(), reference.losses[-1].mean()
    return abs(loss / expected - 1) < 0.25 and run.accuracy[-1] < reference.accuracy[-1] / 2


def other_images(losses: np.ndarray, expected: np.ndarray) -> bool:
    """Whether an epoch's losses jump from step to step where the reference's do not.

    Equal batches jump together, even from somewhat different weights.
    """
    return bool(np.diff(losses - expected).std() > np.diff(expected).std() / 2)
