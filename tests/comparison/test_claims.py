"""Published claims are judged by whole intervals, in the scenarios that have their settings."""

import numpy as np
import pandas as pd
import pytest

from evenhand.comparison import claims
from evenhand.core.claims import published_logs
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment

pytestmark = pytest.mark.fast

COLUMNS = ["track", "scenario", "a", "b", "rounds", "ratio", "low", "high", "verdict"]
MXNET_FIRST = ["mxnet-cpu", "pytorch-cpu", 5, 0.625, 0.5125, 0.8, "faster"]
PYTORCH_FIRST = ["pytorch-cpu", "mxnet-cpu", 5, 1.6, 1.25, 1 / 0.5125, "slower"]


def judged(*rows, unknown_images=(), **changes) -> pd.DataFrame:
    """What becomes of claims where these are the rows of the comparison."""
    experiment = Experiment(checked(changes), unknown_images=unknown_images)
    return claims.judged(experiment, pd.DataFrame(rows, columns=COLUMNS))


@pytest.mark.parametrize(
    ("compared", "interval", "expected"),
    [
        ("faster", (0.50, 0.45, 0.55), "holds"),
        ("faster", (0.40, 0.38, 0.42), "holds"),
        ("faster", (0.60, 0.55, 0.65), "changed"),
        ("faster", (0.62, 0.45, 0.85), "undecided"),
        ("same", (0.99, 0.98, 1.01), "no longer"),
        ("slower", (1.60, 1.50, 1.70), "no longer"),
        ("undecided", (0.80, 0.40, 1.60), "undecided"),
        ("not comparable", (0.50, 0.45, 0.55), "undecided"),
    ],
)
def test_a_claim_is_judged_by_the_whole_interval(compared, interval, expected):
    assert claims.status(compared, *interval, claimed=0.5) == expected


@pytest.mark.parametrize("pair", [MXNET_FIRST, PYTORCH_FIRST])
def test_a_claim_is_judged_in_either_order_and_in_its_own_scenario_alone(pair):
    rows = [[track, of, *pair] for track in ("tutorial", "controlled") for of in ("baseline", "x")]
    (row,) = judged(*rows, scenarios={"baseline": {}, "x": {"threads": 1}}).to_dict("records")
    assert [row[key] for key in ("claim", "track", "scenario")] == [
        *("mxnet-twice-as-fast", "tutorial", "baseline")
    ]
    assert (row["faster"], row["slower"]) == ("mxnet-cpu", "pytorch-cpu")
    interval = [row[key] for key in ("ratio", "low", "high")]
    assert interval == pytest.approx([0.625, 0.5125, 0.8])
    assert (row["rounds"], row["verdict"], row["status"]) == (5, "faster", "changed")
    assert row["logged"] == pytest.approx(1.485 / 3.875)


def test_a_claim_of_others_settings_or_frameworks_is_not_judged():
    row = ["tutorial", "baseline", *MXNET_FIRST]
    assert judged(row, data={"train_images": 6000}).empty
    assert judged(["tutorial", "baseline", "numpy-cpu", *MXNET_FIRST[1:]]).empty
    assert list(judged()) == claims.CLAIMS


def test_images_that_are_not_known_decide_nothing_and_have_no_published_logs_beside_them():
    row = ["tutorial", "baseline", *MXNET_FIRST]
    assert judged(row)["status"].item() == "changed"
    assert judged(row, unknown_images=["mnist"])["status"].item() == "undecided"
    experiment = Experiment(checked({}), unknown_images=["mnist"])
    assert not published_logs(experiment, "tutorial", "baseline")
    assert published_logs(Experiment(checked({})), "tutorial", "baseline")


def test_each_claim_has_the_ratio_of_its_own_logs(monkeypatch):
    first = claims.claims_about(Experiment(checked({})), "tutorial", "baseline")
    other = dict(first["mxnet-twice-as-fast"]) | {"logs": {}}
    both = {"a-blog": other} | first
    monkeypatch.setattr(
        claims, "claims_about", lambda *of: both if of[1:] == ("tutorial", "baseline") else {}
    )
    rows = judged(["tutorial", "baseline", *MXNET_FIRST]).set_index("claim")["logged"]
    assert np.isnan(rows["a-blog"])
    assert rows["mxnet-twice-as-fast"] == pytest.approx(1.485 / 3.875)


def test_a_claim_of_a_pair_that_is_not_ranked_is_undecided():
    row = ["tutorial", "baseline", "mxnet-cpu", "pytorch-cpu", 5, *[np.nan] * 3, "not comparable"]
    (row,) = judged(row).to_dict("records")
    assert (row["status"], row["verdict"]) == ("undecided", "not comparable")
