"""Compare competitors pair by pair and round by round, and reach the verdicts that rounds allow.

comparison.csv has a row for each pair in a track and scenario: ratio = seconds of a / seconds of b,
and rounds_needed counts those beyond the rounds at hand. thread_effect.csv has a row for each pair
and each two scenarios of a track: change = ratio_y / ratio_x. docs/tables.md has every column.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from evenhand.comparison import inference
from evenhand.core import axes
from evenhand.core.identity import Competitor
from evenhand.core.schemas import ROOT

SECONDS = "median_epoch_seconds"  # of a run: the epochs after the warm-up
CONTEST = ["track", "scenario"]
PAIR = [*CONTEST, "a", "b"]
RUN = [*CONTEST, "round", "competitor"]

COMPARISON = [
    *(*PAIR, "rounds", "ratio", "low", "high", "p_value", "p_same"),
    *("verdict", "words", "rounds_needed", "spread_a", "spread_b", "outliers"),
]
SCENARIO_EFFECT = [
    *("track", "a", "b", "scenario_x", "scenario_y"),
    *("rounds", "ratio_x", "ratio_y", "change", "low", "high"),
]

# Why a competitor is not ranked, by (track, scenario, competitor): a remark's code and details.
Reasons = dict[tuple[str, str, str], tuple[str, dict]]


def admit(runs: pd.DataFrame, audit: pd.DataFrame) -> pd.DataFrame:
    """The runs that have a time and that no error of the audit names, alone or with their round."""
    errors = audit.loc[audit["severity"] == "error", RUN].astype(object).fillna("")
    rejected = set(errors.itertuples(index=False, name=None))
    sound = [
        run not in rejected and (*run[:-1], "") not in rejected
        for run in runs[RUN].itertuples(index=False, name=None)
    ]
    return runs.loc[sound].dropna(subset=SECONDS)


def not_comparable(
    runs: pd.DataFrame, gate: pd.DataFrame, check: pd.DataFrame, root: Path = ROOT
) -> Reasons:
    """The competitors that must not be ranked, and why, by track and scenario.

    Every competitor needs the proof that its track's file names: the gate, or the check against
    the distribution over seeds; no result is no proof. `gate` and `check` are the tables of
    both, empty where no track has that proof. The check counts for the mean over rounds: of single
    runs of the right training, 4 in 100 fall outside, and there are many.
    """
    check = check[check["source"] != "published"]
    of_check = zip(check["framework"], check["device"], strict=True)
    check = check.assign(competitor=[str(Competitor(*of)) for of in of_check])
    reasons = {}
    competitors = runs[[*CONTEST, "competitor"]].drop_duplicates()
    for track, scenario, name in competitors.itertuples(index=False):
        kind = axes.track(track, root)["proof"]
        results = gate if kind == "gate" else check
        of_name = (results["track"] == track) & (results["scenario"] == scenario)
        results = results[of_name & (results["competitor"] == name)]
        if results.empty:
            reasons[track, scenario, name] = "no_proof", {"name": name, "proof": kind}
        elif reason := (_gate_failed if kind == "gate" else _inconsistent)(results):
            code, details = reason
            reasons[track, scenario, name] = code, {"name": name, **details}
    return reasons


def _gate_failed(checks: pd.DataFrame) -> tuple[str, dict] | None:
    """The first of a competitor's checks that did not pass."""
    for row in checks[checks["passed"].ne(True)].itertuples():
        return "gate_failed", {
            "cause": row.cause,
            "detail": "" if pd.isna(row.detail) else row.detail,
            "tier": row.tier,
            "check": row.check,
            "step": None if pd.isna(row.step) else int(row.step),
        }


def _inconsistent(values: pd.DataFrame) -> tuple[str, dict] | None:
    """The first of a competitor's means over rounds that belongs to another training."""
    means = values[values["source"] == "rounds"]
    for row in means[means["consistency"] != "consistent"].itertuples():
        return "inconsistent", {
            "quantity": row.quantity,
            "epoch": int(row.epoch),
            "runs": int(row.runs),
            **{key: float(getattr(row, key)) for key in ("value", "margin", "mean")},
        }


def of_scenario(runs: pd.DataFrame, track: str, scenario: str) -> pd.DataFrame:
    """The runs of one track and scenario."""
    return runs[(runs["track"] == track) & (runs["scenario"] == scenario)]


