"""The comparison's tables, on made-up runs."""

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison import compare, inference
from support.comparisons import (
    COMPETITORS,
    MXNET,
    THREE,
    TWO,
    compared,
    make_audit,
    make_check,
    make_gate,
    make_runs,
    two_scenarios,
)

pytestmark = pytest.mark.fast

# ---- Ratios and verdicts ---------------------------------------------


def test_every_pair_is_compared_once_with_the_configs_first_as_b():
    table = compared(make_runs(THREE))
    assert table.index.tolist() == [MXNET, ("numpy-cpu", "pytorch-cpu"), ("numpy-cpu", "mxnet-cpu")]
    assert table["verdict"].tolist() == ["slower", "same", "faster"]
    assert table.loc[MXNET, "ratio"] == pytest.approx(2, rel=0.02)


def test_ratio_and_interval_are_those_of_the_rounds():
    runs = make_runs(TWO)
    a, b = (runs.loc[runs["competitor"] == c, compare.SECONDS].to_numpy() for c in MXNET)
    expected = inference.effect(np.log(a / b))
    row = compared(runs).loc[MXNET]
    assert [row["ratio"], row["low"], row["high"], row["p_value"], row["p_same"]] == pytest.approx(
        list(expected)
    )


def test_p_values_are_adjusted_within_a_track_and_scenario_alone():
    three, two = make_runs(THREE), make_runs(TWO, scenario="one-thread")
    table = compared(pd.concat([three, two]))
    baseline = table[table["scenario"] == "baseline"]
    alone = [inference.effect(compare.pair(three, a, b)["d"]) for a, b in baseline.index]
    assert baseline["p_value"].to_numpy() == pytest.approx(
        inference.holm([found.p_different for found in alone])
    )
    assert baseline["p_same"].to_numpy() == pytest.approx(
        inference.holm([found.p_same for found in alone])
    )
    single = inference.effect(compare.pair(two, *MXNET)["d"])
    other = table[table["scenario"] == "one-thread"].loc[MXNET]
    assert other["p_value"] == pytest.approx(single.p_different)


def test_an_undecided_pair_says_how_many_rounds_more():
    row = compared(make_runs({"pytorch-cpu": 0.40, "mxnet-cpu": 0.41}, noise=0.03)).loc[MXNET]
    assert row["verdict"] == "undecided"
    assert row["words"] == f"undecided, about {row['rounds_needed']:.0f} more rounds needed"


def test_a_difference_that_only_the_adjustment_hides_is_remarked():
    # d = 0.07 -+ 0.03, four times: t = 0.07 / 0.01732 = 4.04, p = 0.027, and 3 * 0.027 = 0.082; the
    # other two pairs have -d and -2 d, and so the same p
    runs = make_runs(THREE, rounds=4)
    first = np.array([0.04, 0.10, 0.04, 0.10])
    log_seconds = np.stack([0 * first, first, -first], axis=1)  # pytorch, mxnet, numpy
    runs[compare.SECONDS] = np.exp(log_seconds.ravel())
    row = compared(runs).loc[MXNET]
    assert row["p_value"] == pytest.approx(0.082, abs=5e-4)
    assert row["verdict"] == "undecided"
    assert "the interval excludes 1, but not after adjustment for 3 pairs" in row["notes"]


# ---- What is not ranked ----------------------------------------------


def test_a_competitor_outside_the_gate_is_not_comparable_and_has_no_ratio():
    runs = make_runs(THREE)
    table = compared(runs, gate=make_gate(runs, mxnet="last_batch_update"))
    for name in (MXNET, ("numpy-cpu", "mxnet-cpu")):
        row = table.loc[name]
        assert row["verdict"] == row["words"] == "not comparable"
        assert row[["ratio", "low", "high", "p_value", "p_same"]].isna().all()
        assert "mxnet-cpu failed the gate: averaging of the last batch" in row["notes"]
        assert "(float64, every step’s loss, first at step 470)" in row["notes"]


