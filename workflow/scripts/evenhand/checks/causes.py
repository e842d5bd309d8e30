"""What is probably wrong with a run that leaves the reference, as a code.

The report's text.{language}.yaml has the sentence for each code, under gate.causes. Where the
evidence does not decide, the code says where to look, and its sentence names the candidates.
"""

from typing import NamedTuple

import numpy as np

from evenhand.checks.trained import Reference, Sizes, Trained


class Cause(NamedTuple):
    """A code, and what the sentence for it may add: shapes, or what the audit found."""

    code: str
    detail: str = ""


# What the evidence decides.
REJECTED_BY_AUDIT = "rejected_by_audit"
NOTHING_TO_JUDGE = "nothing_to_judge"
STEPS_LEFT_OUT = "steps_left_out"  # detail: shape of the losses ≠ the reference's
STEP_LEFT_OUT = "step_left_out"
DIVERGED = "diverged"
REFERENCE_COPIED = "reference_copied"
RESTARTED = "restarted"
HALF_PRECISION = "half_precision"
SINGLE_PRECISION = "single_precision"
LOSS_SUMMED = "loss_summed"
LOSS_AFTER_UPDATE = "loss_after_update"
LAST_BATCH_LOSS = "last_batch_loss"
LABELS = "labels"
ONE_BATCH = "one_batch"
ORDER = "order"
WEIGHTS_HANDED_OVER = "weights_handed_over"
EVALUATION = "evaluation"
# Where it leaves several candidates.
FIRST_LOSS = "first_loss"
FIRST_UPDATE = "first_update"
SECOND_UPDATE = "second_update"
LAST_UPDATE_OF_EPOCH = "last_update_of_epoch"
LAST_UPDATE = "last_update"
OTHER_UPDATE = "other_update"
AVERAGES = "averages"


def likely_cause(
    outside: dict[str, int | None],
    run: Trained,
    reference: Reference,
    tier: str,
    sizes: Sizes,
    first: int,
    rounding: float,
) -> Cause:
    """What is probably wrong, from where the run first leaves the reference.

    A step's loss is computed before its update, and from its batch alone: step 1 shows what the
    training starts from, step 2 the first update, step 3 what an optimizer remembers.
    `outside`: for each check that failed, the first step outside. `rounding`: how far rounding to
    float32 puts the losses of the `first` steps off.
    """
    losses, expected = run.losses, reference.losses
    if not losses.size:
        return Cause(NOTHING_TO_JUDGE)
    if losses.shape != expected.shape:
        found, due = (" x ".join(map(str, values.shape)) for values in (losses, expected))
        return Cause(STEPS_LEFT_OUT, f"{found} ≠ {due}")
    if "identical_steps" in outside:
        return Cause(REFERENCE_COPIED)
    # Restarted, no step follows from those before it.
    if tier == "restarted" and np.isfinite(losses).all():
        return Cause(RESTARTED)
    if not outside.keys() - {"test_loss", "test_accuracy"}:
        return Cause(_code_of_test(outside, tier, expected.size))
    return Cause(_code(outside, run, reference, tier, sizes, first, rounding))


def _code_of_test(outside: dict[str, int], tier: str, last_step: int) -> str:
    """What is wrong on the test set alone."""
    if tier != "float64":  # where losses may be off, too, by less than their limits
        return AVERAGES
    if "test_loss" not in outside:
        return EVALUATION
    # Of an earlier epoch's weights the next one's losses show that the training had the right ones.
    return LAST_UPDATE if min(outside.values()) == last_step else WEIGHTS_HANDED_OVER


def _code(
    outside: dict[str, int],
    run: Trained,
    reference: Reference,
    tier: str,
    sizes: Sizes,
    first: int,
    rounding: float,
) -> str:
    """What is wrong with losses of the reference's shape."""
    losses, expected, in_float64 = run.losses, reference.losses, tier == "float64"
    summed = expected[0, 0] * sizes.batch_size
    if sizes.batch_size > 1 and np.isclose(losses[0, 0], summed, rtol=1e-3):
        return LOSS_SUMMED
    if not np.isfinite(losses[:, :-1]).all():
        return DIVERGED
    if not np.isfinite(losses).all():  # shorter epochs are filled up at their end
        return STEP_LEFT_OUT
    if is_made_of(losses, np.float16):
        return HALF_PRECISION
    if in_float64 and is_made_of(losses, np.float32):
        return SINGLE_PRECISION
    after = reference.losses_after_update
    if are_rather(losses.ravel()[: after.size], after, expected.ravel()[: after.size]):
        return LOSS_AFTER_UPDATE
    rest = sizes.train_images % sizes.batch_size
    if are_rather(losses[:, -1], expected[:, -1] * rest / sizes.batch_size, expected[:, -1]):
        return LAST_BATCH_LOSS

    by_step = outside.get("steps", outside.get("first_steps"))
    step = by_step or outside.get("epoch_0", outside.get("later_epochs"))  # the average's first one
    epoch, place = divmod(step - 1, expected.shape[1])
    if step == 1 and learned_other_labels(run, reference):
        return LABELS
    if step == 1 and in_float64 and is_rounding((losses - expected).flat[:first], rounding):
        return SINGLE_PRECISION
    if is_one_step(losses - expected):
        return ONE_BATCH
    if other_images(losses[epoch], expected[epoch]):
        return ORDER
    if not by_step:
        return AVERAGES
    if step == 1:
        return FIRST_LOSS
    if step == 2:
        return FIRST_UPDATE
    if step == 3 and in_float64:  # in float32, it may be the first that shows the first update
        return SECOND_UPDATE
    return LAST_UPDATE_OF_EPOCH if epoch and place == 0 else OTHER_UPDATE


def is_made_of(losses: np.ndarray, dtype: type) -> bool:
    """Whether every loss is a number of this narrower type."""
    with np.errstate(over="ignore"):
        return np.array_equal(losses, losses.astype(dtype))


def are_rather(losses: np.ndarray, these: np.ndarray, those: np.ndarray) -> bool:
    """Whether each loss is by far nearer to these values than to those."""
    return bool((np.abs(losses - these) < np.abs(those - these) / 10).all())


def is_rounding(off: np.ndarray, most: float) -> bool:
    """Whether losses are off as rounding puts them off: by no more than it may, up and down."""
    return bool(off.min() < 0 < off.max() and np.abs(off).max() <= most)


def learned_other_labels(run: Trained, reference: Reference) -> bool:
    """Whether the last epoch's average loss is near the reference's, the accuracy far below."""
    loss, expected = run.losses[-1].mean(), reference.losses[-1].mean()
    return abs(loss / expected - 1) < 0.25 and run.accuracy[-1] < reference.accuracy[-1] / 2


def is_one_step(off: np.ndarray) -> bool:
    """Whether one step's loss is far off, and all others, which its update changes, much less."""
    *others, most = np.sort(np.abs(off), axis=None)
    return most > 4 * max(others, default=most)


def other_images(losses: np.ndarray, expected: np.ndarray) -> bool:
    """Whether an epoch's losses jump from step to step where the reference's do not.

    Equal batches jump together, even from somewhat different weights. On average an epoch goes as
    well in another order, and not with another optimizer, which makes its losses jump, too.
    """
    if len(expected) < 3:
        return False
    off = losses - expected
    jumps = np.diff(off).std() > np.diff(expected).std() / 2
    return bool(jumps and abs(off.mean()) < off.std() / 4)
