"""The gate's limits, and what it says of runs that cannot be judged as usual."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evenhand.checks import audit, gate
from evenhand.checks.trained import Reference, Sizes, Trained
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round, losses_path
from evenhand.core.tables import read_table, write_table
from support import records
from toolbox.record import Record

pytestmark = pytest.mark.fast

SMALL_TRAINING = {
    "batch_size": 4,
    "hidden_layers": [3],
    "epochs": 3,
}  # 4 steps, the last of 2 images
SMALL_DATA = {"train_images": 14, "test_images": 10}
ROUNDS = {"rounds": 2, "seed": 2}  # of which the second is rehearsed
EXPERIMENT = Experiment(
    checked(ROUNDS | {"scenarios": {"baseline": SMALL_TRAINING}, "data": SMALL_DATA})
)
CONFIG = EXPERIMENT.config["gate"]
TUTORIAL = Sizes.of(Experiment(checked({})).training("baseline"))
SMALL = Sizes.of(EXPERIMENT.training("baseline"))
LIMITS = gate.limits(CONFIG, "cpu", SMALL)

TRUTH = Reference(
    losses=np.random.default_rng(0).uniform(0.5, 2.5, (3, 4)),
    test_loss=np.array([0.9, 1.5, 1.2]),
    accuracy=np.array([0.7, 0.4, 0.5]),
    nearest_zero=np.full((3, 4), 1e-4),
    shows_rounding=np.ones((3, 4), dtype=bool),
    losses_after_update=np.full(10, 0.4),
)


def judge(
    losses=TRUTH.losses, test_loss=TRUTH.test_loss, accuracy=TRUTH.accuracy, tier="float64"
) -> dict[str, dict]:
    run = Trained(losses, test_loss, accuracy)
    return {row["check"]: row for row in gate.judge(run, TRUTH, tier, LIMITS, 2, SMALL)}


# ---- limits ----------------------------------------------------------


def test_the_tutorials_sizes_have_the_configured_limits():
    limits = gate.limits(CONFIG, "cpu", TUTORIAL)
    assert limits["float32"] == {
        "first_steps": 5e-6,
        "epoch_0": 1e-4,
        "later_epochs": 5e-4,
        "test_loss": 2e-3,
        "test_accuracy": 20,
        "identical_steps": 0.95,
    }
    exact = {"steps": 1e-12, "test_loss": 1e-12, "test_accuracy": 0, "identical_steps": 0.95}
    assert limits["float64"] == exact
    assert gate.first_steps(CONFIG, "cpu", TUTORIAL) == 10


@pytest.mark.parametrize(
    ("change", "check", "limit"),
    [
        ({"batch_size": 32}, "epoch_0", 16e-4),
        ({"learning_rate": 0.2}, "later_epochs", 20e-4),
        ({"learning_rate": 0.2}, "test_loss", 80e-4),
        ({"learning_rate": 0.2}, "test_accuracy", 40),
        ({"batch_size": 512}, "epoch_0", 1e-4),  # never narrower than configured
        ({"test_images": 2500}, "test_loss", 40e-4),
        ({"test_images": 40_000}, "test_loss", 20e-4),
        ({"test_images": 2500}, "test_accuracy", 10),
        ({"test_images": 1}, "test_accuracy", 2),
    ],
)
def test_limits_follow_the_sizes(change, check, limit):
    limits = gate.limits(CONFIG, "cpu", TUTORIAL._replace(**change))["float32"]
    assert limits[check] == pytest.approx(limit)


def test_float64_needs_no_allowance_for_sizes():
    sizes = TUTORIAL._replace(batch_size=32, learning_rate=0.5, test_images=100)
    usual, other = (gate.limits(CONFIG, "cpu", of)["float64"] for of in (TUTORIAL, sizes))
    assert usual == other


def test_a_restarted_step_stands_alone_and_only_the_test_set_sees_what_sizes_do():
    sizes = TUTORIAL._replace(batch_size=64, test_images=100)
    usual, other = (gate.limits(CONFIG, "cpu", of)["restarted"] for of in (TUTORIAL, sizes))
    assert other["steps"] == usual["steps"] == 5e-6
    assert other["test_loss"] == pytest.approx(usual["test_loss"] * 4 / 0.1)


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({"layers": [784, 512, 10]}, 5),
        ({"layers": [784, 256, 256, 10]}, 5),
        ({"layers": [784, 300, 12, 200, 10]}, 5),
        ({"batch_size": 8192}, 2),
        ({"layers": [784, 16, 10]}, 10),
    ],
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
    config = CONFIG | {"devices": {"cuda": {"float32_first": 1e-3}}}
    assert gate.limits(config, "cuda", TUTORIAL)["float32"]["first_steps"] == 1e-3
    assert gate.limits(config, "cpu", TUTORIAL)["float32"]["first_steps"] == 5e-6


# ---- judgement -------------------------------------------------------


@pytest.mark.parametrize("tier", LIMITS)
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
    assert row["cause"] == "evaluation"


@pytest.mark.parametrize(
    ("epoch", "step", "cause"), [(1, 8, "weights_handed_over"), (2, 12, "last_update")]
)
@pytest.mark.parametrize("tier", LIMITS)
def test_the_loss_on_the_test_set_is_held_against_the_reference(epoch, step, cause, tier):
    """Before the last epoch, the next one's losses show that the training had the right weights."""
    off = 1.01 * LIMITS[tier]["test_loss"]
    rows = judge(test_loss=TRUTH.test_loss + off * (np.arange(3) == epoch), tier=tier)
    failed = {check: row for check, row in rows.items() if not row["passed"]}
    assert failed.keys() == {"test_loss"}
    row = failed["test_loss"]
    causes = {"float64": cause, "float32": "averages", "restarted": "restarted"}
    assert (row["step"], row["cause"]) == (step, causes[tier])
    assert row["deviation"] == pytest.approx(off, rel=1e-3)