def test_the_gate_does_not_spoil_the_other_pairs():
    runs = make_runs(THREE)
    row = compared(runs, gate=make_gate(runs, mxnet="order")).loc[("numpy-cpu", "pytorch-cpu")]
    alone = inference.effect(compare.pair(runs, "numpy-cpu", "pytorch-cpu")["d"])
    assert row["verdict"] == "same"
    assert row["p_same"] == pytest.approx(alone.p_same)  # one pair is left: nothing to adjust


def test_the_gate_is_not_asked_about_the_tutorial():
    runs = make_runs(TWO, track="tutorial")
    assert compared(runs, gate=make_gate(runs, mxnet="order")).loc[MXNET, "verdict"] == "slower"


def test_an_inconsistent_tutorial_mean_is_not_comparable_in_that_track_alone():
    runs = pd.concat([make_runs(TWO, track="tutorial"), make_runs(TWO)])
    table = compared(runs, check=make_check(runs, "mxnet")).set_index("track")
    assert table.loc["controlled", "verdict"] == "slower"
    assert table.loc["tutorial", "verdict"] == "not comparable"
    assert (
        "mxnet-cpu failed the tutorial check: average loss of epoch 4, mean of 5 rounds, "
        "is 0.0900, not within 0.0020 of the expected 0.0668"
    ) in table.loc["tutorial", "notes"]


def test_published_values_outside_the_distribution_bar_nobody():
    runs = make_runs(TWO, track="tutorial")
    published = make_check(runs, "mxnet").assign(source="published")
    check = pd.concat([make_check(runs), published])
    assert compared(runs, check=check).loc[MXNET, "verdict"] == "slower"


def test_a_single_run_outside_the_distribution_bars_nobody():
    runs = make_runs(TWO, track="tutorial")
    one = make_check(runs, "mxnet").assign(source="run", runs=1)
    check = pd.concat([make_check(runs), one])
    assert compared(runs, check=check).loc[MXNET, "verdict"] == "slower"


@pytest.mark.parametrize("track", ["tutorial", "controlled"])
def test_no_proof_is_not_comparable(track):
    runs = make_runs(TWO, track=track)
    row = compared(runs, gate=make_gate(runs)[:0], check=make_check(runs)[:0]).loc[MXNET]
    assert row["verdict"] == "not comparable"
    assert "mxnet-cpu has no result of the" in row["notes"]


def test_a_track_is_proved_by_what_its_file_names(tmp_path):
    for track, proof in (("seeded", "distribution"), ("stepwise", "gate")):
        file = tmp_path / f"workflow/trainers/{track}/track.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(f"start: protocol\ndata: memory\nproof: {proof}\n")
    runs = pd.concat([make_runs(TWO, track="seeded"), make_runs(TWO, track="stepwise")])
    gate, check = make_gate(runs, mxnet="order"), make_check(runs, "pytorch")
    reasons = compare.not_comparable(runs, gate, check, tmp_path)
    found = {(track, name): code for (track, _, name), (code, _) in reasons.items()}
    assert found == {
        ("seeded", "pytorch-cpu"): "inconsistent",
        ("stepwise", "mxnet-cpu"): "gate_failed",
    }


def test_a_failure_in_another_track_bars_nobody_here():
    runs = make_runs(TWO)
    elsewhere = make_gate(runs, mxnet="order").assign(track="tuned")
    gate = pd.concat([make_gate(runs), elsewhere], ignore_index=True)
    assert compared(runs, gate=gate).loc[MXNET, "verdict"] == "slower"


def test_a_single_round_is_not_ranked():
    row = compared(make_runs(TWO, rounds=1)).loc[MXNET]
    assert row["verdict"] == "not ranked"
    assert row["rounds"] == 1
    assert row[["ratio", "low", "high"]].isna().all()


def test_a_competitor_alone_makes_an_empty_table():
    assert compared(make_runs({"pytorch-cpu": 0.4})).empty


# ---- Which rounds count ----------------------------------------------


def test_a_round_with_a_missing_member_is_shown_and_not_paired():
    runs = make_runs(THREE)
    runs = runs[~((runs["round"] == 2) & (runs["competitor"] == "mxnet-cpu"))]
    table = compared(runs)
    assert table["rounds"].tolist() == [4, 5, 4]
    assert (
        "rounds not paired, since a run is missing or was rejected: 2" in table.loc[MXNET, "notes"]
    )


