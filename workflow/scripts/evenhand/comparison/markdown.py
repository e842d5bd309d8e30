"""The comparison in Markdown, to paste."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evenhand.comparison.compare import CONTEST, SECONDS
from evenhand.comparison.inference import first_that_pays
from evenhand.core.claims import published_ratio

INTRO = """\
Ratio = seconds of A / seconds of B, an epoch each, paired by round, with Student's {} interval.
Verdicts are Holm-adjusted over the pairs of all tables, the changes from scenario to scenario and
the gains of one track over another; "the same" is proved by two one-sided tests.
"""
TWO_STAGES = """\
The first {} rounds fixed how many there are, and they alone tell the spread in intervals and tests
(Stein 1945).
"""


def markdown(
    table: pd.DataFrame,
    changes: pd.DataFrame,
    gains: pd.DataFrame,
    sound: pd.DataFrame,
    published: Mapping[tuple[str, str], dict],
    data: Mapping[str, str],
    settings: dict,
    first: int | None = None,
) -> str:
    """The three tables as Markdown, comparison.csv as one for each track and scenario.

    `table`, `changes` and `gains` are comparison.csv, thread_effect.csv and gains.csv, `sound` the
    admitted runs. `published` holds the published logs that belong beside a (track, scenario), by
    competitor, `data` the name of each scenario's data set; `settings` is the config's section
    `comparison`, `first` how many rounds tell the spread, where not all do. The seconds are
    geometric means over the admitted rounds, whose quotient is the paired ratio where no round
    lacks a member.
    """
    confidence = f"{100 * settings['confidence']:g} %"
    seconds = sound.groupby([*CONTEST, "competitor"])[SECONDS].agg(_geometric_mean).to_dict()
    named = "; ".join(f"{scenario}: {name}" for scenario, name in data.items())
    stages = [TWO_STAGES.format(first)] if first else []
    parts = [INTRO.format(confidence), *stages, f"Images, as configured: {named}.\n"]
    for contest, pairs in table.groupby(CONTEST, sort=False):
        logs = published.get(contest, {})
        rows = []
        for row in pairs.itertuples():
            of_a, of_b = (seconds.get((*contest, name), np.nan) for name in (row.a, row.b))
            cells = {
                "A / B": f"{row.a} / {row.b}",
                "seconds": f"{_number(of_a)} / {_number(of_b)}",
                "ratio": _number(row.ratio),
                f"{confidence} interval": _interval(row),
                "rounds": str(row.rounds),
                "A is": row.words,
            }
            if logs:
                then = published_ratio(logs, row.a, row.b, settings["warmup_epochs"])
                cells["published ratio"] = _number(then)
            rows.append(cells)
        parts += [f"### {', '.join(contest)}\n", _table(rows)]
        if notes := _notes(pairs):
            parts.append(notes)
    if len(changes):
        parts += ["### From one scenario to another\n", _changes(changes, confidence)]
    if len(gains):
        parts += ["### What a track brings over another\n", _gains(gains, confidence)]
    return "\n".join(parts)


def _geometric_mean(seconds: pd.Series) -> float:
    return np.exp(np.log(seconds).mean())


def _notes(pairs: pd.DataFrame) -> str:
    """A line for each note on a pair; pairs with the same note share one."""
    lines = []
    for note, rows in pairs[pairs["notes"] != ""].groupby("notes", sort=False):
        names = ", ".join(f"{row.a} / {row.b}" for row in rows.itertuples())
        every = len(rows) == len(pairs) > 1
        lines.append(f"- {f'all {len(rows)} pairs' if every else names}: {note}.\n")
    return "".join(lines)


def _changes(changes: pd.DataFrame, confidence: str) -> str:
    rows = [
        {
            "track": row.track,
            "A / B": f"{row.a} / {row.b}",
            "from: ratio": f"{row.scenario_x}: {_number(row.ratio_x)}",
            "to: ratio": f"{row.scenario_y}: {_number(row.ratio_y)}",
            "change": _number(row.change),
            f"{confidence} interval": _interval(row),
            "rounds": str(row.rounds),
            "the ratio": row.verdict,
        }
        for row in changes.itertuples()
    ]
    return _table(rows)


def _gains(gains: pd.DataFrame, confidence: str) -> str:
    rows = [
        {
            "track / track": f"{row.track} / {row.improves}",
            "scenario": row.scenario,
            "competitor": row.competitor,
            "ratio": _number(row.ratio),
            f"{confidence} interval": _interval(row),
            "rounds": str(row.rounds),
            "verdict": row.verdict,
            "pays from epoch": _epochs(row.break_even),
            "interval of that": " to ".join(
                map(_epochs, [row.break_even_low, row.break_even_high])
            ),
        }
        for row in gains.itertuples()
    ]
    return _table(rows)


def _epochs(break_even: float) -> str:
    count = first_that_pays(break_even)
    return "?" if np.isnan(count) else "never" if np.isinf(count) else f"{count:.0f}"


def _table(rows: list[dict[str, str]]) -> str:
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _interval(row) -> str:
    return "" if np.isnan(row.low) else f"{row.low:.3f} to {row.high:.3f}"
