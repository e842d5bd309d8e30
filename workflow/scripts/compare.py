"""Compare competitors pair by pair, round by round, and say in words what the rounds allow.

comparison.csv has a row for each pair in a track and scenario: ratio = seconds of a / seconds of b,
and rounds_needed counts those beyond the rounds at hand. thread_effect.csv has a row for each pair
and each two scenarios of a track: change = ratio_y / ratio_x. comparison.md is both, to paste.
"""

import sys
from collections.abc import Iterable
from itertools import combinations, groupby
from operator import itemgetter
from pathlib import Path
from statistics import median

import inference
import jinja2
import numpy as np
import pandas as pd
import yaml
from competitors import published_logs
from scipy.stats import gmean
from tables import read_table

FEW_ROUNDS = 5  # below this many, the notes say so loudly
SECONDS = "median_epoch_seconds"  # of a run: the epochs after the warm-up
RUN = ["track", "scenario", "round", "competitor"]

# What is read of a table that the config's tracks may do without, and what is written.
GATE = ["scenario", "competitor", "tier", "check", "step", "passed", "cause"]
TUTORIAL_CHECK = [
    *("source", "scenario", "framework", "device", "runs", "epoch"),
    *("quantity", "value", "mean", "margin", "verdict"),
]
COMPARISON = [
    *("track", "scenario", "a", "b", "rounds", "ratio", "low", "high", "p_value", "p_same"),
    *("verdict", "words", "rounds_needed", "spread_a", "spread_b", "outliers", "notes"),
]
THREAD_EFFECT = [
    *("track", "a", "b", "scenario_x", "scenario_y"),
    *("rounds", "ratio_x", "ratio_y", "change", "low", "high"),
]

Reasons = dict[tuple[str, str, str], str]  # (track, scenario, competitor) -> why it is not ranked


def admit(runs: pd.DataFrame, audit: pd.DataFrame) -> pd.DataFrame:
    """The runs that have a time and that no error of the audit names, alone or with their round."""
    errors = audit.loc[audit["severity"] == "error", RUN].astype(object).fillna("")
    rejected = set(errors.itertuples(index=False, name=None))
    sound = [
        run not in rejected and (*run[:-1], "") not in rejected
        for run in runs[RUN].itertuples(index=False, name=None)
    ]
    return runs.loc[sound].dropna(subset=SECONDS)


def not_comparable(runs: pd.DataFrame, gate: pd.DataFrame, check: pd.DataFrame) -> Reasons:
    """Who must not be ranked, and why.

    Proof is asked of everybody: the tutorial's check in its track, the gate in the others. No
    result is no proof. The tutorial's check is about the mean over rounds: of single runs that
    belong, 4 in 100 fall outside, and there are many.
    """
    check = check[check["source"] != "published"]
    check = check.assign(competitor=check["framework"] + "-" + check["device"])
    reasons = {}
    competitors = runs[["track", "scenario", "competitor"]].drop_duplicates()
    for track, scenario, competitor in competitors.itertuples(index=False):
        name, proof = ("tutorial check", check) if track == "tutorial" else ("gate", gate)
        proof = proof[(proof["scenario"] == scenario) & (proof["competitor"] == competitor)]
        if track == "tutorial":
            means = proof[proof["source"] == "rounds"]
            failed = means[means["verdict"] != "consistent"].apply(_inconsistency, axis=1)
        else:
            failed = proof[proof["passed"].ne(True)].apply(_deviation, axis=1)
        if proof.empty:
            reasons[track, scenario, competitor] = f"{competitor} has no result of the {name}"
        elif not failed.empty:
            reason = f"{competitor} failed the {name}: {failed.iloc[0]}"
            reasons[track, scenario, competitor] = reason
    return reasons


def _deviation(row: pd.Series) -> str:
    step = "" if pd.isna(row["step"]) else f", first at step {row['step']:.0f}"
    return f"{row['cause']} ({row['tier']}, {row['check']}{step})"


