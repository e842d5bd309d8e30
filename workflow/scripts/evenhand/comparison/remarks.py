"""What a reader must know beside a verdict, computed once and put into words in any language.

results/remarks.csv has a row for each remark: its pair, its code and its details. The words are in
evenhand/report/text.{language}.yaml under `remarks`, by code: comparison.csv, comparison.md and the
report say the same. docs/tables.md lists the codes.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter

import pandas as pd

from evenhand.comparison.compare import (
    BOTH,
    PAIR,
    Reasons,
    of_scenario,
    pair,
)

FEW_ROUNDS = 5  # below this many, a remark says so loudly
COLUMNS = [*PAIR, "remark", "details"]

# How a number among the details is written; percentages are written as the language has them.
NUMBERS = {"value": ".4f", "margin": ".4f", "mean": ".4f"}
PERCENTAGES = {"spread": ".0f", "limit": "g"}


def remarks(
    comparison: pd.DataFrame,
    tests: int,
    runs: pd.DataFrame,
    sound: pd.DataFrame,
    reasons: Reasons,
    spread_limit: float,
) -> pd.DataFrame:
    """The remarks on each row of the comparison, a pair's most serious first.

    `tests`: how many tests of differences share one family; `sound` are the admitted of
    `runs`; `reasons` say who is not comparable. Columns: track, scenario, a, b, remark (its code),
    details (JSON: what the sentence names).
    """
    rows = []
    for row in comparison.itertuples():
        opened = of_scenario(runs, row.track, row.scenario)["round"]
        paired = pair(of_scenario(sound, row.track, row.scenario), row.a, row.b)
        of_row = [
            *_reasons(row, reasons),
            *_about_rounds(row, opened, paired),
            *_about_spread(row, spread_limit),
            *_about_adjustment(row, tests),
        ]
        for code, details in of_row:
            details = json.dumps(details, ensure_ascii=False)
            rows.append((row.track, row.scenario, row.a, row.b, code, details))
    return pd.DataFrame(rows, columns=COLUMNS)


def _reasons(row, reasons: Reasons) -> Iterator[tuple[str, dict]]:
    """Why one of the two is not comparable."""
    for name in (row.a, row.b):
        if (key := (row.track, row.scenario, name)) in reasons:
            yield reasons[key]


def _about_rounds(row, opened: pd.Series, paired: pd.DataFrame) -> Iterator[tuple[str, dict]]:
    """What is to be known of the rounds: `paired` is what compare.pair gives of them."""
    if len(paired) < FEW_ROUNDS:
        yield "few_rounds", {"count": len(paired), "least": FEW_ROUNDS}
    machines = {name: rounds.tolist() for name, rounds in _by_machine(paired)}
    if len(machines) > 1:
        yield "machines", {"machines": machines}
    if unpaired := sorted(set(opened.tolist()) - set(paired.index.tolist())):
        yield "unpaired", {"rounds": unpaired}
    if row.outliers and pd.notna(row.outliers):
        yield "outliers", {"rounds": [int(number) for number in row.outliers.split(";")]}


def _by_machine(paired: pd.DataFrame) -> Iterable[tuple[str, pd.Index]]:
    return paired.groupby("fingerprint", sort=False).groups.items()


def _about_spread(row, limit: float) -> Iterator[tuple[str, dict]]:
    """Whose times vary between rounds by more than the limit."""
    for name, spread in ((row.a, row.spread_a), (row.b, row.spread_b)):
        if spread > limit:
            yield "spread", {"name": name, "spread": spread, "limit": limit}


def _about_adjustment(row, tests: int) -> Iterator[tuple[str, dict]]:
    """Whether the pair alone would have been decided."""
    if row.verdict == "undecided" and not row.low <= 1 <= row.high:
        yield "adjusted", {"tests": tests}


# ---- In words --------------------------------------------------------


def phrases(rows: pd.DataFrame, text: dict, label: Callable[[str], str] = str) -> list[str]:
    """Each remark as a phrase that stands beside its pair, in the order of the rows.

    `rows`: some of the remarks; `text`: the report's catalogue of a language; `label`: how a
    competitor is called.
    """
    return [
        _phrase(code, json.loads(details), text, label)
        for code, details in zip(rows["remark"], rows["details"], strict=True)
    ]


def sentences(rows: pd.DataFrame, text: dict, label: Callable[[str], str]) -> list[str]:
    """The remarks on the pairs of one track and scenario as sentences, each once.

    A sentence about a single competitor names that one; any other names its pair. Arguments as for
    `phrases`.
    """
    said = []
    for row, phrase in zip(rows.to_dict("records"), phrases(rows, text, label), strict=True):
        form = text["remarks"]["of_one" if "name" in json.loads(row["details"]) else "of_pair"]
        said.append(form.format(a=label(row["a"]), b=label(row["b"]), remark=phrase))
    return list(dict.fromkeys(said))


def with_notes(comparison: pd.DataFrame, rows: pd.DataFrame, text: dict) -> pd.DataFrame:
    """The comparison with a column `notes`: each row's remarks in words, most serious first."""
    of_pair = itemgetter(*PAIR)
    notes = {
        key: text["semicolon"].join(phrases(pd.DataFrame(own), text))
        for key, own in groupby(rows.to_dict("records"), of_pair)
    }
    # plain text: what a typeset page keeps together with no-break spaces has common ones here
    return comparison.assign(
        notes=[
            notes.get(of_pair(row), "").replace("\N{NO-BREAK SPACE}", " ")
            for row in comparison.to_dict("records")
        ]
    )


def counted(forms: dict, count: float, **fields) -> str:
    """Singular or plural, as the language has it; `fields`: what else the forms name."""
    return forms["one" if count == 1 else "many"].format(count=f"{count:,.0f}", **fields)


def _phrase(code: str, details: dict, text: dict, label: Callable[[str], str]) -> str:
    """One remark in words."""
    words, said = text["remarks"], dict(details)
    for key, form in NUMBERS.items():
        if key in said:
            said[key] = format(said[key], form)
    for key, form in PERCENTAGES.items():
        if key in said:
            said[key] = text["percent"].format(value=format(100 * said[key], form))
    if "name" in said:
        said["name"] = label(said["name"])
    if "rounds" in said:
        said["rounds"] = _rounds(said["rounds"], text)
    if code == "no_proof":
        said["proof"] = words["proofs"][said["proof"]]
    elif code == "gate_failed":
        said["cause"] = text["gate"]["causes"][said["cause"]].format(detail=said["detail"])
        said["check"] = text["gate"]["checks"][said["check"]]
        said["step"] = words["step"].format(step=said["step"]) if said["step"] else ""
    elif code == "inconsistent":
        said["quantity"] = text["quantities"][said["quantity"]]
        said["runs"] = counted(text["rounds"], said["runs"])
    elif code == "few_rounds":
        return counted(words[code], **said)
    elif code == "machines":
        machines = [
            words["machine"].format(machine=_short(name), rounds=_rounds(rounds, text))
            for name, rounds in said["machines"].items()
        ]
        said |= {"count": len(machines), "machines": text["comma"].join(machines)}
    return words[code].format(**said)


def _rounds(numbers: list[int], text: dict) -> str:
    listed = text["comma"].join(map(str, numbers))
    return counted(text["remarks"]["rounds"], len(numbers), rounds=listed)


def _short(kind: str) -> str:
    """A kind of machine by the beginnings of its fingerprints."""
    return BOTH.join(fingerprint[:12] for fingerprint in kind.split(BOTH))