@pytest.mark.parametrize(("competitor", "rounds"), [("mxnet-cpu", [4, 5, 4]), (None, [4, 4, 4])])
def test_an_audit_error_rejects_the_run_or_without_a_competitor_the_round(competitor, rounds):
    finding = {"track": "controlled", "scenario": "baseline", "round": 3, "competitor": competitor}
    assert compared(make_runs(THREE), make_audit(finding))["rounds"].tolist() == rounds


def test_an_audit_error_elsewhere_and_a_note_reject_nothing():
    here = {"track": "controlled", "scenario": "baseline", "round": 3, "competitor": "mxnet-cpu"}
    audit = make_audit({**here, "track": "tutorial"}, {**here, "severity": "note"})
    assert compared(make_runs(TWO), audit).loc[MXNET, "rounds"] == 5


def test_rounds_that_were_all_rejected_leave_a_pair_unranked():
    where = {"track": "controlled", "scenario": "baseline", "competitor": None}
    row = compared(make_runs(TWO), make_audit(*[where | {"round": r} for r in range(5)])).loc[MXNET]
    assert (row["verdict"], row["rounds"]) == ("not ranked", 0)
    assert "ONLY 0 PAIRED ROUNDS" in row["notes"]


def test_a_rejected_run_does_not_touch_the_ratio():
    runs, finding = make_runs(TWO), {"round": 3, "competitor": "mxnet-cpu"}
    finding |= {"track": "controlled", "scenario": "baseline"}
    spoiled = runs["round"].eq(3) & runs["competitor"].eq("mxnet-cpu")
    runs.loc[spoiled, compare.SECONDS] = 1e6
    row = compared(runs, make_audit(finding)).loc[MXNET]
    assert row["ratio"] == pytest.approx(2, rel=0.02)
    assert row["spread_a"] < 0.1


def test_a_run_without_a_time_is_not_paired():
    runs = make_runs(TWO)
    runs.loc[0, compare.SECONDS] = np.nan
    assert compared(runs).loc[MXNET, "rounds"] == 4


# ---- From one scenario to another ------------------------------------


def scenario_effect(runs, reasons=None):
    return compare.scenario_effect(runs, reasons or {}, COMPETITORS, 0.95)


def test_what_threads_change_is_the_paired_quotient_of_the_ratios():
    runs = two_scenarios()
    (row,) = scenario_effect(runs).to_dict("records")
    d_x, d_y = (
        compare.pair(runs[runs["scenario"] == s], *MXNET)["d"] for s in ("baseline", "one-thread")
    )
    expected = inference.effect(d_y - d_x)
    assert (row["a"], row["b"], row["rounds"]) == (*MXNET, 5)
    assert (row["scenario_x"], row["scenario_y"]) == ("baseline", "one-thread")
    assert [row["change"], row["low"], row["high"]] == pytest.approx(list(expected[:3]))
    assert row["change"] == pytest.approx(row["ratio_y"] / row["ratio_x"])
    assert row["low"] > 1.6


def test_rounds_are_matched_between_scenarios_on_one_kind_of_machine_alone():
    runs = two_scenarios()
    runs.loc[runs["scenario"].eq("one-thread") & runs["round"].eq(1), "fingerprint"] = "other"
    runs = runs[~(runs["scenario"].eq("baseline") & runs["round"].eq(4))]
    (row,) = scenario_effect(runs).to_dict("records")
    assert row["rounds"] == 3


def test_a_pair_that_is_not_comparable_has_no_scenario_effect():
    reasons = {("tutorial", "one-thread", "mxnet-cpu"): ("no_proof", {})}
    assert scenario_effect(two_scenarios(), reasons).empty


def test_one_scenario_has_no_scenario_effect():
    effects = scenario_effect(make_runs(TWO))
    assert effects.empty
    assert list(effects.columns) == compare.SCENARIO_EFFECT
