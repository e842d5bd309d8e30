"""Made-up runs and proofs to compare, whose numbers are known."""

from itertools import product

import numpy as np
import pandas as pd
import yaml

from evenhand.comparison import compare, remarks
from evenhand.core.schemas import ROOT

COMPETITORS = ["pytorch-cpu", "mxnet-cpu", "numpy-cpu"]
SETTINGS = {"margin": 0.03, "confidence": 0.95, "spread_limit": 0.1, "warmup_epochs": 1}
AUDIT = [*compare.RUN, "severity", "check", "finding", "file"]
THREE = {"pytorch-cpu": 0.4, "mxnet-cpu": 0.8, "numpy-cpu": 0.4}
TWO = {"pytorch-cpu": 0.4, "mxnet-cpu": 0.8}
MXNET = ("mxnet-cpu", "pytorch-cpu")


def text(language: str = "en") -> dict:
    """The report's catalogue of a language."""
    path = ROOT / f"workflow/scripts/evenhand/report/text.{language}.yaml"
    return yaml.safe_load(path.read_bytes())


def make_runs(seconds, rounds=5, track="controlled", scenario="baseline", noise=0.01):
    """Runs of competitors with these seconds an epoch, under a drift that each round shares."""
    rng = np.random.default_rng(5)
    drift = 0.02 * np.arange(rounds)
    return pd.DataFrame(
        {
            "track": track,
            "scenario": scenario,
            "round": number,
            "competitor": competitor,
            "fingerprint": "quiet",
            compare.SECONDS: seconds[competitor] * np.exp(drift[number] + rng.normal(0, noise)),
        }
        for number, competitor in product(range(rounds), seconds)
    )


def two_scenarios(rounds=5):
    """Runs of two competitors of which one is nearly twice as fast with one thread."""
    many = make_runs({"pytorch-cpu": 5.2, "mxnet-cpu": 3.1}, rounds, "tutorial")
    one = make_runs({"pytorch-cpu": 3.0, "mxnet-cpu": 3.1}, rounds, "tutorial", "one-thread", 0.02)
    return pd.concat([many, one], ignore_index=True)


def make_gate(runs, **failed):
    """A gate that all pass, but those named (framework=cause)."""
    gate = runs[["track", "scenario", "competitor"]].drop_duplicates()
    causes = gate["competitor"].map({f"{name}-cpu": cause for name, cause in failed.items()})
    steps = causes.map({cause: 470.0 for cause in failed.values()})
    gate = gate.assign(tier="float64", check="steps", step=steps)
    return gate.assign(passed=causes.isna(), cause=causes, detail=None)


def make_check(runs, *inconsistent):
    """A check against the seeds that all pass, but those named."""
    rows = runs[["track", "scenario", "competitor"]].drop_duplicates()
    rows = rows.assign(source="rounds", epoch=4)
    rows[["framework", "device"]] = rows.pop("competitor").str.split("-", expand=True).to_numpy()
    rows = rows.assign(quantity="average_loss", runs=5, value=0.09, mean=0.0668, margin=0.002)
    failed = rows["framework"].isin(inconsistent)
    return rows.assign(consistency=np.where(failed, "inconsistent", "consistent"))


def make_audit(*findings):
    return pd.DataFrame([{"severity": "error", **finding} for finding in findings], columns=AUDIT)


def compared(runs, audit=None, gate=None, check=None, settings=SETTINGS):
    """The comparison with its notes, by pair within its track and scenario."""
    table, _ = with_remarks(runs, audit, gate, check, settings)
    return table.set_index(["a", "b"])


def with_remarks(runs, audit=None, gate=None, check=None, settings=SETTINGS):
    """The comparison with its notes, and the table of remarks."""
    gate = make_gate(runs) if gate is None else gate
    check = make_check(runs) if check is None else check
    sound = compare.admit(runs, make_audit() if audit is None else audit)
    reasons = compare.not_comparable(runs, gate, check)
    table, *others = compare.compare(runs, sound, reasons, COMPETITORS, [], settings)
    assert list(table.columns) == compare.COMPARISON
    tests = compare.tests_of_differences(table, *others)
    beside = remarks.remarks(table, tests, runs, sound, reasons, settings["spread_limit"])
    return remarks.with_notes(table, beside, text()), beside
