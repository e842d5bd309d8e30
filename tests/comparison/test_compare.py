"""The comparison's tables, on made-up runs."""

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison import compare, inference
from support.comparisons import (
    COMPETITORS,
    MXNET,
    SETTINGS,
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


def tables(runs, reasons=None):
    """The comparison and the changes, all runs admitted."""
    return compare.compare(runs, runs, reasons or {}, COMPETITORS, [], SETTINGS)[:2]


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


def test_p_values_are_adjusted_over_the_whole_page():
    three, two = make_runs(THREE), make_runs(TWO, scenario="one-thread", noise=0.02)
    table, changes = tables(pd.concat([three, two]))
    pairs = [compare.pair(three, *names)["d"] for names in zip(table["a"], table["b"], strict=True)]
    pairs[-1] = compare.pair(two, *MXNET)["d"]
    alone = inference.effect([*pairs, pairs[-1] - pairs[0]])
    assert [*table["p_value"], *changes["p_value"]] == pytest.approx(
        inference.holm(alone.p_different)
    )
    # sameness is another kind of error, and nothing is said of changes that are none
    assert table["p_same"].to_numpy() == pytest.approx(inference.holm(alone.p_same[:4]))


def test_the_rounds_needed_are_planned_for_all_tests_of_the_page():
    close = {"pytorch-cpu": 0.40, "mxnet-cpu": 0.41}
    alone, _ = tables(make_runs(close, noise=0.03))
    wide, _ = tables(
        pd.concat(make_runs(close, noise=0.03, scenario=str(number)) for number in range(4))
    )
    assert wide.loc[0, "rounds_needed"] > alone.loc[0, "rounds_needed"]
    d = compare.pair(make_runs(close, noise=0.03), *MXNET)["d"]
    # four pairs, and three changes from the first scenario; these are all the same in every round,
    # which is a test as any other
    assert wide.loc[0, "rounds_needed"] == inference.rounds_needed(d, tests=7)


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
    assert "excludes 1, but not after adjustment for the 3 tests of this page" in row["notes"]


# ---- What is not ranked ----------------------------------------------


def test_a_competitor_outside_the_gate_is_not_comparable_and_has_no_ratio():
    runs = make_runs(THREE)
    table = compared(runs, gate=make_gate(runs, mxnet="last_batch_loss"))
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
        "not paired, since a run is missing or was rejected: round 2" in table.loc[MXNET, "notes"]
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


@pytest.mark.parametrize(
    ("of_mxnet", "expected"), [("quiet", "quiet"), ("quiet and a GPU", "quiet and a GPU / quiet")]
)
def test_the_kind_of_machine_is_that_of_both_members(of_mxnet, expected):
    """Only who uses a GPU has it in its fingerprint."""
    runs = make_runs(THREE)
    runs.loc[runs["competitor"] == "mxnet-cpu", "fingerprint"] = of_mxnet
    assert set(compare.pair(runs, *MXNET)["fingerprint"]) == {expected}
    assert set(compare.pair(runs, "numpy-cpu", "pytorch-cpu")["fingerprint"]) == {"quiet"}


# ---- From one scenario to another ------------------------------------


def changed(runs, reasons=None):
    return tables(runs, reasons)[1]


def test_what_threads_change_is_the_paired_quotient_of_the_ratios():
    runs = two_scenarios()
    (row,) = changed(runs).to_dict("records")
    d_x, d_y = (
        compare.pair(runs[runs["scenario"] == s], *MXNET)["d"] for s in ("baseline", "one-thread")
    )
    expected = inference.effect(d_y - d_x)
    assert (row["a"], row["b"], row["rounds"]) == (*MXNET, 5)
    assert (row["scenario_x"], row["scenario_y"]) == ("baseline", "one-thread")
    assert [row["change"], row["low"], row["high"]] == pytest.approx(list(expected[:3]))
    assert row["change"] == pytest.approx(row["ratio_y"] / row["ratio_x"])
    assert row["low"] > 1.6
    assert row["verdict"] == "rises"


def test_a_change_is_claimed_only_if_the_page_allows_it():
    # d_y - d_x = 0.07 -+ 0.03, four times: p = 0.027, as above; d_x and d_y are -+half of it, and
    # so have the same p
    runs = two_scenarios(rounds=4)
    half = np.array([0.04, 0.10, 0.04, 0.10]) / 2
    log_seconds = [np.stack([0 * half, d], axis=1) for d in (-half, half)]  # pytorch, mxnet
    runs[compare.SECONDS] = np.exp(np.concatenate(log_seconds).ravel())
    (row,) = changed(runs).to_dict("records")
    assert row["low"] > 1
    assert row["p_value"] == pytest.approx(3 * 0.0273, abs=5e-4)
    assert row["verdict"] == "undecided"


def test_rounds_are_matched_between_scenarios_on_one_kind_of_machine_alone():
    runs = two_scenarios()
    runs.loc[runs["scenario"].eq("one-thread") & runs["round"].eq(1), "fingerprint"] = "other"
    runs = runs[~(runs["scenario"].eq("baseline") & runs["round"].eq(4))]
    (row,) = changed(runs).to_dict("records")
    assert row["rounds"] == 3


def test_a_pair_that_is_not_comparable_has_no_scenario_effect():
    reasons = {("tutorial", "one-thread", "mxnet-cpu"): ("no_proof", {})}
    assert changed(two_scenarios(), reasons).empty


def test_a_change_over_a_single_round_is_not_tested_and_counts_for_nothing():
    runs = two_scenarios()
    runs = runs[runs["scenario"].eq("baseline") | runs["round"].eq(0)]
    table, changes = tables(runs)
    assert changes["verdict"].tolist() == ["not tested"]
    assert changes[["low", "high", "p_value"]].isna().all(axis=None)
    alone = inference.effect(compare.pair(runs[runs["scenario"] == "baseline"], *MXNET)["d"])
    assert table.loc[0, "p_value"] == pytest.approx(alone.p_different)  # the only test


def test_one_scenario_has_no_scenario_effect():
    changes = changed(make_runs(TWO))
    assert changes.empty
    assert list(changes.columns) == compare.CHANGES


# ---- What a track brings over the one that it improves ---------------

IMPROVEMENTS = [("tuned", "controlled", "baseline")]
PYTORCH = {"pytorch-cpu": 0.4}


def in_two_tracks(seconds=0.1, cost=2.0, rounds=5, epochs=5):
    """PyTorch in two tracks: in the second an epoch takes `seconds`, the process `cost` more."""
    two = [make_runs(PYTORCH, rounds), make_runs({"pytorch-cpu": seconds}, rounds, "tuned")]
    for runs, once in zip(two, (3.0, 3.0 + cost), strict=True):
        noise = 0.01 * np.arange(rounds)
        runs["own_process_seconds"] = once + noise + epochs * runs[compare.SECONDS]
        runs["epochs"] = epochs
    return pd.concat(two, ignore_index=True).infer_objects()


def gained(runs, reasons=None, sound=None, first=None):
    """The gains, all runs admitted unless `sound` has those that are."""
    sound = runs if sound is None else sound
    given = runs, sound, reasons or {}, COMPETITORS, IMPROVEMENTS, SETTINGS, first
    return compare.compare(*given)[2]


def test_a_gain_is_the_paired_ratio_of_a_competitor_with_itself():
    (row,) = gained(in_two_tracks()).to_dict("records")
    assert (row["track"], row["improves"], row["competitor"]) == (
        "tuned",
        "controlled",
        "pytorch-cpu",
    )
    assert row["low"] < row["ratio"] < row["high"] and row["ratio"] == pytest.approx(0.25)
    assert (row["rounds"], row["verdict"]) == (5, "faster")


def test_it_pays_when_what_it_costs_more_once_has_come_in():
    (row,) = gained(in_two_tracks(seconds=0.2, cost=2.0)).to_dict("records")
    assert row["cost_seconds"] == pytest.approx(2.0)
    assert row["saving_seconds"] == pytest.approx(0.2, rel=0.1)
    assert row["break_even"] == pytest.approx(row["cost_seconds"] / row["saving_seconds"])
    assert row["break_even_low"] < row["break_even"] < row["break_even_high"]


def test_what_is_slower_never_pays():
    (row,) = gained(in_two_tracks(seconds=0.6)).to_dict("records")
    assert row["verdict"] == "slower" and np.isinf(row["break_even"])


def test_gains_are_tests_of_the_page():
    runs = pd.concat([in_two_tracks(), make_runs({"mxnet-cpu": 0.8})], ignore_index=True)
    pairs, changes, gains = compare.compare(runs, runs, {}, COMPETITORS, IMPROVEMENTS, SETTINGS)
    assert compare.tests_of_differences(pairs, changes, gains) == 2
    assert compare.tests_of_differences(pairs, changes) == 1
    d = compare.pair(runs[runs["track"] == "controlled"], *MXNET)["d"]
    alone = [inference.effect(d).p_different, gained(in_two_tracks())["p_value"].iloc[0]]
    adjusted = inference.holm(alone)
    assert [pairs["p_value"].iloc[0], gains["p_value"].iloc[0]] == pytest.approx(adjusted)
    assert adjusted.max() > max(alone) or adjusted.min() > min(alone)


def test_a_gain_without_proof_in_one_of_the_tracks_is_not_told():
    for track in ("tuned", "controlled"):
        (row,) = gained(
            in_two_tracks(), {(track, "baseline", "pytorch-cpu"): ("no_proof", {})}
        ).to_dict("records")
        assert row["verdict"] == "not comparable" and row["rounds"] == 0
        assert np.isnan([row["ratio"], row["cost_seconds"], row["break_even"]]).all()


def test_rounds_of_two_tracks_are_paired_where_both_have_a_run_on_one_machine():
    runs = in_two_tracks()
    of_tuned = runs["track"].eq("tuned")
    runs.loc[of_tuned & runs["round"].eq(1), "fingerprint"] = "other"
    (row,) = gained(runs, sound=runs[~(of_tuned & runs["round"].eq(3))]).to_dict("records")
    assert row["rounds"] == 3


def test_who_ran_in_one_of_the_tracks_alone_has_no_gain():
    assert gained(make_runs(TWO)).empty
    assert list(gained(make_runs(TWO)).columns) == compare.GAINS


# ---- Where the first rounds fix how many there are -------------------


def test_the_first_rounds_that_a_pair_has_tell_its_spread():
    runs = make_runs(TWO, rounds=9)
    lost = runs["round"].eq(1) & runs["competitor"].eq("mxnet-cpu")
    table, _, _ = compare.compare(runs, runs[~lost], {}, COMPETITORS, [], SETTINGS, first=4)
    d = compare.pair(runs[~lost], *MXNET)["d"]
    assert d.index.tolist() == [0, 2, 3, 4, 5, 6, 7, 8]
    expected = inference.effect(d, first=3)
    columns = ["ratio", "low", "high", "p_value", "p_same"]
    assert table.loc[0, columns].tolist() == pytest.approx(list(expected))


def test_a_pair_with_a_single_first_round_is_not_ranked():
    runs = make_runs(TWO, rounds=9)
    sound = runs[~(runs["round"].isin([1, 2]) & runs["competitor"].eq("mxnet-cpu"))]
    table, _, _ = compare.compare(runs, sound, {}, COMPETITORS, [], SETTINGS, first=3)
    assert table.loc[0, "verdict"] == "not ranked" and table.loc[0, "rounds"] == 7


def test_a_change_rests_on_the_rounds_that_both_scenarios_have_and_on_the_first_ones_spread():
    runs = two_scenarios(rounds=9)
    runs = runs[runs["scenario"].eq("baseline") | runs["round"].lt(6)]
    _, changes, _ = compare.compare(runs, runs, {}, COMPETITORS, [], SETTINGS, first=4)
    d_x, d_y = (
        compare.pair(runs[runs["scenario"] == s], *MXNET)["d"] for s in ("baseline", "one-thread")
    )
    expected = inference.effect((d_y - d_x).dropna(), first=4)
    assert changes.loc[0, "rounds"] == 6
    assert changes.loc[0, ["change", "low", "high"]].tolist() == pytest.approx(list(expected[:3]))


def test_a_gain_and_when_it_pays_rest_on_the_first_rounds_spread():
    runs = in_two_tracks()
    scatter = np.random.default_rng(3).lognormal(0, 0.01, len(runs))
    runs[compare.SECONDS] *= scatter
    (all_tell,), (three,) = (gained(runs, first=first).to_dict("records") for first in (None, 3))
    here, there = (
        runs.loc[runs["track"] == track, compare.SECONDS] for track in ("tuned", "controlled")
    )
    d = inference.log_ratios(here, there)
    assert three["high"] == pytest.approx(inference.effect(d, first=3).high)
    for name in ("ratio", "break_even"):
        assert three[name] == pytest.approx(all_tell[name])
    assert three["break_even_low"] != pytest.approx(all_tell["break_even_low"])


def test_what_an_undecided_pair_needs_is_planned_with_the_first_rounds_spread():
    runs = make_runs({"pytorch-cpu": 0.40, "mxnet-cpu": 0.41}, rounds=6, noise=0.05)
    table, _, _ = compare.compare(runs, runs, {}, COMPETITORS, [], SETTINGS, first=3)
    assert table.loc[0, "verdict"] == "undecided"
    d = compare.pair(runs, *MXNET)["d"]
    assert table.loc[0, "rounds_needed"] == inference.rounds_needed(d, first=3)