def _inconsistency(row: pd.Series) -> str:
    return (
        f"{row['quantity']} of epoch {row['epoch']:.0f}, mean of {row['runs']:.0f} rounds, is "
        f"{row['value']:.4f}, not within {row['margin']:.4f} of the expected {row['mean']:.4f}"
    )


def of_scenario(runs: pd.DataFrame, track: str, scenario: str) -> pd.DataFrame:
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
    """The comparison: ``competitors`` in the config's order, of which a pair's b comes first.

    ``sound`` are the admitted of ``runs``; ``settings`` is the config's section ``comparison``.
    P-values are Holm-adjusted over the pairs of one track and scenario that can be tested.
    """
    margin, confidence = settings["margin"], settings["confidence"]
    rows = []
    for (track, scenario), here in runs.groupby(["track", "scenario"], sort=False):
        sound_here = of_scenario(sound, track, scenario)
        taking_part = [name for name in competitors if name in set(here["competitor"])]
        for b, a in combinations(taking_part, 2):
            paired = pair(sound_here, a, b)
            why = [reasons[key] for c in (a, b) if (key := (track, scenario, c)) in reasons]
            found = inference.effect([] if why else paired["d"], margin, confidence)
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
                    "why": why,
                    "paired": paired,
                    "opened": here["round"].unique(),
                }
            )
    if not rows:
        return pd.DataFrame(columns=COMPARISON)

    table = pd.DataFrame(rows)
    family = table.groupby(["track", "scenario"])
    table["tests"] = family["p_value"].transform("count")
    for p in ("p_value", "p_same"):
        table[p] = family[p].transform(inference.holm)
    verdicts = inference.verdict(table["ratio"], table["p_value"], table["p_same"], confidence)
    table["verdict"] = np.where(table["why"].astype(bool), "not comparable", verdicts)
    table["rounds_needed"] = [
        inference.rounds_needed(row["paired"]["d"], row["tests"], margin, confidence)
        if row["verdict"] == "undecided"
        else np.nan
        for _, row in table.iterrows()
    ]
    table["words"] = [
        inference.words(verdict, needed, margin)
        for verdict, needed in zip(table["verdict"], table["rounds_needed"], strict=True)
    ]
    table["notes"] = [
        "; ".join(notes(row, settings["spread_limit"])) for _, row in table.iterrows()
    ]
    return table[COMPARISON]


def notes(row: pd.Series, spread_limit: float) -> list[str]:
    """What a reader must know beside a row's verdict, the gravest first."""
    said, paired = list(row["why"]), row["paired"]
    if len(paired) < FEW_ROUNDS:
        said.append(f"ONLY {len(paired)} PAIRED ROUNDS: fewer than {FEW_ROUNDS} prove little")
    machines = paired.groupby("fingerprint", sort=False).groups
    if len(machines) > 1:
        where = ", ".join(f"{name} (rounds {_list(own)})" for name, own in machines.items())
        said.append(f"{len(machines)} kinds of machine, paired only inside a round: {where}")
    if unpaired := sorted(set(row["opened"]) - set(paired.index)):
        said.append(f"rounds not paired, a run being missing or rejected: {_list(unpaired)}")
    if row["outliers"]:
        said.append(f"outliers, flagged and kept: rounds {_list(row['outliers'].split(';'))}")
    for name, value in ((row["a"], row["spread_a"]), (row["b"], row["spread_b"])):
        if value > spread_limit:
            said.append(
                f"{name} varies by {100 * value:.0f} % between rounds (limit "
                f"{100 * spread_limit:g} %): quiet the machine and measure again"
            )
    if row["verdict"] == "undecided" and not row["low"] <= 1 <= row["high"]:
        said.append(f"the interval excludes 1, but not after adjustment for {row['tests']} pairs")
    return said


def _list(rounds: Iterable) -> str:
    return ", ".join(map(str, rounds))


