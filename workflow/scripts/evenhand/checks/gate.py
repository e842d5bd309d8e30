"""Hold every run of a gated track against the NumPy float64 reference, step by step.

docs/gate.md says what this proves, where the limits come from, and which faults it catches.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from evenhand.checks.causes import REJECTED_BY_AUDIT, likely_cause
from evenhand.checks.trained import NOTHING, Reference, Sizes, Trained, read, read_reference
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor, Proof, Rehearsal, Restart, Run, proof
from evenhand.model.mlp import relus_per_image
from evenhand.model.reference import FLIPS

# What a run of each kind is held to.
TIERS = {Rehearsal: "float64", Run: "float32", Restart: "restarted"}
# Rounding differs from program to program: of so many steps that show it, or more, no honest run
# has a larger share of losses that equal the reference's to the last bit. Of fewer, it may be all.
ENOUGH_STEPS = {"float64": 100, "float32": 64, "restarted": 64}
IDENTICAL_STEPS = 0.95
IDENTITY = ["track", "scenario", "framework", "device", "competitor", "round", "tier"]
CHECKS = [*IDENTITY, "check", "deviation", "limit", "step", "passed", "cause", "detail"]
STEPS = ["track", "scenario", "competitor", "round", "tier", "step", "deviation", "limit"]

Limits = dict[str, dict[str, float]]  # by tier and check


# ---- limits ----------------------------------------------------------


def limits(gate: dict, device: str, sizes: Sizes) -> Limits:
    """How far each check may be off: losses in nats, test accuracy in images.

    `identical_steps` are a share of the steps that show rounding. `gate` is the config's section,
    whose numbers are for the tutorial's sizes; a device may have a section of its own in `devices`.
    docs/gate.md gives the reasons for what sizes do to float32.
    """
    gate = gate | gate["devices"].get(device, {})
    scatter = max(1, sizes.learning_rate / 0.1 * 128 / sizes.batch_size)
    test_size = (sizes.test_images / 10_000) ** 0.5
    images = max(2, gate["test_images"] * test_size)
    return {
        "float64": {
            "steps": gate["float64_step"],
            "test_loss": gate["float64_step"],
            "test_accuracy": 0,  # equal weights see every image alike
            "identical_steps": IDENTICAL_STEPS,
        },
        "float32": {
            "first_steps": gate["float32_first"],
            "epoch_0": gate["float32_first_epoch"] * scatter**2,
            "later_epochs": gate["float32_later_epochs"] * scatter**2,
            "test_loss": gate["float32_test_loss"] * scatter**2 / min(1, test_size),
            "test_accuracy": images * scatter,
            "identical_steps": IDENTICAL_STEPS,
        },
        "restarted": {
            "steps": gate["float32_restarted"],
            # a ReLU may have flipped in the last update
            "test_loss": gate["float32_first_epoch"] * scatter**2 / min(1, test_size),
            "identical_steps": IDENTICAL_STEPS,
        },
    }


def first_steps(gate: dict, device: str, sizes: Sizes) -> int:
    """How many steps count as the first: the more ReLUs a step computes, the fewer.

    No less than two, since the second is the first that shows an update.
    """
    steps = (gate | gate["devices"].get(device, {}))["float32_first_steps"]
    relus = sizes.batch_size * relus_per_image(sizes.layers)
    return max(2, min(steps, steps * 128 * 256 // relus))


def sure_steps(nearest_zero: np.ndarray) -> int:
    """How many steps pass before rounding in float32 may have changed an update by a flipped ReLU.

    A flip changes the loss of its own step by no more than rounding does, and of all later ones.
    """
    doubtful = nearest_zero.ravel() < FLIPS
    return int(doubtful.argmax()) + 1 if doubtful.any() else doubtful.size


# ---- one run ---------------------------------------------------------


def judge(
    run: Trained, reference: Reference, tier: str, allowed: Limits, first: int, sizes: Sizes
) -> list[dict]:
    """One row for each check of the tier: check, deviation, limit, step, passed, cause, detail.

    `step`, counted from 1 over all epochs, is the first one outside; for an epoch's average the
    first of that epoch (less the `first` steps, which have their own check), for loss and accuracy
    on the test set the last. The share of identical steps has none.
    """
    limit, (epochs, steps) = allowed[tier], reference.losses.shape
    losses = aligned(run.losses, reference.losses.shape)
    test_loss, accuracy = (
        aligned(values[None], (1, epochs))[0] for values in (run.test_loss, run.accuracy)
    )
    by_step = distance(losses, reference.losses).ravel()
    by_epoch = distance(losses.mean(axis=1), reference.losses.mean(axis=1))
    images = np.rint(distance(accuracy, reference.accuracy) * sizes.test_images)

    number = range(1, epochs * steps + 1)
    begins, ends = number[::steps], number[steps - 1 :: steps]
    tests = {
        "test_loss": (distance(test_loss, reference.test_loss), ends),
        "test_accuracy": (images, ends),
    }
    tests = {check: of_test for check, of_test in tests.items() if check in limit}
    # float32 shows at every step
    shown = by_step[reference.shows_rounding.ravel()] if tier == "float64" else by_step
    if shown.size >= ENOUGH_STEPS[tier]:
        tests["identical_steps"] = np.mean(shown == 0, keepdims=True), [None]
    if "steps" in limit:
        checks = {"steps": (by_step, number)} | tests
    else:
        checks = {
            "first_steps": (by_step[:first], number[:first]),
            "epoch_0": (by_epoch[:1], [min(first + 1, steps)]),
            "later_epochs": (by_epoch[1:], begins[1:]),
        } | tests
    rows, outside = [], {}
    for check, (deviation, at) in checks.items():
        if (beyond := deviation > limit[check]).any():
            outside[check] = at[beyond.argmax()]
        rows.append(
            {
                "check": check,
                "deviation": deviation.max(initial=0),
                "limit": limit[check],
                "step": outside.get(check),
                "passed": check not in outside,
                "cause": "",
                "detail": "",
            }
        )
    cause, detail = "", ""
    if outside:
        rounding = allowed["float32"]["first_steps"]
        cause, detail = likely_cause(outside, run, reference, tier, sizes, first, rounding)
    return [row if row["passed"] else row | {"cause": cause, "detail": detail} for row in rows]


def aligned(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The values in the reference's shape: NaN where one is missing, everywhere if too many are."""
    whole = np.full(shape, np.nan)
    if np.less_equal(values.shape, shape).all():
        whole[: values.shape[0], : values.shape[1]] = values
    return whole


