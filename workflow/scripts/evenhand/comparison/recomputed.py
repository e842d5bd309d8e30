"""Every table computed again from the records, and what differs from it in a results folder.

Tables lie about as plain files that anybody can edit. They follow from the records, which are
sealed, and from what the rules `reference` and `distribution` computed.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from evenhand.checks import collect, gate, tutorial_check
from evenhand.comparison.compare import PAIR, RUN, admit
from evenhand.comparison.nodes import by_fingerprint
from evenhand.comparison.outcome import Outcome, outcome
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Run
from evenhand.core.tables import ENDINGS, as_read, cells, read_cells

ENGLISH = "workflow/scripts/evenhand/report/text.en.yaml"
MARKDOWN = "comparison.md"  # beside the tables, each known by its name without an ending
# What tells the rows of each table apart; rows that are alike in it are counted.
IDENTITY = {
    "runs": RUN,
    "epochs": [*RUN, "epoch"],
    "audit": [*RUN, "severity", "check"],
    "gate": [*RUN, "tier", "check"],
    "gate_steps": [*RUN, "tier", "step"],
    "tutorial_check": ["source", *tutorial_check.IDENTITY, "round", "epoch", "quantity"],
    "ranking": ["track", "scenario", "metric", "competitor", "baseline"],
    "comparison": PAIR,
    "remarks": [*PAIR, "remark"],
    "thread_effect": ["track", "a", "b", "scenario_x", "scenario_y"],
    "gains": ["track", "improves", "scenario", "competitor"],
    "claims": ["claim", "track", "scenario"],
    "loaders": ["track", "competitor", "scenario"],
    "sizes": ["track", "competitor"],
    "nodes": [*PAIR, "fingerprint"],
    MARKDOWN: ["line"],
}
OF_OUTCOME = [*Outcome._fields[:-1], MARKDOWN]
# The files in results/ that tables follow from.
RECORDS = {
    "runs": "runs/{track}/{scenario}/{round}/{competitor}.json",
    "rounds": "rounds/{track}/{scenario}/{round}.json",
    "rehearsals": "rehearsals/{track}/{scenario}/{rehearsed}/{competitor}.json",
    "restarts": "restarts/{track}/{scenario}/{rehearsed}/{competitor}.json",
}
# Logarithms and sums may differ in their last bits from one processor to another: so far apart may
# two numbers be, relative or, where that is more, absolute (the spacing of numbers below one).
ROUNDING = {"rel_tol": 1e-9, "abs_tol": 2.0**-52}
FLOAT = re.compile(r"\d+\.\d+(?:e[-+]\d+)?|\d+e-\d+")


# ---- Computed again --------------------------------------------------


def records(experiment: Experiment, results: Path) -> dict[str, list[Path]]:
    """The files of each kind that an experiment leaves, in the order of the rules' input."""
    gated = experiment.tracks_with("proof", "gate")
    of_some = {"rehearsals": (gated,), "restarts": (gated, True)}
    return {
        kind: [results / path for path in experiment.files_of_all(pattern, *of_some.get(kind, ()))]
        for kind, pattern in RECORDS.items()
    }


