"""Compare competitors pair by pair and round by round, and reach the verdicts that rounds allow.

comparison.csv has a row for each pair in a track and scenario: ratio = seconds of a / seconds of b,
and rounds_needed counts those beyond the rounds at hand. thread_effect.csv has a row for each pair
and each scenario of a track but its first: change = ratio_y / ratio_x. gains.csv has a row for each
competitor and each track that improves another: ratio = seconds here / seconds there. All tests
of the three are one family: the error rates are those of the whole page. docs/tables.md has every
column.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evenhand.comparison import inference
from evenhand.core import axes
from evenhand.core.identity import Competitor
from evenhand.core.schemas import ROOT

SECONDS = "median_epoch_seconds"  # of a run: the epochs after the warm-up
TIMES = [SECONDS, "own_process_seconds", "epochs"]
CONTEST = ["track", "scenario"]
PAIR = [*CONTEST, "a", "b"]
RUN = [*CONTEST, "round", "competitor"]
BOTH = " / "  # between the fingerprints of a pair whose members have different ones

COMPARISON = [
    *(*PAIR, "rounds", "ratio", "low", "high", "p_value", "p_same"),
    *("verdict", "words", "rounds_needed", "spread_a", "spread_b", "outliers"),
]
CHANGES = [
    *("track", "a", "b", "scenario_x", "scenario_y"),
    *("rounds", "ratio_x", "ratio_y", "change", "low", "high", "p_value", "verdict"),
]
GAINS = [
    *("track", "improves", "scenario", "competitor", "rounds", "ratio", "low", "high"),
    *("p_value", "p_same", "verdict", "rounds_needed", "cost_seconds", "saving_seconds"),
    *("break_even", "break_even_low", "break_even_high"),
]
BESIDES = ["comparable", "d", "first"]  # of a pair or gain, until it is adjusted

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

    Columns: d = ln(seconds of a / seconds of b), and `fingerprint`, the kind of machine. A round
    has one machine, and its runs one fingerprint, unless one used a GPU and another did not: such
    a pair's kind is both, as `a / b`.
    """
    both = by_round(*(sound[sound["competitor"] == name] for name in (a, b)), [SECONDS])
    kind, other = both["fingerprint_a"], both["fingerprint_b"]
    return pd.DataFrame(
        {
            "d": inference.log_ratios(both[f"{SECONDS}_a"], both[f"{SECONDS}_b"]),
            "fingerprint": kind.where(kind == other, kind + BOTH + other),
        }
    )


def by_round(of_a: pd.DataFrame, of_b: pd.DataFrame, times: list[str]) -> pd.DataFrame:
    """Times and fingerprints of two tables with a run a round, side by side where both have one."""
    of_a, of_b = (runs[[*times, "fingerprint"]].set_index(runs["round"]) for runs in (of_a, of_b))
    return of_a.join(of_b, how="inner", suffixes=("_a", "_b")).sort_index()


def spread(sound: pd.DataFrame, competitor: str) -> float:
    """The competitor's coefficient of variation between rounds, on its least steady machine."""
    own = sound[sound["competitor"] == competitor]
    return own.groupby("fingerprint")[SECONDS].agg(inference.spread).max()