# ---- the reference, copied -------------------------------------------


def judged_among_many(losses: np.ndarray, many: Reference, tier="float64") -> dict[str, dict]:
    run = Trained(losses, many.test_loss, many.accuracy)
    return {row["check"]: row for row in gate.judge(run, many, tier, LIMITS, 2, SMALL)}


def many_steps(steps: int, showing: int | None = None) -> Reference:
    """A reference of so many steps, the first of which, by default all, show rounding."""
    losses = np.random.default_rng(0).uniform(0.5, 2.5, (1, steps))
    shows = np.arange(steps)[None] < (steps if showing is None else showing)
    tests = (values[:1] for values in TRUTH[1:3])
    return Reference(losses, *tests, losses, shows, losses[0, :10] / 2)


@pytest.mark.parametrize("tier", LIMITS)
@pytest.mark.parametrize(("equal", "passed"), [(0.94, True), (0.96, False), (1, False)])
def test_losses_that_equal_the_reference_to_the_last_bit_were_copied(equal, passed, tier):
    truth = many_steps(500)
    off = np.arange(500)[None] >= equal * 500
    row = judged_among_many(truth.losses + off * 4e-16, truth, tier)["identical_steps"]
    assert row["passed"] == passed
    assert row["deviation"] == pytest.approx(equal)
    assert (row["cause"], row["step"]) == ("" if passed else "reference_copied", None)


@pytest.mark.parametrize(("tier", "enough"), [("float64", 100), ("float32", 64), ("restarted", 64)])
def test_of_a_few_steps_all_may_equal_the_reference(tier, enough):
    for steps, checked_ in ((enough - 1, False), (enough, True)):
        truth = many_steps(steps)
        assert ("identical_steps" in judged_among_many(truth.losses, truth, tier)) == checked_


def test_where_rounding_hardly_shows_an_honest_run_may_equal_the_reference():
    """In float64: large batches and large losses leave the last bit to rounding in few steps."""
    truth = many_steps(1000, showing=200)
    honest = truth.losses + (np.arange(1000)[None] < 100) * 4e-16
    row = judged_among_many(honest, truth)["identical_steps"]
    assert row["passed"] and row["deviation"] == pytest.approx(0.5)
    row = judged_among_many(truth.losses, truth)["identical_steps"]
    assert not row["passed"] and row["deviation"] == 1
    few = many_steps(1000, showing=99)
    assert "identical_steps" not in judged_among_many(few.losses, few)
    assert not judged_among_many(few.losses, few, "float32")["identical_steps"]["passed"]