def tables(
    experiment: Experiment, results: Path, audit: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Every table by its name, and why there is none of some.

    `audit`: the findings about the runs, rounds and proofs of the experiment.
    """
    made, read, failed = {"audit": audit}, {"audit": as_read(audit)}, {}

    def make(names: Sequence[str], needs: Sequence[str], compute: Callable) -> None:
        """Compute tables from others, which the workflow's programs read from files."""
        if absent := [name for name in needs if name not in read]:
            failed.update(dict.fromkeys(names, f"it follows from {absent[0]}"))
            return
        try:
            computed = compute(*(read[name] for name in needs))
        except Exception as error:  # whatever damaged or missing files provoke
            failed.update(dict.fromkeys(names, f"{type(error).__name__}: {error}"))
            return
        for name, table in zip(names, computed, strict=True):
            made[name], read[name] = table, as_read(table)

    root, settings = experiment.root, experiment.config["comparison"]
    text = yaml.safe_load((root / ENGLISH).read_bytes())
    there = {
        kind: [path for path in paths if path.exists()]
        for kind, paths in records(experiment, results).items()
    }
    gated = experiment.tracks_with("proof", "gate")
    of_gated = [path for path in there["runs"] if Run.from_path(path).of.track in gated]
    proofs = [*there["rehearsals"], *there["restarts"]]
    make(
        ["runs", "epochs"],
        [],
        lambda: collect.tables(there["runs"], results, settings),
    )
    make(
        ["gate", "gate_steps"],
        ["audit"],
        lambda audit: gate.tables(experiment, results, of_gated, proofs, audit),
    )
    make(
        ["tutorial_check"],
        ["epochs"],
        lambda epochs: [tutorial_check.table(experiment, results, epochs)],
    )
    make(
        OF_OUTCOME,
        ["runs", "audit", "gate", "tutorial_check"],
        lambda *given: _tables(outcome(experiment, *given, text)),
    )
    make(
        ["nodes"],
        ["runs", "audit", "comparison"],
        lambda runs, audit, comparison: [
            by_fingerprint(
                admit(runs, audit), comparison, settings["confidence"], experiment.first_rounds
            )
        ],
    )
    return made, failed


def _tables(found: Outcome) -> tuple[pd.DataFrame, ...]:
    return *found[:-1], by_line(found.markdown)


def by_line(text: str) -> pd.DataFrame:
    """A text as a table of its lines, counted from 1."""
    lines = text.splitlines()
    return pd.DataFrame({"line": [str(n) for n in range(1, len(lines) + 1)], "text": lines})


# ---- Held against the files ------------------------------------------


def edited(
    results: Path, form: str, made: Mapping[str, pd.DataFrame], failed: Mapping[str, str]
) -> dict[Path, list[str]]:
    """What is wrong with the file of each table in a results folder, of those that are not right.

    `made` and `failed`: what `tables` gives; `form`: the ending of tables that grow with runs.
    """
    found = {}
    for name in IDENTITY:
        path = table_file(results, name, form)
        if not path.exists():
            found[path] = ["it is missing"]
        elif name in failed:
            found[path] = [f"it cannot be computed again: {failed[name]}"]
        else:
            try:
                found[path] = differences(name, path, made[name])
            except (OSError, ValueError) as error:
                found[path] = [f"it cannot be read: {error}"]
    return {path: phrases for path, phrases in found.items() if phrases}


def table_file(results: Path, name: str, form: str = "csv") -> Path:
    """Where a table lies: in this form, unless it is there in the other one alone."""
    if name == MARKDOWN:
        return results / name
    paths = [results / f"{name}{ending}" for ending in sorted(ENDINGS, key=f".{form}".__ne__)]
    return next((path for path in paths if path.exists()), paths[0])


def differences(name: str, path: Path, computed: pd.DataFrame) -> list[str]:
    """Where a table's file says something else; OSError or ValueError if it holds no table."""
    if name == MARKDOWN:
        in_file = by_line(path.read_text(encoding="utf-8"))
    else:
        in_file = read_cells(path)
    computed = cells(computed)
    return [] if in_file.equals(computed) else list(_differences(in_file, computed, IDENTITY[name]))


def _differences(
    in_file: pd.DataFrame, computed: pd.DataFrame, identity: list[str]
) -> Iterator[str]:
    """The same of two tables of text."""
    for column in computed.columns.difference(in_file.columns, sort=False):
        yield f"the column {column} is missing"
    for column in in_file.columns.difference(computed.columns, sort=False):
        yield f"there is no column {column}"
    if not set(identity) <= set(in_file.columns):
        return
    in_file, computed = _by_identity(in_file, identity), _by_identity(computed, identity)
    for row in computed.index.difference(in_file.index, sort=False):
        yield f"{_called(row, identity)}: the row is missing"
    for row in in_file.index.difference(computed.index, sort=False):
        yield f"{_called(row, identity)}: there is no such row"
    rows = computed.index.intersection(in_file.index, sort=False)
    if not rows.equals(in_file.index.intersection(computed.index, sort=False)):
        yield "the rows are in another order"
    columns = computed.columns.intersection(in_file.columns, sort=False)
    said, true = (table.loc[rows, columns].to_numpy() for table in (in_file, computed))
    for at, column in np.argwhere(said != true):
        if not same(said[at, column], true[at, column]):
            where = f"{_called(rows[at], identity)}, {columns[column]}"
            yield f"{where}: {said[at, column]!r}, computed {true[at, column]!r}"


def _by_identity(table: pd.DataFrame, identity: list[str]) -> pd.DataFrame:
    """The other columns, by what tells rows apart and the count of those that are alike in it."""
    return table.set_index([*identity, table.groupby(identity).cumcount()])


def _called(row: tuple, identity: list[str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(identity, row, strict=False) if value)


def same(cell: str, other: str) -> bool:
    """Whether two cells say the same, the numbers with a fraction in them but for rounding."""
    if FLOAT.sub("\0", cell) != FLOAT.sub("\0", other):
        return False
    numbers = (map(float, FLOAT.findall(text)) for text in (cell, other))
    return all(math.isclose(*pair, **ROUNDING) for pair in zip(*numbers, strict=True))
