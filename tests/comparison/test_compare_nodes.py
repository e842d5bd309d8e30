"""The table by fingerprint: pairing stays within machines of one kind."""

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison.inference import effect
from evenhand.comparison.nodes import by_fingerprint

pytestmark = pytest.mark.fast

PAIR = pd.DataFrame(
    [("controlled", "x", "a", "b", "slower")], columns=["track", "scenario", "a", "b", "verdict"]
)


def runs(ratios: dict[str, list[float]]) -> pd.DataFrame:
    """Runs of a and b in which a takes these times as long, on machines of these fingerprints."""
    rows, number = [], 0
    for fingerprint, found in ratios.items():
        for ratio in found:
            for name, seconds in (("b", 1.0), ("a", ratio)):
                rows.append(
                    ("controlled", "x", number, name, seconds, f"n{number % 2}", fingerprint)
                )
            number += 1
    columns = ["track", "scenario", "round", "competitor", "median_epoch_seconds", "node"]
    return pd.DataFrame(rows, columns=[*columns, "fingerprint"])


def test_each_kind_of_machine_has_its_own_ratio_and_a_difference_is_marked():
    table = by_fingerprint(runs({"old": [2.0, 2.02, 1.98], "new": [1.0, 1.01, 0.99]}), PAIR, 0.95)
    table = table.set_index("fingerprint")
    assert table["ratio"].round(2).to_dict() == {"old": 2.0, "new": 1.0}
    assert table["nodes"].to_dict() == {"old": "n0;n1", "new": "n0;n1"}
    assert table["rounds"].to_dict() == {"old": 3, "new": 3}
    assert table["differs"].all()


def test_kinds_that_agree_differ_in_nothing():
    table = by_fingerprint(runs({"old": [1.0, 1.02, 0.98], "new": [1.0, 1.01, 0.99]}), PAIR, 0.95)
    assert not table["differs"].any()


def test_one_round_has_a_ratio_and_no_interval():
    (row,) = by_fingerprint(runs({"old": [1.5]}), PAIR, 0.95).itertuples()
    assert pd.isna(row.low) and not row.differs


def test_the_first_rounds_on_a_kind_of_machine_tell_its_spread():
    made = runs({"old": [2.0, 2.02, 1.98, 2.1], "new": [1.0, 1.01, 0.99]})
    table = by_fingerprint(made, PAIR, 0.95, first=3).set_index("fingerprint")
    expected = effect(np.log([2.0, 2.02, 1.98, 2.1]), first=3)
    assert table.loc["old", "high"] == pytest.approx(expected.high)
    assert pd.isna(table.loc["new", "high"])  # none of the first rounds was there


def test_a_kind_differs_if_its_interval_lies_apart_from_that_of_any_other():
    apart, far = [1.0, 1.01, 0.99], [2.0, 2.02, 1.98]
    for between, differs in (([1.005, 1.015, 0.995], True), ([1.0, 1.9, 2.2], False)):
        table = by_fingerprint(runs({"x": apart, "y": between, "z": far}), PAIR, 0.95)
        found = table.set_index("fingerprint")["differs"].to_dict()
        assert found == {"x": True, "y": differs, "z": True}


def test_no_sound_run_gives_an_empty_table():
    assert by_fingerprint(runs({"old": [1.5]})[:0], PAIR, 0.95).empty


def test_a_pair_that_is_not_comparable_is_not_ranked_by_machine_either():
    barred = PAIR.assign(verdict="not comparable")
    assert by_fingerprint(runs({"old": [1.5, 1.6]}), barred, 0.95).empty