@pytest.mark.parametrize(
    ("losses", "cause", "detail"),
    [
        (TRUTH.losses[:, :3], "steps_left_out", "3 x 3 ≠ 3 x 4"),
        (TRUTH.losses[:2], "steps_left_out", "2 x 4 ≠ 3 x 4"),
        (np.hstack([TRUTH.losses, TRUTH.losses]), "steps_left_out", "3 x 8 ≠ 3 x 4"),
        (np.where(np.arange(12).reshape(3, 4) < 5, TRUTH.losses, np.nan), "diverged", ""),
        (np.where(np.arange(12).reshape(3, 4) != 3, TRUTH.losses, np.nan), "step_left_out", ""),
        (np.empty((0, 0)), "nothing_to_judge", ""),
    ],
    ids=["steps missing", "epoch missing", "too many", "diverged", "one missing", "nothing"],
)
@pytest.mark.parametrize("tier", LIMITS)
def test_missing_losses_fail_and_are_called_so(losses, cause, detail, tier):
    failed = [row for row in judge(losses, tier=tier).values() if not row["passed"]]
    assert failed
    assert all((row["cause"], row["detail"]) == (cause, detail) for row in failed)
    assert np.isinf([row["deviation"] for row in failed]).all()


# ---- files -----------------------------------------------------------

RUNS = [Round("controlled", "baseline", number).run("numpy-cpu") for number in (0, 1)]
REHEARSED = EXPERIMENT.rehearsed("controlled", "baseline")
REHEARSAL = RUNS[REHEARSED].of.rehearsal("numpy-cpu")


@pytest.fixture
def results(tmp_path):
    """A results folder of one competitor that equals the reference, in two rounds."""
    rng, training = np.random.default_rng(0), EXPERIMENT.training("baseline")
    for run in RUNS:
        number, opened = run.of.number, records.opened_round(number=run.of.number)
        records.write_reference(tmp_path / f"reference/baseline/{number}.npz", TRUTH.losses)
        records.write(run.of.path(tmp_path), opened)
        write_run(run.path(tmp_path), rng, opened, training, "float32")
        if number == REHEARSED:
            write_run(REHEARSAL.path(tmp_path), rng, opened, training, "float64")
    return tmp_path


def write_run(path: Path, rng, opened: dict, training: dict, dtype: str) -> None:
    run = rng, opened, training, "numpy-cpu", dtype, TRUTH.losses
    records.write_run(path, *run, records.BEGIN)


def run_gate(results, experiment=EXPERIMENT) -> tuple[pd.DataFrame, pd.DataFrame]:
    """gate.csv and gate_steps.csv of what lies in a folder, the audit before them."""
    runs, rounds, rehearsals, restarts = (
        sorted(results.glob(f"{kind}/*/*/{rest}.json"))
        for kind, rest in (
            ("runs", "*/*"),
            ("rounds", "*"),
            ("rehearsals", "*/*"),
            ("restarts", "*/*"),
        )
    )
    proofs = [*rehearsals, *restarts]
    audited = audit.Audit(results)
    audited.everything(runs, rounds, proofs)
    write_table(audited.table(), results / "audit.csv")
    findings = read_table(results / "audit.csv")
    tables = gate.tables(experiment, results, runs, proofs, findings)
    for name, table in zip(("gate", "gate_steps"), tables, strict=True):
        write_table(table, results / f"{name}.csv")
    return read_table(results / "gate.csv"), read_table(results / "gate_steps.csv")


def test_every_run_is_judged_in_its_tier(results):
    checks, _ = run_gate(results)
    assert checks["passed"].all()
    count = checks.groupby(["tier", "round"]).size().to_dict()
    assert count == {("float64", 1): 3, ("float32", 0): 5, ("float32", 1): 5}