def pair(sound: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """The rounds of one track and scenario in which both were admitted, by number.

    Columns: d = ln(seconds of a / seconds of b), and the fingerprint of the round's machine (the
    audit has seen to it that a round has one).
    """
    seconds = sound.pivot(index="round", columns="competitor", values=SECONDS)
    both = seconds.reindex(columns=[a, b]).dropna()
    fingerprint = sound.drop_duplicates("round").set_index("round")["fingerprint"]
    return both.assign(d=inference.log_ratios(both[a], both[b])).join(fingerprint)


def spread(sound: pd.DataFrame, competitor: str) -> float:
    """The competitor's coefficient of variation between rounds, on its least steady machine."""
    own = sound[sound["competitor"] == competitor]
    return own.groupby("fingerprint")[SECONDS].agg(inference.spread).max()


def compare(
    runs: pd.DataFrame,
    sound: pd.DataFrame,
    reasons: Reasons,
    competitors: list[str],
    settings: dict,
) -> pd.DataFrame:
    """A row for each pair: `competitors` in the config's order, of which a pair's b comes first.

    `sound` are the admitted of `runs`; `settings` is the config's section `comparison`.
    P-values are Holm-adjusted over the pairs of one track and scenario that can be tested.
    """
    margin, confidence = settings["margin"], settings["confidence"]
    rows = []
    for (track, scenario), here in runs.groupby(CONTEST, sort=False):
        sound_here = of_scenario(sound, track, scenario)
        taking_part = [name for name in competitors if name in set(here["competitor"])]
        for b, a in combinations(taking_part, 2):
            paired = pair(sound_here, a, b)
            comparable = not any((track, scenario, name) in reasons for name in (a, b))
            found = inference.effect(paired["d"] if comparable else [], margin, confidence)
            rows.append(
                {
                    "track": track,
                    "scenario": scenario,
                    "a": a,
                    "b": b,
                    "rounds": len(paired),
                    "ratio": found.ratio,
                    "low": found.low,
                    "high": found.high,
                    "p_value": found.p_different,
                    "p_same": found.p_same,
                    "spread_a": spread(sound_here, a),
                    "spread_b": spread(sound_here, b),
                    "outliers": ";".join(map(str, paired.index[inference.outliers(paired["d"])])),
                    # for what follows, not for the table
                    "comparable": comparable,
                    "d": paired["d"].to_numpy(),
                }
            )
    if not rows:
        return pd.DataFrame(columns=COMPARISON)

    table = pd.DataFrame(rows)
    family = table.groupby(CONTEST)
    table["tests"] = tested_pairs(table)
    for p in ("p_value", "p_same"):
        table[p] = family[p].transform(inference.holm)
    verdicts = inference.verdict(table["ratio"], table["p_value"], table["p_same"], confidence)
    table["verdict"] = np.where(table["comparable"], verdicts, "not comparable")
    table["rounds_needed"] = [
        inference.rounds_needed(row["d"], row["tests"], margin, confidence)
        if row["verdict"] == "undecided"
        else np.nan
        for _, row in table.iterrows()
    ]
    table["words"] = [
        inference.words(verdict, needed, margin)
        for verdict, needed in zip(table["verdict"], table["rounds_needed"], strict=True)
    ]
    return table[COMPARISON]


def tested_pairs(table: pd.DataFrame) -> pd.Series:
    """For each row of the comparison, how many pairs of its track and scenario were tested."""
    return table.groupby(CONTEST)["p_value"].transform("count")


def scenario_effect(
    sound: pd.DataFrame, reasons: Reasons, competitors: list[str], confidence: float
) -> pd.DataFrame:
    """How a pair's ratio changes from scenario x to scenario y of a track, such as other threads.

    change = ratio_y / ratio_x = exp(mean(d_y - d_x)), with Student's interval on the differences.
    Rounds are paired by number, where both scenarios have them on one kind of machine; both ratios
    are over these rounds alone. A pair with a member that is not comparable has no row.
    """
    rows = []
    for track, here in sound.groupby("track", sort=False):
        for x, y in combinations(here["scenario"].unique(), 2):
            ranked = [
                name
                for name in competitors
                if not any((track, scenario, name) in reasons for scenario in (x, y))
            ]
            for b, a in combinations(ranked, 2):
                d_x, d_y = (pair(of_scenario(here, track, s), a, b) for s in (x, y))
                both = d_x.join(d_y, suffixes=("_x", "_y")).query("fingerprint_x == fingerprint_y")
                if both.empty:
                    continue
                change = inference.effect(both["d_y"] - both["d_x"], confidence=confidence)
                ratios = np.exp([both["d_x"].mean(), both["d_y"].mean()])
                interval = change.ratio, change.low, change.high
                rows.append((track, a, b, x, y, len(both), *ratios, *interval))
    return pd.DataFrame(rows, columns=SCENARIO_EFFECT)