def thread_effect(
    sound: pd.DataFrame, reasons: Reasons, competitors: list[str], confidence: float
) -> pd.DataFrame:
    """How a pair's ratio changes from scenario x to scenario y of the same track.

    change = ratio_y / ratio_x = exp(mean(d_y - d_x)), with Student's interval on the differences.
    Rounds are paired by number, where both scenarios have them on one kind of machine; both ratios
    are over these rounds alone. A pair with a member that is not comparable has no row.
    """
    rows = []
    for track, here in sound.groupby("track", sort=False):
        for x, y in combinations(here["scenario"].unique(), 2):
            barred = {name for name in competitors for s in (x, y) if (track, s, name) in reasons}
            for b, a in combinations([c for c in competitors if c not in barred], 2):
                d_x, d_y = (pair(of_scenario(here, track, s), a, b) for s in (x, y))
                both = d_x.join(d_y, suffixes=("_x", "_y")).query("fingerprint_x == fingerprint_y")
                if both.empty:
                    continue
                change = inference.effect(both["d_y"] - both["d_x"], confidence=confidence)
                ratios = np.exp([both["d_x"].mean(), both["d_y"].mean()])
                interval = change.ratio, change.low, change.high
                rows.append((track, a, b, x, y, len(both), *ratios, *interval))
    return pd.DataFrame(rows, columns=THREAD_EFFECT)


def published_ratio(logs: dict[str, dict], a: str, b: str, warmup_epochs: int) -> float:
    """a's published seconds over b's by our rule, the median epoch after the warm-up; else NaN."""
    seconds = [logs[name]["seconds"][warmup_epochs:] for name in (a, b) if name in logs]
    if len(seconds) < 2 or not all(seconds):
        return np.nan
    return median(seconds[0]) / median(seconds[1])


def markdown(
    table: pd.DataFrame,
    effects: pd.DataFrame,
    sound: pd.DataFrame,
    published: dict[str, dict],
    settings: dict,
    template: str,
) -> str:
    """Both tables in Markdown.

    ``template`` is the Jinja source; ``published`` holds the published logs by scenario.

    The seconds are geometric means over the admitted rounds, whose quotient is the paired ratio
    where no round lacks a member.
    """
    seconds = sound.groupby(["track", "scenario", "competitor"])[SECONDS].agg(gmean)
    rows = table.to_dict("records")
    for row in rows:
        track, scenario, a, b = (row[name] for name in ("track", "scenario", "a", "b"))
        logs = published.get(scenario, {}) if track == "tutorial" else {}
        row["published"] = published_ratio(logs, a, b, settings["warmup_epochs"])
        row["seconds_a"] = seconds.get((track, scenario, a), np.nan)
        row["seconds_b"] = seconds.get((track, scenario, b), np.nan)
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["number"] = lambda value: "" if np.isnan(value) else f"{value:.3f}"
    return environment.from_string(template).render(
        tables=[(key, list(own)) for key, own in groupby(rows, itemgetter("track", "scenario"))],
        effects=effects.to_dict("records"),
        confidence=f"{100 * settings['confidence']:g}",
    )


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    source, params = snakemake.input, snakemake.params
    settings, competitors = params.settings, params.competitors
    runs, audit = read_table(source.runs), read_table(source.audit)
    gate = read_table(source.gate) if source.gate else pd.DataFrame(columns=GATE)
    check = (
        read_table(source.tutorial_check)
        if source.tutorial_check
        else pd.DataFrame(columns=TUTORIAL_CHECK)
    )
    logs = yaml.safe_load(Path(source.published).read_text())
    published = {s: published_logs(snakemake.config, logs, s) for s in runs["scenario"].unique()}

    sound = admit(runs, audit)
    reasons = not_comparable(runs, gate, check)
    table = compare(runs, sound, reasons, competitors, settings)
    effects = thread_effect(sound, reasons, competitors, settings["confidence"])
    table.to_csv(snakemake.output.table, index=False)
    effects.to_csv(snakemake.output.thread_effect, index=False)
    text = markdown(table, effects, sound, published, settings, Path(source.template).read_text())
    Path(snakemake.output.markdown).write_text(text)