def test_every_step_of_the_rehearsed_round_is_kept_for_the_picture(results):
    _, steps = run_gate(results)
    assert steps.groupby("tier")["step"].agg(list).to_dict() == {
        "float32": list(range(1, 13)),
        "float64": list(range(1, 13)),
    }
    assert set(steps["round"]) == {REHEARSED}
    # In float64 each step has a limit, in float32 the first ones.
    assert steps.groupby("tier")["limit"].count().to_dict() == {"float32": 10, "float64": 12}


def test_a_flipped_relu_among_the_first_steps_is_no_fault(results):
    path = results / "reference/baseline/0.npz"
    with np.load(path) as file:
        reference = dict(file)
    reference["nearest_zero"][0, 1] = 1e-7  # the second step's update may be another in float32
    np.savez(path, **reference)
    losses = losses_path(RUNS[0].path(results))
    np.save(losses, TRUTH.losses + 5e-5 * (np.arange(12) >= 2).reshape(3, 4))
    assert run_gate(results)[0]["passed"].all()
    np.save(losses, TRUTH.losses + 5e-5 * (np.arange(12) >= 1).reshape(3, 4))
    failed = run_gate(results)[0].query("not passed")
    assert failed[["check", "step"]].values.tolist() == [["first_steps", 2]]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"measured": {"epochs": [{}]}}'])
def test_a_record_that_cannot_be_read_fails_without_stopping_the_others(results, content):
    RUNS[1].path(results).write_text(content)
    checks, _ = run_gate(results)
    failed = checks[~checks["passed"]]
    assert set(failed["round"]) == {1}
    assert set(failed["check"]) == LIMITS["float32"].keys() - {"identical_steps"}
    assert set(failed["cause"]) == {"nothing_to_judge"}


def test_cut_losses_fail_without_stopping_the_others(results):
    losses = losses_path(REHEARSAL.path(results))
    losses.write_bytes(losses.read_bytes()[:-8])
    checks, _ = run_gate(results)
    assert set(checks.loc[~checks["passed"], "tier"]) == {"float64"}


@pytest.mark.parametrize(("seal", "found"), [(False, "seal"), (True, "trainer")])
def test_a_rehearsal_that_the_audit_rejects_proves_nothing(results, seal, found):
    path = REHEARSAL.path(results)
    record = Record.read(path)
    other = dataclasses.replace(record.environment, trainer_sha256="0" * 64)
    other = dataclasses.replace(record, environment=other).to_dict()
    records.write(path, other if seal else other | {"seal": record.to_dict()["seal"]})
    failed = run_gate(results)[0].query("not passed")
    assert set(failed["tier"]) == {"float64"}
    assert set(failed["check"]) == {"steps", "test_loss", "test_accuracy"}
    assert set(failed["cause"]) == {"rejected_by_audit"}
    assert failed["detail"].str.startswith(f"{found}, ").all()


def test_the_gate_believes_the_table_of_the_audit(results):
    """It audits nothing itself: a note is no doubt, and other files' errors are not either."""
    runs, rehearsals = [run.path(results) for run in RUNS], [REHEARSAL.path(results)]
    row = {"check": "seal", "finding": "changed", "file": str(rehearsals[0])}
    rows = [row | {"severity": "note"}, row | {"severity": "error", "file": str(runs[0])}]
    assert gate.tables(EXPERIMENT, results, runs, rehearsals, pd.DataFrame(rows))[0]["passed"].all()
    rows.append(row | {"severity": "error"})
    checks, _ = gate.tables(EXPERIMENT, results, runs, rehearsals, pd.DataFrame(rows))
    failed = checks[~checks["passed"]]
    assert failed[["tier", "cause", "detail"]].drop_duplicates().values.tolist() == [
        ["float64", "rejected_by_audit", "seal, changed"]
    ]


