"""All that a comparison ends in, from the tables of what was measured and checked."""

from typing import NamedTuple

import pandas as pd

from evenhand.comparison.claims import judged
from evenhand.comparison.compare import (
    admit,
    compare,
    not_comparable,
    tests_of_differences,
)
from evenhand.comparison.loaders import loaders
from evenhand.comparison.markdown import markdown
from evenhand.comparison.ranking import ranking
from evenhand.comparison.remarks import remarks, with_notes
from evenhand.comparison.sizes import sizes
from evenhand.core import axes
from evenhand.core.claims import published_logs
from evenhand.core.experiment import Experiment


class Outcome(NamedTuple):
    """What the rule `compare` writes; docs/tables.md describes each."""

    ranking: pd.DataFrame
    comparison: pd.DataFrame
    remarks: pd.DataFrame
    thread_effect: pd.DataFrame
    gains: pd.DataFrame
    claims: pd.DataFrame
    loaders: pd.DataFrame
    sizes: pd.DataFrame
    markdown: str


def outcome(
    experiment: Experiment,
    runs: pd.DataFrame,
    audit: pd.DataFrame,
    gate: pd.DataFrame,
    check: pd.DataFrame,
    text: dict,
) -> Outcome:
    """The outcome of an experiment with these tables.

    `check`: results/tutorial_check.csv; `text`: the report's catalogue of English, in which remarks
    are put into words.
    """
    settings, competitors = experiment.config["comparison"], experiment.all_competitors
    published = {of: published_logs(experiment, *of) for of in experiment.contests}
    sound = admit(runs, audit)
    reasons = not_comparable(runs, gate, check, experiment.root)
    table, changes, gains = compare(
        runs,
        sound,
        reasons,
        competitors,
        experiment.improvements,
        settings,
        experiment.first_rounds,
    )
    tests = tests_of_differences(table, changes, gains)
    beside = remarks(table, tests, runs, sound, reasons, settings["spread_limit"])
    table = with_notes(table, beside, text)
    scenarios = experiment.config["scenarios"]
    data = {
        scenario: axes.dataset(scenarios[scenario]["dataset"], experiment.root)["label"]
        for _, scenario in experiment.contests  # of which the tables are
    }
    first = experiment.first_rounds
    whole = markdown(table, changes, gains, sound, published, data, settings, first)
    return Outcome(
        ranking=ranking(experiment, sound, reasons),
        comparison=table,
        remarks=beside,
        thread_effect=changes,
        gains=gains,
        claims=judged(experiment, table),
        loaders=loaders(experiment, sound, reasons),
        sizes=sizes(experiment, sound, reasons),
        markdown=whole,
    )
