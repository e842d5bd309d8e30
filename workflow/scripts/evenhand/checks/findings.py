"""What the audit finds, and what it is about: the rows of results/audit.csv."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from evenhand.core.identity import Competitor, Proof, Rehearsal, Restart, Round, Run

COLUMNS = ["track", "scenario", "round", "framework", "device", "competitor"]
COLUMNS += ["severity", "check", "finding", "file"]

Subject = Run | Proof | Round | Competitor


class Finding(NamedTuple):
    """A check that something did not pass; `error` keeps it out of rankings, `note` is shown."""

    check: str
    finding: str
    severity: str = "error"


def row(subject: Subject, finding: Finding, results: Path) -> dict:
    """The finding with what its subject is called and where its file lies."""
    match subject:
        case Run():
            where = _round(subject.of) | _competitor(subject.competitor)
        case Rehearsal() | Restart():  # without a round, since no timed run is concerned
            where = {"track": subject.of.track, "scenario": subject.of.scenario}
            where |= _competitor(subject.competitor)
        case Round():
            where = _round(subject)
        case Competitor():
            return _competitor(str(subject)) | finding._asdict()
    return where | finding._asdict() | {"file": str(subject.path(results))}


def table(rows: list[dict]) -> pd.DataFrame:
    """The rows, sorted by what they are about."""
    made = pd.DataFrame(rows, columns=COLUMNS).astype({"round": "Int64"})
    return made.sort_values([*COLUMNS[:3], "competitor", "severity", "check"])


def _round(round_: Round) -> dict:
    return {"track": round_.track, "scenario": round_.scenario, "round": round_.number}


def _competitor(name: str) -> dict:
    framework, device = Competitor.parse(name)
    return {"competitor": name, "framework": framework, "device": device}
