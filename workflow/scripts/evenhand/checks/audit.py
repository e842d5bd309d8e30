"""Check every record and every round before anything is compared.

audit_record.py has the checks of one record, audit_round.py those of runs beside one another.
"""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd
from jsonschema_rs import Draft202012Validator

from evenhand.checks import audit_record, audit_round, findings
from evenhand.checks.audit_round import Excerpt
from evenhand.checks.findings import Finding, Subject
from evenhand.core.identity import Competitor, Proof, Round, Run, losses_path, proof
from evenhand.core.schemas import ROOT, schema
from toolbox.record import Record, is_sealed


class Audit:
    """Findings about the records and rounds of one results folder.

    `root`: the project whose code and locks they are held against.
    """

    def __init__(self, results: Path, root: Path = ROOT):
        self.results, self.project = results, audit_record.Project(results, root)
        self.rows: list[dict] = []
        self.record_schema, self.round_schema = validator("record"), validator("round")
        self.core_flops: dict[str, float] = {}  # what machines can do, by their fingerprints
        self.seen: dict[str, Run | Proof] = {}  # by the ids of records
        self.runs: dict[Run, Excerpt] = {}

    def table(self) -> pd.DataFrame:
        return findings.table(self.rows)

    def add(self, subject: Subject, *found: Finding) -> None:
        self.rows += [findings.row(subject, finding, self.results) for finding in found]

    def everything(
        self, records: Iterable[Path], rounds: Iterable[Path], proofs: Iterable[Path]
    ) -> None:
        """Audit these rounds, the records that belong to them, and proofs: rehearsals, restarts.

        The records of one round at a time are in memory, and of the others what rounds are compared
        by: all of them together may be too large.
        """
        by_round: dict[Round, list[Run]] = {}
        for run in map(Run.from_path, records):
            by_round.setdefault(run.of, []).append(run)
        opened = {round_: self.round(round_) for round_ in map(Round.from_path, rounds)}
        self.core_flops = audit_round.fastest_cores(opened.values())
        members: dict[Round, dict[Run, Excerpt]] = {}
        for round_ in dict.fromkeys([*by_round, *opened]):
            content = opened.get(round_)
            read = {run: self.record(run, content) for run in by_round.get(round_, [])}
            read = {run: record for run, record in read.items() if record is not None}
            members[round_] = {
                run: Excerpt.of(record, self.project.losses(losses_path(run.path(self.results))))
                for run, record in read.items()
            }
            if content is not None:
                found = audit_round.members(round_, content, read, members[round_])
                for subject, finding in found:
                    self.add(subject, finding)
        for subject in map(proof, proofs):
            self.record(subject, opened.get(subject.of))
        for subject, finding in audit_round.between_rounds(opened, members, self.results):
            self.add(subject, finding)
        self.runs = {run: of for of_round in members.values() for run, of in of_round.items()}
        for subject, finding in audit_round.one_at_a_time(self.runs, self.results):
            self.add(subject, finding)

    def beside(self, others: "Audit") -> None:
        """Hold everything against what another audit has read, whose own findings do not count."""
        for name in self.seen.keys() & others.seen.keys():
            self.add(self.seen[name], self.same_as(others.seen[name]))
        for subject, finding in audit_round.beside(self.runs, others.runs, self.results):
            self.add(subject, finding)

    def excluded(self, reasons: Mapping[str, str]) -> None:
        """Name the competitors that were requested and excluded, with the reason."""
        for competitor, why in reasons.items():
            finding = Finding("excluded", f"it failed its examination: {why}", "note")
            self.add(Competitor.parse(competitor), finding)

    def round(self, round_: Round) -> dict | None:
        """The content of the file that opened a round, checked by itself; None if unusable."""
        content = self.read(round_, round_.path(self.results), self.round_schema)
        if content and [content[key] for key in ("track", "scenario", "round")] != [
            *(round_.track, round_.scenario, round_.number)
        ]:
            self.add(round_, Finding("identity", "the file tells of another round than its path"))
        if content:
            self.add(round_, *audit_round.opening(content))
        return content

    def record(self, subject: Run | Proof, opened: dict | None) -> Record | None:
        """A record, checked by itself and against its round; None if it is none."""
        path = subject.path(self.results)
        content = self.read(subject, path, self.record_schema)
        if content is None:
            return None
        record = Record.from_dict(content)
        if record.id in self.seen:
            self.add(subject, self.same_as(self.seen[record.id]))
        self.seen.setdefault(record.id, subject)
        self.add(subject, *audit_record.check(record, path, subject, self.project))
        self.add(subject, *audit_round.member(record, subject, opened, self.core_flops))
        return record

    def same_as(self, subject: Run | Proof) -> Finding:
        return Finding("duplicate", f"the same run as {subject.path(self.results)}")

    def read(
        self, subject: Run | Proof | Round, path: Path, schema: Draft202012Validator
    ) -> dict | None:
        """The content of a file that follows its schema; otherwise a finding and None."""
        try:
            content = json.loads(path.read_text(), parse_constant=finite, parse_float=finite)
        except FileNotFoundError:
            self.add(subject, Finding("missing", "the file is not there"))
            return None
        except ValueError as error:
            found = f"not whole JSON with finite numbers: {error}"
            self.add(subject, Finding("schema", found))
            return None
        for error in schema.iter_errors(content):
            at = ".".join(map(str, error.instance_path)) or "the file"
            self.add(subject, Finding("schema", f"{at}: {error.message[:200]}"))
            return None
        if not is_sealed(content):
            found = "changed after it was written: the seal does not fit"
            self.add(subject, Finding("seal", found))
        return content


def validator(name: str) -> Draft202012Validator:
    """Of a schema in workflow/schemas, dates and times included."""
    formats = {"date-time": is_date_and_time}
    options = {"validate_formats": True, "formats": formats}
    # What stands in place of a node's alias, say, is not repeated: findings are for everybody.
    return Draft202012Validator(schema(name), mask="the value", **options)


def is_date_and_time(text: str) -> bool:
    """Whether a text is a date and time with its time zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def finite(number: str) -> float:
    """The number in a JSON text, or ValueError if it is not finite."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is not a finite number")
    return value