def distance(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """|values - truth|, infinite where a value is missing or not finite."""
    return np.where(np.isfinite(values), np.abs(values - truth), np.inf)


def step_rows(
    run: Trained, reference: Reference, tier: str, allowed: Limits, first: int
) -> pd.DataFrame:
    """Every step's deviation, and its limit: in float32 only the `first` have one, or restarted."""
    deviation = distance(aligned(run.losses, reference.losses.shape), reference.losses).ravel()
    step = np.arange(deviation.size) + 1
    if "steps" in allowed[tier]:
        limit_of_step = np.full(step.shape, allowed[tier]["steps"])
    else:
        limit_of_step = np.where(step <= first, allowed[tier]["first_steps"], np.nan)
    return pd.DataFrame({"step": step, "deviation": deviation, "limit": limit_of_step})


# ---- all runs --------------------------------------------------------


def tables(
    experiment: Experiment,
    results: Path,
    records: Iterable[Path],
    proofs: Iterable[Path],
    audit: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What gate.csv and gate_steps.csv hold: each run's checks, every step of rehearsed rounds.

    `records` are those of the timed runs, `proofs` those of rehearsals and restarts, which prove
    nothing where `audit`, the table of its findings, has an error about them.
    """
    gate, rejected = experiment.config["gate"], rejections(audit)
    # The runs of a round come one after another; all references may be a lot.
    reference_in = lru_cache(maxsize=1)(read_reference)
    checks, steps = [], []
    for subject in chain(map(proof, proofs), map(Run.from_path, records)):
        of, (framework, device) = subject.of, Competitor.parse(subject.competitor)
        tier = TIERS[type(subject)]
        values = (of.track, of.scenario, framework, device, subject.competitor, of.number, tier)
        identity = dict(zip(IDENTITY, values, strict=True))
        doubt = rejected.get(subject.path(results)) if isinstance(subject, Proof) else None
        run = NOTHING if doubt else read(subject.path(results))
        training = experiment.same_training(of.scenario)
        reference = reference_in(results / f"reference/{training}/{of.number}.npz")
        sizes = Sizes.of(experiment.training(of.scenario))
        allowed = limits(gate, device, sizes)
        first = min(first_steps(gate, device, sizes), sure_steps(reference.nearest_zero))
        cause = {"cause": REJECTED_BY_AUDIT, "detail": doubt} if doubt else {}
        judged = judge(run, reference, tier, allowed, first, sizes)
        checks += [identity | row | cause for row in judged]
        if of.number == experiment.rehearsed(of.track, of.scenario):
            rows = step_rows(run, reference, tier, allowed, first)
            steps.append(rows.assign(**identity)[STEPS])
    every_step = pd.concat(steps) if steps else pd.DataFrame(columns=STEPS)
    return pd.DataFrame(checks, columns=CHECKS), every_step


def rejections(audit: pd.DataFrame) -> dict[Path, str]:
    """The files that the audit found an error in, and the first one."""
    errors = audit[audit["severity"] == "error"].dropna(subset="file").drop_duplicates("file")
    found = zip(errors["file"], errors["check"], errors["finding"], strict=True)
    return {Path(file): f"{check}, {finding}" for file, check, finding in found}
