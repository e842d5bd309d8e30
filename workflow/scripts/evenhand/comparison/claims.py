"""What becomes of published claims in the scenarios that have their settings."""

import pandas as pd

from evenhand.comparison.compare import of_scenario
from evenhand.core.claims import claims_about, logs_of, published_ratio
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor

CLAIMS = [
    *("claim", "track", "scenario", "faster", "slower", "claimed", "logged"),
    *("rounds", "ratio", "low", "high", "verdict", "status"),
]
OPPOSITE = {"faster": "slower", "slower": "faster"}


def status(verdict: str, ratio: float, low: float, high: float, claimed: float) -> str:
    """Does a claimed ratio of times, below 1, hold? `low` to `high` is the interval of `ratio`.

    The claim needs an interval that reaches it and lies, in logarithms, nearer to it than to 1: one
    so wide that it merely reaches the claim proves nothing.
    """
    if verdict == "same" or (verdict in ("faster", "slower") and ratio > 1):
        return "no longer"
    if verdict == "faster" and low > claimed:
        return "changed"
    if verdict == "faster" and high < claimed**0.5:
        return "holds"
    return "undecided"


def mirrored(comparison: pd.DataFrame) -> pd.DataFrame:
    """The same comparisons, of b vs. a."""
    return comparison.rename(columns={"a": "b", "b": "a"}).assign(
        ratio=1 / comparison["ratio"],
        low=1 / comparison["high"],
        high=1 / comparison["low"],
        verdict=comparison["verdict"].replace(OPPOSITE),
    )


def judged(experiment: Experiment, comparison: pd.DataFrame) -> pd.DataFrame:
    """What claims.csv holds: each claim in each track and scenario that has its settings.

    `comparison`: the table of pairs. `logged`: what a claim's own logs give by our rule. Images
    that are not known as the data set's own decide nothing.
    """
    pairs, rows = pd.concat([comparison, mirrored(comparison)]), []
    warm_up = experiment.config["comparison"]["warmup_epochs"]
    for track, scenario in experiment.contests:
        here = of_scenario(pairs, track, scenario)
        for name, claim in claims_about(experiment, track, scenario).items():
            a, b = (
                str(Competitor(claim["ratio"][role], claim["device"]))
                for role in ("faster", "slower")
            )
            for row in here[(here["a"] == a) & (here["b"] == b)].itertuples():
                claimed, logs = claim["ratio"]["at_most"], logs_of(claim)
                interval = row.ratio, row.low, row.high
                values = [
                    name,
                    track,
                    scenario,
                    a,
                    b,
                    claimed,
                    published_ratio(logs, a, b, warm_up),
                ]
                known = experiment.has_own_images(scenario)
                fate = status(row.verdict, *interval, claimed) if known else "undecided"
                rows.append([*values, row.rounds, *interval, row.verdict, fate])
    return pd.DataFrame(rows, columns=CLAIMS)
