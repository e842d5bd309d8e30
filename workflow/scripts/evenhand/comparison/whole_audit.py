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
    """Findings about all records in `results`, what is wrong with files of tables, and notes.

    Tables are about what the configuration asks for; there may be other records besides.
    """
    there = {
        kind: sorted(RESULTS.glob(re.sub(r"{\w+}", "*", pattern)))
        for kind, pattern in recomputed.RECORDS.items()
    }
    if not any(recomputed.table_file(RESULTS, name).exists() for name in recomputed.IDENTITY):
        return findings_about(there, {}, root), {}, ["no table has been made yet"]
    try:
        experiment = saved(CONFIGURATION, root)
    except Refused as error:
        wrong = {CONFIGURATION: [f"no table can be computed again: {error}"]}
        return findings_about(there, {}, root), wrong, []
    due = recomputed.records(experiment, RESULTS)
    found = findings_about(due, experiment.excluded, root)
    again = recomputed.tables(experiment, RESULTS, found)
    wrong = recomputed.edited(RESULTS, experiment.table_form, *again)
    if experiment.config["precision"]:
        first = recomputed.records(replace(experiment, fixed_rounds=()), RESULTS)
        if phrases := precision.changed(experiment, RESULTS, first["runs"], first["rounds"]):
            wrong[CONFIGURATION] = phrases
    whole = {kind: [*dict.fromkeys([*due[kind], *there[kind]])] for kind in recomputed.RECORDS}
    if whole != due:
        found = findings_about(whole, experiment.excluded, root)
    return found, wrong, [*unusual(experiment.config, root), *beyond(due, there)]


def findings_about(
    files: Mapping[str, list[Path]], excluded: Mapping[str, str], root: Path
) -> pd.DataFrame:
    """What the audit finds about these runs, rounds and proofs, as results/audit.csv has it."""
    audit = Audit(RESULTS, root)
    audit.everything(files["runs"], files["rounds"], [*files["rehearsals"], *files["restarts"]])
    audit.excluded(excluded)
    return audit.table()


def beyond(due: Mapping[str, list[Path]], there: Mapping[str, list[Path]]) -> list[str]:
    """How many records lie there that are not due, by kind: a smaller configuration hides them."""
    kinds = ("runs", "rehearsals", "restarts")
    records = [path for kind in kinds for path in set(there[kind]) - set(due[kind])]
    rounds = {path.parts[-4:-1] for path in records}
    found = f"{len(records)} records of {len(rounds)} rounds lie there that no table contains"
    return [f"{RESULTS}/: {found}"] if records else []


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