def test_runs_of_several_gated_tracks_are_told_apart(results):
    for kind in ("runs", "rehearsals", "rounds"):
        (results / kind / "tuned").symlink_to(results / kind / "controlled")
    losses = losses_path(RUNS[REHEARSED].path(results))
    np.save(losses, TRUTH.losses + 1)
    (results / "runs/tuned").unlink()
    path = Round("tuned", "baseline", REHEARSED).run("numpy-cpu").path(results)
    write_run(
        path,
        np.random.default_rng(1),
        records.opened_round(number=REHEARSED),
        EXPERIMENT.training("baseline"),
        "float32",
    )
    checks, steps = run_gate(results)
    timed = checks[(checks["tier"] == "float32") & (checks["round"] == REHEARSED)]
    assert timed.groupby("track")["passed"].all().to_dict() == {"controlled": False, "tuned": True}
    assert steps.groupby(["track", "tier"])["step"].count().to_dict() == {
        (track, tier): 12 for track in ("controlled", "tuned") for tier in ("float32", "float64")
    }


def test_scenarios_with_the_same_training_share_a_reference(results):
    scenarios = {"baseline": SMALL_TRAINING, "one-thread": SMALL_TRAINING | {"threads": 1}}
    experiment = Experiment(checked(ROUNDS | {"scenarios": scenarios, "data": SMALL_DATA}))
    run = Round("controlled", "one-thread", 1).run("numpy-cpu")
    opened = records.opened_round(scenario="one-thread", number=1)
    write_run(
        run.path(results),
        np.random.default_rng(1),
        opened,
        experiment.training("one-thread"),
        "float32",
    )
    checks, _ = run_gate(results, experiment)
    assert checks.groupby("scenario")["passed"].all().to_dict() == {
        "baseline": True,
        "one-thread": True,
    }


def test_without_a_gated_track_the_tables_are_empty_and_have_their_columns(tmp_path):
    checks, steps = run_gate(tmp_path)
    assert checks.empty
    assert list(checks) == [
        *("track", "scenario", "framework", "device", "competitor", "round", "tier"),
        *("check", "deviation", "limit", "step", "passed", "cause", "detail"),
    ]
    assert steps.empty
    columns = ["track", "scenario", "competitor", "round", "tier", "step", "deviation", "limit"]
    assert list(steps) == columns


# ---- Restarts --------------------------------------------------------


@pytest.fixture
def with_twin(results, monkeypatch):
    """The same, of a competitor whose trainer declares a float64 twin: what restarts it."""
    monkeypatch.setattr(axes, "has_twin", lambda *of: True)
    of, training = RUNS[REHEARSED].of, EXPERIMENT.training("baseline")
    opened = records.opened_round(number=of.number)
    path = of.restart("numpy-cpu").path(results)

    def write(losses):
        run = np.random.default_rng(1), opened, training, "numpy-cpu", "float32", losses
        records.write_run(path, *run, records.BEGIN)
        return results

    return write


def test_every_restarted_step_is_held_to_one_limit(with_twin):
    checks, steps = run_gate(with_twin(TRUTH.losses + 4e-6))
    assert checks["passed"].all()
    restarted = checks[checks["tier"] == "restarted"].set_index("check")
    assert set(restarted.index) == {"steps", "test_loss"}
    assert restarted.loc["steps", ["deviation", "limit"]].tolist() == pytest.approx([4e-6, 5e-6])
    assert steps[steps["tier"] == "restarted"]["limit"].count() == TRUTH.losses.size


def test_a_restarted_step_that_is_off_is_named(with_twin):
    off = 6e-6 * (np.arange(12) == 7).reshape(3, 4)
    failed = run_gate(with_twin(TRUTH.losses + off))[0].query("not passed")
    found = failed[["tier", "check", "step", "cause"]].values.tolist()
    assert found == [["restarted", "steps", 8, "restarted"]]


def test_a_restart_that_the_audit_rejects_proves_nothing(with_twin):
    results = with_twin(TRUTH.losses)
    path = RUNS[REHEARSED].of.restart("numpy-cpu").path(results)
    path.write_text(path.read_text().replace('"seed": ', '"seed": 1'))
    failed = run_gate(results)[0].query("not passed")
    assert set(failed["tier"]) == {"restarted"} and set(failed["cause"]) == {"rejected_by_audit"}
