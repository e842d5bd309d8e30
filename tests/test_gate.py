"""The gate's yardstick, its limits, and what it says of runs that cannot be judged as usual."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import gate
import numpy as np
import pandas as pd
import pytest
import reference
import settings
from made_up_results import records

from toolbox.record import sealed

TUTORIAL = gate.Sizes(128, 256, 0.1, train_images=60_000, test_images=10_000)
SMALL = gate.Sizes(4, 3, 0.1, train_images=14, test_images=10)  # 4 steps, the last of 2 images
CONFIG = settings.checked({})["gate"]
LIMITS = gate.limits(CONFIG, "cpu", SMALL)

TRUTH = gate.Reference(
    losses=np.random.default_rng(0).uniform(0.5, 2.5, (3, 4)),
    accuracy=np.array([0.7, 0.4, 0.5]),
    nearest_zero=np.full((3, 4), 1e-4),
)


def judge(losses=TRUTH.losses, accuracy=TRUTH.accuracy, tier="float64") -> dict[str, dict]:
    rows = gate.judge(gate.Run(losses, accuracy), TRUTH, tier, LIMITS, 2, SMALL)
    return {row["check"]: row for row in rows}


# ---- the reference ---------------------------------------------------


def made_up_batch(rng):
    shapes = [(3, 784), (3,), (10, 3), (10,)]
    weights = reference.Weights(*(rng.normal(0, 0.3, shape) for shape in shapes))
    return rng.normal(size=(6, 784)), rng.integers(0, 10, 6), weights


def loss_and_gradient(x, y, weights):
    a, hidden, logits = reference.forward(x, weights)
    loss, dz = reference.cross_entropy(logits, y)
    return loss, reference.backward(x, a, hidden, dz, weights)


def test_the_references_gradient_is_the_slope_of_its_loss():
    rng = np.random.default_rng(0)
    x, y, weights = made_up_batch(rng)
    _, gradient = loss_and_gradient(x, y, weights)
    direction = reference.Weights(*(rng.normal(size=w.shape) for w in weights))

    def loss(distance):
        moved = (w + distance * d for w, d in zip(weights, direction, strict=True))
        return loss_and_gradient(x, y, reference.Weights(*moved))[0]

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    along = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    assert along == pytest.approx(slope, rel=1e-7)


def test_the_references_loss_is_minus_the_logarithm_of_the_right_probability():
    x, y, weights = made_up_batch(np.random.default_rng(1))
    odds = np.exp(np.maximum(x @ weights.w1.T + weights.b1, 0) @ weights.w2.T + weights.b2)
    right = odds[np.arange(6), y] / odds.sum(axis=1)
    assert loss_and_gradient(x, y, weights)[0] == pytest.approx(-np.log(right).mean())


def test_the_last_batch_counts_as_its_own_mean():
    x, y, weights = made_up_batch(np.random.default_rng(2))
    order = np.arange(6)[None].repeat(2, axis=0)  # one batch of 6 an epoch, where 8 would fit
    run = reference.train((x, y), (x, y), weights, order, 8, 0.1)
    _, gradient = loss_and_gradient(x, y, weights)
    after = (w - 0.1 * g for w, g in zip(weights, gradient, strict=True))
    second, _ = loss_and_gradient(x, y, reference.Weights(*after))
    assert run["losses"][1, 0] == pytest.approx(second, rel=1e-12)


def test_the_reference_tells_how_near_a_relu_is_to_flipping():
    x, y, weights = made_up_batch(np.random.default_rng(3))
    a = x @ weights.w1.T + weights.b1
    weights.b1[0] -= a[0, 0] - 1e-9  # now the first image's first ReLU is that near to zero
    run = reference.train((x, y), (x, y), weights, np.arange(6)[None], 6, 0.1)
    rms = np.sqrt(np.mean((x @ weights.w1.T + weights.b1) ** 2))
    assert run["nearest_zero"][0, 0] == pytest.approx(1e-9 / rms, rel=1e-4)


# ---- limits ----------------------------------------------------------


def test_the_tutorials_sizes_have_the_configured_limits():
    assert gate.limits(CONFIG, "cpu", TUTORIAL) == {
        "steps": 1e-12,
        "first_steps": 5e-6,
        "epoch_0": 1e-4,
        "later_epochs": 5e-4,
        "test_accuracy": 20,
    }
    assert gate.first_steps(CONFIG, "cpu", TUTORIAL) == 10


@pytest.mark.parametrize(
    ("change", "check", "limit"),
    [
        ({"batch_size": 32}, "epoch_0", 16e-4),
        ({"learning_rate": 0.2}, "later_epochs", 20e-4),
        ({"learning_rate": 0.2}, "test_accuracy", 40),
        ({"batch_size": 512}, "epoch_0", 1e-4),  # never narrower than configured
        ({"test_images": 2500}, "test_accuracy", 10),
        ({"test_images": 1}, "test_accuracy", 2),
        ({"batch_size": 32, "learning_rate": 0.5}, "steps", 1e-12),  # float64 needs no allowance
    ],
)
def test_limits_follow_the_sizes(change, check, limit):
    assert gate.limits(CONFIG, "cpu", TUTORIAL._replace(**change))[check] == pytest.approx(limit)


@pytest.mark.parametrize(
    ("change", "steps"),
    [({"hidden_units": 512}, 5), ({"batch_size": 8192}, 2), ({"hidden_units": 16}, 10)],
)
def test_fewer_steps_count_as_the_first_where_each_computes_more_relus(change, steps):
    assert gate.first_steps(CONFIG, "cpu", TUTORIAL._replace(**change)) == steps


@pytest.mark.parametrize(("doubtful", "steps"), [(None, 12), (0, 1), (2, 3), (11, 12)])
def test_steps_are_sure_up_to_the_first_whose_update_rounding_may_change(doubtful, steps):
    nearest = np.full(12, 1e-4)
    if doubtful is not None:
        nearest[doubtful:] = 1e-7
    assert gate.sure_steps(nearest.reshape(3, 4)) == steps


def test_a_device_can_have_limits_of_its_own():
    config = CONFIG | {"cuda": {"float32_first": 1e-3}}
    assert gate.limits(config, "cuda", TUTORIAL)["first_steps"] == 1e-3
    assert gate.limits(config, "cpu", TUTORIAL)["first_steps"] == 5e-6


# ---- judgement -------------------------------------------------------


@pytest.mark.parametrize("tier", ["float64", "float32"])
def test_what_equals_the_reference_passes(tier):
    rows = judge(tier=tier).values()
    assert all(row["passed"] and row["step"] is None and row["cause"] == "" for row in rows)
    assert all(row["deviation"] == 0 for row in rows)


def test_the_first_step_outside_is_named():
    losses = TRUTH.losses.copy()
    losses[1, 2:] += 1e-9
    row = judge(losses)["steps"]
    assert not row["passed"]
    assert row["step"] == 7
    assert row["deviation"] == pytest.approx(1e-9)


def test_a_deviation_at_the_limit_passes_in_float32_and_not_in_float64():
    losses = TRUTH.losses + 4e-6
    assert all(row["passed"] for row in judge(losses, tier="float32").values())
    assert not judge(losses)["steps"]["passed"]


def test_accuracy_alone_points_to_evaluation():
    row = judge(accuracy=TRUTH.accuracy - [0, 0, 0.1])["test_accuracy"]
    assert (row["deviation"], row["limit"], row["step"]) == (1, 0, 12)
    assert row["cause"].startswith("evaluation")


@pytest.mark.parametrize(
    ("losses", "cause"),
    [
        (TRUTH.losses[:, :3], "3 x 3 losses instead of 3 x 4"),
        (TRUTH.losses[:2], "2 x 4 losses instead of 3 x 4"),
        (np.hstack([TRUTH.losses, TRUTH.losses]), "3 x 8 losses instead of 3 x 4"),
        (np.where(np.arange(12).reshape(3, 4) < 5, TRUTH.losses, np.nan), "diverged"),
        (np.where(np.arange(12).reshape(3, 4) != 3, TRUTH.losses, np.nan), "left out"),
        (np.empty((0, 0)), "cannot be read"),
    ],
    ids=["steps missing", "epoch missing", "too many", "diverged", "one missing", "nothing"],
)
@pytest.mark.parametrize("tier", ["float64", "float32"])
def test_missing_losses_fail_and_are_called_so(losses, cause, tier):
    failed = [row for row in judge(losses, tier=tier).values() if not row["passed"]]
    assert failed
    assert all(cause in row["cause"] for row in failed)
    assert np.isinf([row["deviation"] for row in failed]).all()


# ---- files -----------------------------------------------------------


@pytest.fixture
def results(tmp_path):
    """A results folder of one competitor that equals the reference, in two rounds."""
    for round in (0, 1):
        path = tmp_path / f"reference/baseline/{round}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            losses=TRUTH.losses,
            test_accuracy=TRUTH.accuracy,
            nearest_zero=TRUTH.nearest_zero,
        )
    opened = {"id": "0" * 32, "track": "controlled", "scenario": "baseline", "round": 0}
    opened |= {"schema": 1, "nodes": "here", "seed": 1, "order": ["numpy-cpu"], "load": [0, 0, 0]}
    opened |= {"opened": "2026-11-23T08:00:00.000+00:00", "machine": records.MACHINE}
    opened |= {"peak": {"threads": 2, "flops": 1e11, "size": 2048}}
    records.write(tmp_path / "rounds/controlled/baseline/0.json", sealed(opened))
    asked = settings.checked({})["scenarios"]["baseline"] | SMALL._asdict() | {"epochs": 3}
    run = tmp_path / "rehearsals/baseline/numpy-cpu", np.random.default_rng(0), opened, asked
    begin = datetime(2026, 11, 23, 9, tzinfo=UTC)
    records.write_run(*run, "numpy-cpu", "float64", TRUTH.losses, begin)
    for folder in ["runs/controlled/baseline/0", "runs/controlled/baseline/1"]:
        record = tmp_path / folder / "numpy-cpu.json"
        record.parent.mkdir(parents=True)
        epochs = [{"test_accuracy": value} for value in TRUTH.accuracy]
        record.write_text(json.dumps({"measured": {"epochs": epochs}}))
        np.save(record.with_suffix(".losses.npy"), TRUTH.losses)
    labels = np.zeros(14, np.uint8), np.zeros(10, np.uint8)
    np.savez(tmp_path / "mnist.npz", train_labels=labels[0], test_labels=labels[1])
    return tmp_path


def run_gate(results) -> tuple[pd.DataFrame, pd.DataFrame]:
    training = {"batch_size": 4, "hidden_units": 3, "learning_rate": 0.1}
    checks, steps = results / "gate.csv", results / "gate_steps.csv"
    files = {
        "rehearsals": sorted(results.glob("rehearsals/*/*.json")),
        "records": sorted(results.glob("runs/*/*/*/*.json")),
        "references": sorted(results.glob("reference/*/*.npz")),
        "data": results / "mnist.npz",
    }
    gate.main(
        SimpleNamespace(
            input=SimpleNamespace(**files),
            output=SimpleNamespace(checks=checks, steps=steps),
            params=SimpleNamespace(gate=CONFIG, scenarios={"baseline": training}),
        )
    )
    return pd.read_csv(checks), pd.read_csv(steps)


def test_every_run_is_judged_in_its_tier(results):
    checks, _ = run_gate(results)
    assert checks["passed"].all()
    count = checks.groupby(["tier", "round"]).size().to_dict()
    assert count == {("float64", 0): 2, ("float32", 0): 4, ("float32", 1): 4}


def test_every_step_of_the_first_round_is_kept_for_the_picture(results):
    _, steps = run_gate(results)
    assert steps.groupby("tier")["step"].agg(list).to_dict() == {
        "float32": list(range(1, 13)),
        "float64": list(range(1, 13)),
    }
    assert set(steps["round"]) == {0}
    # In float64 each step has a limit, in float32 the first ones.
    assert steps.groupby("tier")["limit"].count().to_dict() == {"float32": 10, "float64": 12}


def test_a_flipped_relu_among_the_first_steps_is_no_fault(results):
    path = results / "reference/baseline/0.npz"
    nearest = TRUTH.nearest_zero.copy()
    nearest[0, 1] = 1e-7  # the second step's update may be another one in float32
    np.savez(path, losses=TRUTH.losses, test_accuracy=TRUTH.accuracy, nearest_zero=nearest)
    losses = results / "runs/controlled/baseline/0/numpy-cpu.losses.npy"
    np.save(losses, TRUTH.losses + 5e-5 * (np.arange(12) >= 2).reshape(3, 4))
    assert run_gate(results)[0]["passed"].all()
    np.save(losses, TRUTH.losses + 5e-5 * (np.arange(12) >= 1).reshape(3, 4))
    failed = run_gate(results)[0].query("not passed")
    assert failed[["check", "step"]].values.tolist() == [["first_steps", 2]]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"measured": {"epochs": [{}]}}'])
def test_a_record_that_cannot_be_read_fails_without_stopping_the_others(results, content):
    (results / "runs/controlled/baseline/1/numpy-cpu.json").write_text(content)
    checks, _ = run_gate(results)
    failed = checks[~checks["passed"]]
    assert set(failed["round"]) == {1}
    assert len(failed) == 4
    assert failed["cause"].str.contains("cannot be read").all()


def test_cut_losses_fail_without_stopping_the_others(results):
    losses = results / "rehearsals/baseline/numpy-cpu.losses.npy"
    losses.write_bytes(losses.read_bytes()[:-8])
    checks, _ = run_gate(results)
    assert set(checks.loc[~checks["passed"], "tier"]) == {"float64"}


@pytest.mark.parametrize(("seal", "found"), [(False, "seal"), (True, "trainer")])
def test_a_rehearsal_that_the_audit_rejects_proves_nothing(results, seal, found):
    path = results / "rehearsals/baseline/numpy-cpu.json"
    record = json.loads(path.read_text())
    record["ran"]["trainer_sha256"] = "0" * 64
    records.write(path, sealed(record) if seal else record)
    failed = run_gate(results)[0].query("not passed")
    assert set(failed["tier"]) == {"float64"}
    assert len(failed) == 2
    assert failed["cause"].str.contains(f"{gate.REJECTED}: {found}").all()
