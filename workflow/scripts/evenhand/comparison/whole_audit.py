"""The audit from the command line: of what was recorded, then of the tables that follow from it."""

import argparse
import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from evenhand.checks.audit import Audit
from evenhand.comparison import precision, recomputed
from evenhand.core.config import checked, saved
from evenhand.core.schemas import ROOT, Refused

RESULTS = Path("results")  # as the workflow calls it: findings and tables hold such paths
CONFIGURATION = RESULTS / "configuration.json"
DECISIVE = ("comparison", "gate")  # sections of the configuration that verdicts rest on
SHOWN = 5  # differences of each table


def main(argv: list[str], root: Path = ROOT) -> int:
    """Audit a results folder, made by the code of `root`: the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS)
    results = parser.parse_args(argv).results
    if not results.is_dir():
        parser.error(f"there is no folder {results}")
    with called_results(results):
        findings, wrong, said = audited(root)
    if not findings.empty:
        print(findings.drop(columns=["framework", "device"]).to_string(index=False))
    for path, phrases in wrong.items():
        more = [f"and {len(phrases) - SHOWN} more"] if len(phrases) > SHOWN else []
        said += [f"{path}: {phrase}" for phrase in [*phrases[:SHOWN], *more]]
    if wrong:
        said.append("Remove what was edited, and the workflow makes it again from the records.")
    errors = int((findings["severity"] == "error").sum())
    said.append(f"{errors} errors, {len(findings) - errors} notes, {len(wrong)} tables differ")
    print(*said, sep="\n")
    return 3 if errors or wrong else 0


@contextlib.contextmanager
def called_results(folder: Path) -> Iterator[None]:
    """Work where a folder is called `results`, as it was where its tables were made."""
    with tempfile.TemporaryDirectory() as elsewhere:
        Path(elsewhere, RESULTS).symlink_to(folder.resolve())
        with contextlib.chdir(elsewhere):
            yield


def audited(root: Path) -> tuple[pd.DataFrame, dict[Path, list[str]], list[str]]:
    """Findings about the records in `results`, what is wrong with files of tables, and notes.

    Tables are about what the configuration asks for. There may be other records besides, made for
    another configuration, for an earlier opening of a round, or with earlier code: they are named.
    """
    there = {
        kind: sorted(RESULTS.glob(re.sub(r"{\w+}", "*", pattern)))
        for kind, pattern in recomputed.RECORDS.items()
    }
    if not any(recomputed.table_file(RESULTS, name).exists() for name in recomputed.IDENTITY):
        return audit_of(there, {}, root).table(), {}, ["no table has been made yet"]
    try:
        experiment = saved(CONFIGURATION, root)
    except Refused as error:
        wrong = {CONFIGURATION: [f"no table can be computed again: {error}"]}
        return audit_of(there, {}, root).table(), wrong, []
    due = recomputed.records(experiment, RESULTS)
    audit = audit_of(due, experiment.excluded, root)
    again = recomputed.tables(experiment, RESULTS, audit.table())
    wrong = recomputed.edited(RESULTS, experiment.table_form, *again)
    if experiment.config["precision"]:
        first = recomputed.records(replace(experiment, fixed_rounds=()), RESULTS)
        if phrases := precision.changed(experiment, RESULTS, first["runs"], first["rounds"]):
            wrong[CONFIGURATION] = phrases
    beyond = {kind: sorted({*there[kind]} - {*due[kind]}) for kind in due}
    # These may be at odds with today's rounds and code, since nobody runs them again. No run in the
    # tables may be one of them, though.
    audit.beside(audit_of(beyond, {}, root))
    return audit.table(), wrong, [*unusual(experiment.config, root), *named(beyond)]


def audit_of(files: Mapping[str, list[Path]], excluded: Mapping[str, str], root: Path) -> Audit:
    """The audit of these runs, rounds and proofs; its table is what results/audit.csv has."""
    audit = Audit(RESULTS, root)
    audit.everything(files["runs"], files["rounds"], [*files["rehearsals"], *files["restarts"]])
    audit.excluded(excluded)
    return audit


def named(beyond: Mapping[str, list[Path]]) -> list[str]:
    """Which records lie there that are not due: a smaller configuration hides them."""
    records = [path for kind in ("runs", "rehearsals", "restarts") for path in beyond[kind]]
    rounds = {path.parts[-4:-1] for path in records}
    found = f"{len(records)} records of {len(rounds)} rounds lie there that no table contains"
    more = [f"{len(records) - SHOWN} more"] if len(records) > SHOWN else []
    paths = ", ".join([*map(str, records[:SHOWN]), *more])
    return [f"{RESULTS}/: {found}: {paths}"] if records else []


def unusual(config: dict, root: Path) -> list[str]:
    """The settings that verdicts rest on and that are not the default ones.

    Whoever can edit tables can edit the configuration that they are held against.
    """
    usual = checked({}, root)
    return [
        f"{CONFIGURATION}: {section}.{key} is {value}, by default {usual[section][key]}"
        for section in DECISIVE
        for key, value in config[section].items()
        if value != usual[section][key]
    ]
