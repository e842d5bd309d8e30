"""The comparison's tables and words, on made-up runs."""

import re
from itertools import product
from pathlib import Path

import compare
import inference
import numpy as np
import pandas as pd
import pytest

TEMPLATE = Path(__file__).parents[1] / "workflow" / "report" / "comparison.md.j2"
COMPETITORS = ["pytorch-cpu", "mxnet-cpu", "numpy-cpu"]
SETTINGS = {"margin": 0.03, "confidence": 0.95, "spread_limit": 0.1, "warmup_epochs": 1}
AUDIT = [*compare.RUN, "severity", "check", "finding", "file"]
PUBLISHED = {
    "pytorch-cpu": {"seconds": [3.71, 4.05, 4.07, 3.70, 3.63]},
    "mxnet-cpu": {"seconds": [1.59, 1.49, 1.46, 1.48, 1.75]},
}


def make_runs(seconds, rounds=5, track="controlled", scenario="baseline", noise=0.01):
    """Runs of competitors with these seconds an epoch, under a drift that each round shares."""
    rng = np.random.default_rng(5)
    drift = 0.02 * np.arange(rounds)
    return pd.DataFrame(
        {
            "track": track,
            "scenario": scenario,
            "round": number,
            "competitor": competitor,
            "fingerprint": "quiet",
            compare.SECONDS: seconds[competitor] * np.exp(drift[number] + rng.normal(0, noise)),
        }
        for number, competitor in product(range(rounds), seconds)
    )


def make_gate(runs, **failed):
    """A gate that all pass, but those named (framework=cause)."""
    gate = runs[["scenario", "competitor"]].drop_duplicates()
    causes = gate["competitor"].map({f"{name}-cpu": cause for name, cause in failed.items()})
    return gate.assign(
        tier="float64", check="steps", step=causes.map({c: 470.0 for c in failed.values()})
    ).assign(passed=causes.isna(), cause=causes)


def make_check(runs, *inconsistent):
    """A check of the tutorial that all pass, but those named."""
    rows = runs[["scenario", "competitor"]].drop_duplicates().assign(source="rounds", epoch=4)
    rows[["framework", "device"]] = rows.pop("competitor").str.split("-", expand=True).to_numpy()
    rows = rows.assign(quantity="average_loss", runs=5, value=0.09, mean=0.0668, margin=0.002)
    failed = rows["framework"].isin(inconsistent)
    return rows.assign(verdict=np.where(failed, "inconsistent", "consistent"))


def make_audit(*findings):
    return pd.DataFrame([{"severity": "error", **finding} for finding in findings], columns=AUDIT)


def compared(runs, audit=None, gate=None, check=None, settings=SETTINGS):
    """The table, by pair within its track and scenario."""
    gate = make_gate(runs) if gate is None else gate
    check = make_check(runs) if check is None else check
    sound = compare.admit(runs, make_audit() if audit is None else audit)
    reasons = compare.not_comparable(runs, gate, check)
    table = compare.compare(runs, sound, reasons, COMPETITORS, settings)
    assert list(table.columns) == compare.COMPARISON
    return table.set_index(["a", "b"])


THREE = {"pytorch-cpu": 0.4, "mxnet-cpu": 0.8, "numpy-cpu": 0.4}
TWO = {"pytorch-cpu": 0.4, "mxnet-cpu": 0.8}
MXNET = ("mxnet-cpu", "pytorch-cpu")


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


def test_what_holm_takes_back_is_said():
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
    table = compared(runs, gate=make_gate(runs, mxnet="averaging of the last batch"))
    for name in (MXNET, ("numpy-cpu", "mxnet-cpu")):
        row = table.loc[name]
        assert row["verdict"] == row["words"] == "not comparable"
        assert row[["ratio", "low", "high", "p_value", "p_same"]].isna().all()
        assert "mxnet-cpu failed the gate: averaging of the last batch" in row["notes"]
        assert "(float64, steps, first at step 470)" in row["notes"]


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
        "mxnet-cpu failed the tutorial check: average_loss of epoch 4, mean of 5 rounds, "
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
    gate = pd.DataFrame(columns=compare.GATE)
    check = pd.DataFrame(columns=compare.TUTORIAL_CHECK)
    row = compared(make_runs(TWO, track=track), gate=gate, check=check).loc[MXNET]
    assert row["verdict"] == "not comparable"
    assert "mxnet-cpu has no result of the" in row["notes"]


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
    assert "rounds not paired, a run being missing or rejected: 2" in table.loc[MXNET, "notes"]


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


# ---- Notes -----------------------------------------------------------


def test_fewer_than_five_rounds_are_said_loudly():
    assert "ONLY 4 PAIRED ROUNDS" in compared(make_runs(TWO, rounds=4)).loc[MXNET, "notes"]
    assert "ONLY" not in compared(make_runs(TWO, rounds=5)).loc[MXNET, "notes"]


def test_several_kinds_of_machine_are_named():
    runs = make_runs(TWO, rounds=6)
    runs.loc[runs["round"] >= 4, "fingerprint"] = "other"
    notes = compared(runs).loc[MXNET, "notes"]
    assert "2 kinds of machine" in notes
    assert "quiet (rounds 0, 1, 2, 3), other (rounds 4, 5)" in notes