def compare(
    runs: pd.DataFrame,
    sound: pd.DataFrame,
    reasons: Reasons,
    competitors: list[str],
    improvements: list[tuple[str, str, str]],
    settings: dict,
    first: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A row for each pair, for each change of a pair's ratio between two scenarios, for each gain.

    `competitors` are in the config's order, of which a pair's b comes first; `improvements` are
    those of the experiment; `sound` are the admitted of `runs`; `settings` is the config's section
    `comparison`; `first` is the experiment's number of rounds that tell the spread. P-values are
    Holm-adjusted over everything that can be tested: those of differences, changes and gains
    together, and those of sameness, which is another kind of error, for themselves.
    """
    margin, confidence = settings["margin"], settings["confidence"]
    pairs = _pairs(runs, sound, reasons, competitors, settings, first)
    changes = _changes(sound, reasons, competitors, confidence, first)
    gains = _gains(runs, sound, reasons, competitors, improvements, settings, first)

    tested = [pairs, changes, gains]
    adjusted = inference.holm(pd.concat([table["p_value"] for table in tested]))
    for table, of_table in zip(tested, _split(adjusted, tested), strict=True):
        table["p_value"] = of_table
    tests = tests_of_differences(*tested)
    changes["verdict"] = inference.change_verdict(changes["change"], changes["p_value"], confidence)

    tested = [pairs, gains]
    adjusted = inference.holm(pd.concat([table["p_same"] for table in tested]))
    for table, of_table in zip(tested, _split(adjusted, tested), strict=True):
        table["p_same"] = of_table
        verdicts = inference.verdict(table["ratio"], table["p_value"], of_table, confidence)
        table["verdict"] = np.where(table["comparable"], verdicts, "not comparable")
        table["rounds_needed"] = [
            inference.rounds_needed(row.d, tests, margin, confidence, row.first)
            if row.verdict == "undecided"
            else np.nan
            for row in table[["d", "first", "verdict"]].itertuples()
        ]
    pairs["words"] = [
        inference.words(verdict, needed, margin)
        for verdict, needed in zip(pairs["verdict"], pairs["rounds_needed"], strict=True)
    ]
    return pairs[COMPARISON], changes[CHANGES], gains[GAINS]


def _split(values: np.ndarray, tables: list[pd.DataFrame]) -> list[np.ndarray]:
    """The values of each table's rows, which stand one after another."""
    return np.split(values, np.cumsum([len(table) for table in tables])[:-1])


def tests_of_differences(*tables: pd.DataFrame) -> int:
    """How many p-values of differences these tables have, which are adjusted for one another."""
    return int(sum(table["p_value"].count() for table in tables))


def _pairs(
    runs: pd.DataFrame,
    sound: pd.DataFrame,
    reasons: Reasons,
    competitors: list[str],
    settings: dict,
    first: int | None,
) -> pd.DataFrame:
    """What the rounds say about each pair: the table's columns before adjustment and verdict.

    Besides them: `comparable`, `d`, the log ratios of the pair's rounds, and `first`, how many of
    these tell the spread.
    """
    rows = []
    for (track, scenario), here in runs.groupby(CONTEST, sort=False):
        sound_here = of_scenario(sound, track, scenario)
        taking_part = [name for name in competitors if name in set(here["competitor"])]
        for b, a in combinations(taking_part, 2):
            paired = pair(sound_here, a, b)
            comparable = not any((track, scenario, name) in reasons for name in (a, b))
            tested = paired["d"] if comparable else []
            telling = among_first(paired.index, first)
            rows.append(
                {
                    "track": track,
                    "scenario": scenario,
                    "a": a,
                    "b": b,
                    "rounds": len(paired),
                    **_effect(tested, settings, telling),
                    "spread_a": spread(sound_here, a),
                    "spread_b": spread(sound_here, b),
                    "outliers": ";".join(map(str, paired.index[inference.outliers(paired["d"])])),
                    "comparable": comparable,
                    "d": paired["d"].to_numpy(),
                    "first": telling,
                }
            )
    return pd.DataFrame(rows, columns=[*COMPARISON, *BESIDES])


def _changes(
    sound: pd.DataFrame,
    reasons: Reasons,
    competitors: list[str],
    confidence: float,
    first: int | None,
) -> pd.DataFrame:
    """How a pair's ratio changes from a track's first scenario, x, to another, before adjustment.

    change = ratio_y / ratio_x = exp(mean(d_y - d_x)), with Student's interval and test on the
    differences. Rounds are paired by number, where both scenarios have them on one kind of machine;
    both ratios are over these rounds alone. A pair with a member that is not comparable has no row.
    """
    rows = []
    for track, here in sound.groupby("track", sort=False):
        x, *others = here["scenario"].unique()
        for y in others:
            ranked = [
                name
                for name in competitors
                if not any((track, scenario, name) in reasons for scenario in (x, y))
            ]
            for b, a in combinations(ranked, 2):
                d_x, d_y = (pair(of_scenario(here, track, s), a, b) for s in (x, y))
                both = d_x.join(d_y, how="inner", suffixes=("_x", "_y"))
                both = both[both["fingerprint_x"] == both["fingerprint_y"]]
                if both.empty:
                    continue
                found = inference.effect(
                    both["d_y"] - both["d_x"],
                    confidence=confidence,
                    first=among_first(both.index, first),
                )
                ratios = np.exp([both["d_x"].mean(), both["d_y"].mean()])
                tested = found.ratio, found.low, found.high, found.p_different
                rows.append((track, a, b, x, y, len(both), *ratios, *tested))
    return pd.DataFrame(rows, columns=CHANGES[:-1])


def _gains(
    runs: pd.DataFrame,
    sound: pd.DataFrame,
    reasons: Reasons,
    competitors: list[str],
    improvements: list[tuple[str, str, str]],
    settings: dict,
    first: int | None,
) -> pd.DataFrame:
    """What a track brings each competitor over the track that it improves, before adjustment.

    Rounds are paired by number, where both tracks have the competitor on one kind of machine. A
    process takes cost + epochs * seconds, the toolbox's own work aside: `cost_seconds` is what the
    track costs more once, `saving_seconds` what it saves each epoch, and `break_even` follows from
    both. Besides the table's columns: `comparable`, `d` and `first`, as `_pairs` has them.
    """
    rows = []
    for track, improves, scenario in improvements:
        present = set(of_scenario(runs, track, scenario)["competitor"])
        present &= set(of_scenario(runs, improves, scenario)["competitor"])
        for name in (name for name in competitors if name in present):
            here, there = (
                of_track[of_track["competitor"] == name]
                for of_track in (of_scenario(sound, of, scenario) for of in (track, improves))
            )
            both = by_round(here, there, TIMES)
            both = both[both["fingerprint_a"] == both["fingerprint_b"]]
            comparable = not any((of, scenario, name) in reasons for of in (track, improves))
            both = both if comparable else both[:0]
            d = inference.log_ratios(both[f"{SECONDS}_a"], both[f"{SECONDS}_b"])
            cost = _once(both, "a") - _once(both, "b")
            saving = (both[f"{SECONDS}_b"] - both[f"{SECONDS}_a"]).to_numpy()
            telling = among_first(both.index, first)
            even = inference.break_even(cost, saving, settings["confidence"], telling)
            rows.append(
                {
                    "track": track,
                    "improves": improves,
                    "scenario": scenario,
                    "competitor": name,
                    "rounds": len(both),
                    **_effect(d, settings, telling),
                    "cost_seconds": cost.mean() if len(cost) else np.nan,
                    "saving_seconds": saving.mean() if len(saving) else np.nan,
                    "break_even": even.epochs,
                    "break_even_low": even.low,
                    "break_even_high": even.high,
                    "comparable": comparable,
                    "d": d,
                    "first": telling,
                }
            )
    return pd.DataFrame(rows, columns=[*GAINS, *BESIDES])


def among_first(rounds: pd.Index, first: int | None) -> int | None:
    """How many of these rounds tell the spread: those below `first`; None: all do."""
    return None if first is None else int((rounds < first).sum())


def _effect(d: ArrayLike, settings: dict, first: int | None) -> dict[str, float]:
    """What the rounds' log ratios say, as the tables have it before adjustment."""
    found = inference.effect(d, settings["margin"], settings["confidence"], first)
    columns = ("ratio", "low", "high", "p_value", "p_same")
    return dict(zip(columns, found, strict=True))


def _once(both: pd.DataFrame, side: str) -> np.ndarray:
    """The seconds that a process takes whatever the number of its epochs; compiling is in it."""
    of = {name: both[f"{name}_{side}"] for name in TIMES}
    return (of["own_process_seconds"] - of["epochs"] * of[SECONDS]).to_numpy()
