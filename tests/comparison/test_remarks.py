"""Remarks beside verdicts: computed once, said in every language."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison import compare, remarks
from support.comparisons import (
    MXNET,
    THREE,
    TWO,
    compared,
    make_check,
    make_gate,
    make_runs,
    text,
    with_remarks,
)

pytestmark = pytest.mark.fast


def test_fewer_than_five_rounds_are_said_loudly():
    assert "ONLY 4 PAIRED ROUNDS" in compared(make_runs(TWO, rounds=4)).loc[MXNET, "notes"]
    assert "ONLY" not in compared(make_runs(TWO, rounds=5)).loc[MXNET, "notes"]


@pytest.mark.parametrize(("language", "said"), [("en", "ONLY 1 PAIRED ROUND:"), ("zh", "1 轮")])
def test_one_round_is_not_said_in_the_plural(language, said):
    _, table = with_remarks(make_runs(TWO, rounds=1))
    assert any(said in sentence for sentence in remarks.sentences(table, text(language), label))


def test_a_remark_on_one_round_names_a_round():
    runs = make_runs(TWO, rounds=6)
    of_mxnet = runs["competitor"].eq("mxnet-cpu")
    runs.loc[runs["round"].eq(5), "fingerprint"] = "other"
    runs.loc[runs["round"].eq(5) & of_mxnet, compare.SECONDS] *= 1.5
    _, table = with_remarks(runs[~(runs["round"].eq(4) & of_mxnet)])
    machines, unpaired, outliers = remarks.phrases(table, text())
    assert machines.endswith("quiet (rounds 0, 1, 2, 3), other (round 5)")
    assert unpaired.endswith("rejected: round 4")
    assert outliers.endswith("kept: round 5")


def test_a_kind_of_machine_of_two_fingerprints_is_named_by_both():
    runs = make_runs(TWO, rounds=6)
    of_gpu = runs["competitor"].eq("mxnet-cpu")
    runs.loc[of_gpu, "fingerprint"] = "0123456789abcdef"
    runs.loc[of_gpu & runs["round"].ge(4), "fingerprint"] = "fedcba9876543210"
    notes = compared(runs).loc[MXNET, "notes"]
    assert "0123456789ab / quiet (rounds 0, 1, 2, 3), fedcba987654 / quiet (rounds 4, 5)" in notes


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


# ---- The table -------------------------------------------------------


def spoiled():
    """A comparison with every kind of remark: runs, and what else `with_remarks` takes."""
    runs = make_runs(THREE, rounds=8)
    runs.loc[runs["round"] >= 5, "fingerprint"] = "another-machine-with-a-long-name"
    runs.loc[runs["round"].eq(6) & runs["competitor"].eq("mxnet-cpu"), compare.SECONDS] *= 1.6
    runs = runs[~(runs["round"].eq(2) & runs["competitor"].eq("numpy-cpu"))]
    few = make_runs(THREE, rounds=4, scenario="few")
    first = np.array([0.04, 0.10, 0.04, 0.10])  # see test_compare.py: other tests hide it
    few[compare.SECONDS] = np.exp(np.stack([0 * first, first, -first], axis=1).ravel())
    failing = make_runs(TWO, scenario="failing")
    seeded = make_runs(TWO, track="tutorial")
    unproved = make_runs(TWO, scenario="unproved")
    runs = pd.concat([runs, few, failing, unproved, seeded], ignore_index=True)
    gate = make_gate(runs[runs["scenario"].ne("failing") & runs["scenario"].ne("unproved")])
    failed = make_gate(failing, mxnet="rejected_by_audit").assign(detail="seal, broken")
    gate = pd.concat([gate, failed], ignore_index=True)
    return {"runs": runs, "gate": gate, "check": make_check(runs, "mxnet")}


def test_remarks_are_tidy_and_the_most_serious_come_first():
    _, table = with_remarks(**spoiled())
    assert list(table.columns) == remarks.COLUMNS
    order = ["gate_failed", "inconsistent", "no_proof", "few_rounds", "machines"]
    order += ["unpaired", "outliers", "spread", "adjusted"]
    assert set(table["remark"]) == set(order)
    for _, own in table.groupby(compare.PAIR):
        places = own["remark"].map(order.index)
        assert places.is_monotonic_increasing


def test_details_are_what_a_sentence_names():
    _, table = with_remarks(**spoiled())
    details = {row.remark: json.loads(row.details) for row in table.itertuples()}
    failed = {"name": "mxnet-cpu", "cause": "rejected_by_audit", "detail": "seal, broken"}
    assert details["gate_failed"] == failed | {"tier": "float64", "check": "steps", "step": 470}
    margins = {"value": 0.09, "margin": 0.002, "mean": 0.0668}
    values = {"name": "mxnet-cpu", "quantity": "average_loss", "epoch": 4, "runs": 5}
    assert details["inconsistent"] == values | margins
    assert details["few_rounds"] == {"count": 4, "least": 5}
    assert details["unpaired"] == {"rounds": [2]}
    assert details["adjusted"] == {"tests": 9}  # three pairs twice, and their changes
    assert details["machines"]["machines"]["another-machine-with-a-long-name"] == [5, 6, 7]


def test_a_comparison_without_pairs_has_no_remarks():
    table, beside = with_remarks(make_runs({"pytorch-cpu": 0.4}))
    assert table.empty and beside.empty
    assert list(table.columns) == [*compare.COMPARISON, "notes"]
    assert list(beside.columns) == remarks.COLUMNS


def test_remarks_survive_the_way_through_a_file(tmp_path):
    _, table = with_remarks(**spoiled())
    table.to_csv(tmp_path / "remarks.csv", index=False)
    read = pd.read_csv(tmp_path / "remarks.csv")
    assert remarks.phrases(read, text()) == remarks.phrases(table, text())


# ---- In words --------------------------------------------------------


def label(competitor):
    return competitor.removesuffix("-cpu").upper()


def test_notes_are_the_remarks_in_plain_english():
    table, beside = with_remarks(**spoiled())
    for row in table.to_dict("records"):
        own = beside[(beside[compare.PAIR] == [row[key] for key in compare.PAIR]).all(axis=1)]
        assert row["notes"].split("; ") == [
            phrase.replace("\N{NO-BREAK SPACE}", " ") for phrase in remarks.phrases(own, text())
        ] or (own.empty and row["notes"] == "")
        assert "\N{NO-BREAK SPACE}" not in row["notes"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_remark_has_a_sentence_in_every_language(language):
    _, table = with_remarks(**spoiled())
    for said in remarks.sentences(table, text(language), label):
        assert "{" not in said and "nan" not in said
        assert said.endswith("." if language == "en" else "。")
        assert any("\u4e00" <= character <= "\u9fff" for character in said) == (language == "zh")


def test_a_sentence_names_its_competitor_or_else_its_pair():
    _, table = with_remarks(**spoiled())
    said = remarks.sentences(table, text(), label)
    assert "NUMPY and PYTORCH: not paired, since a run is missing or was rejected: round 2." in said
    assert any(s.startswith("MXNET failed the gate: the audit rejects its record (") for s in said)
    assert any("another-mach (rounds 5, 6, 7)" in s for s in said)


def test_what_concerns_a_competitor_is_said_once_for_all_its_pairs():
    runs = make_runs(THREE, rounds=6)
    restless = runs["competitor"] == "mxnet-cpu"
    runs.loc[restless, compare.SECONDS] *= np.tile([1.0, 1.5], 3)
    _, table = with_remarks(runs)
    assert len(table[table["remark"] == "spread"]) == 2
    said = remarks.sentences(table, text(), label)
    assert len([sentence for sentence in said if "varies" in sentence]) == 1