def test_a_faster_machine_is_not_taken_for_spread():
    runs = make_runs(TWO, rounds=6)
    elsewhere = runs["round"] >= 3
    runs.loc[elsewhere, "fingerprint"] = "twice as fast"
    runs.loc[elsewhere, compare.SECONDS] /= 2
    row = compared(runs).loc[MXNET]
    assert row[["spread_a", "spread_b"]].max() < 0.1
    assert row["ratio"] == pytest.approx(2, rel=0.02)


def test_a_restless_competitor_is_named():
    runs = make_runs(TWO, rounds=6)
    restless = runs["competitor"] == "mxnet-cpu"
    runs.loc[restless, compare.SECONDS] *= np.tile([1.0, 1.5], 3)
    notes = compared(runs).loc[MXNET, "notes"]
    assert re.search(r"mxnet-cpu varies by 2\d % between rounds \(limit 10 %\)", notes)
    assert "pytorch-cpu varies" not in notes


def test_an_outlier_is_flagged_and_kept():
    runs = make_runs(TWO, rounds=8)
    runs.loc[runs["round"].eq(6) & runs["competitor"].eq("mxnet-cpu"), compare.SECONDS] *= 1.5
    row = compared(runs).loc[MXNET]
    assert row["outliers"] == "6"
    assert row["rounds"] == 8
    assert row["ratio"] == pytest.approx(2 * 1.5 ** (1 / 8), rel=0.02)


# ---- From one scenario to another ------------------------------------


def thread_effect(runs, reasons=None):
    return compare.thread_effect(runs, reasons or {}, COMPETITORS, 0.95)


def two_scenarios(rounds=5):
    many = make_runs({"pytorch-cpu": 5.2, "mxnet-cpu": 3.1}, rounds, "tutorial")
    one = make_runs({"pytorch-cpu": 3.0, "mxnet-cpu": 3.1}, rounds, "tutorial", "one-thread", 0.02)
    return pd.concat([many, one], ignore_index=True)


def test_what_threads_change_is_the_paired_quotient_of_the_ratios():
    runs = two_scenarios()
    (row,) = thread_effect(runs).to_dict("records")
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
    (row,) = thread_effect(runs).to_dict("records")
    assert row["rounds"] == 3


def test_a_pair_that_is_not_comparable_has_no_thread_effect():
    reasons = {("tutorial", "one-thread", "mxnet-cpu"): "failed"}
    assert thread_effect(two_scenarios(), reasons).empty


def test_one_scenario_has_no_thread_effect():
    effects = thread_effect(make_runs(TWO))
    assert effects.empty
    assert list(effects.columns) == compare.THREAD_EFFECT


# ---- Markdown --------------------------------------------------------


def test_the_published_ratio_follows_the_rule_of_our_own():
    # medians of epochs 1 to 4: (1.48 + 1.49) / 2 = 1.485 and (3.70 + 4.05) / 2 = 3.875
    found = compare.published_ratio(PUBLISHED, *MXNET, warmup_epochs=1)
    assert found == pytest.approx(1.485 / 3.875)


def test_what_was_not_published_has_no_published_ratio():
    assert np.isnan(compare.published_ratio(PUBLISHED, "numpy-cpu", "pytorch-cpu", 1))
    assert np.isnan(compare.published_ratio(PUBLISHED, *MXNET, warmup_epochs=5))


def test_the_markdown_says_what_the_table_says():
    runs = pd.concat([two_scenarios(), make_runs(THREE)], ignore_index=True)
    reasons = {("controlled", "baseline", "numpy-cpu"): "numpy-cpu failed the gate: order"}
    table = compare.compare(runs, runs, reasons, COMPETITORS, SETTINGS)
    text = compare.markdown(
        table,
        thread_effect(runs, reasons),
        runs,
        {"baseline": PUBLISHED},
        SETTINGS,
        TEMPLATE.read_text(),
    )
    for row in table.to_dict("records"):
        a, b = row["a"], row["b"]
        section = text.split(f"### {row['track']}, {row['scenario']}\n")[1]
        line = next(line for line in section.splitlines() if line.startswith(f"| {a} / {b} |"))
        assert f" | {row['words']} |" in line
        assert (f" | {row['ratio']:.3f} |" in line) is (row["words"] != "not comparable")
    assert text.count("| 0.383 |") == 1  # the published ratio, in the tutorial's baseline alone
    assert "\n- numpy-cpu / pytorch-cpu: numpy-cpu failed the gate: order" in text
    assert "| baseline: " in text
    assert "nan" not in text


def test_the_markdown_is_made_of_whole_tables():
    runs = two_scenarios()
    table = compare.compare(runs, runs, {}, COMPETITORS, SETTINGS)
    template = TEMPLATE.read_text()
    text = compare.markdown(table, thread_effect(runs), runs, {}, SETTINGS, template)
    blocks = [block.splitlines() for block in text.split("\n\n")]
    tables = [block for block in blocks if block[0].startswith("|")]
    assert len(tables) == 3
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
        assert set(lines[1]) == set("| -")
