"""How many rounds each contest has in all, where the configuration asks for a precision.

It is fixed once, by the spread of the first rounds alone: results/rounds.json. docs/statistics.md
explains why the intervals keep their promise. docs/tables.md has every key.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from evenhand.checks import collect
from evenhand.checks.audit import Audit
from evenhand.comparison.compare import admit, of_scenario, pair
from evenhand.comparison.inference import rounds_for_precision
from evenhand.core.experiment import Experiment


def fixed(
    experiment: Experiment, results: Path, records: Sequence[Path], rounds: Sequence[Path]
) -> dict:
    """What results/rounds.json holds, from the records of the first rounds and what opened these.

    Those that the audit of these rounds admits count. ValueError where no record can be read.
    """
    audit = Audit(results, experiment.root)
    audit.everything(records, rounds, [])
    there = [path for path in records if path.exists()]
    runs, _ = collect.tables(there, results, experiment.config["comparison"])
    sound = admit(runs, audit.table())
    contests = [contest(experiment, sound, *of) for of in experiment.contests]
    return experiment.fixing | {"contests": contests}


def contest(experiment: Experiment, sound: pd.DataFrame, track: str, scenario: str) -> dict:
    """What is fixed for a track and scenario: as many rounds as its most scattered pair wants.

    `sound`: the admitted runs of the first rounds. A pair that has lost some of these wants as many
    more. One of which fewer than two are left has no say.
    """
    settings = experiment.fixing
    here, pairs = of_scenario(sound, track, scenario), []
    for b, a in combinations(experiment.competitors(track), 2):
        d = pair(here, a, b)["d"].to_numpy()
        if len(d) > 1:
            needed = rounds_for_precision(d, settings["precision"], settings["confidence"])
            wanted = int(needed) + settings["rounds"] - len(d)
            spread = float(np.std(d, ddof=1))
            pairs.append({"a": a, "b": b, "rounds": len(d), "spread": spread, "wanted": wanted})
    wanted = max((of["wanted"] for of in pairs), default=settings["rounds"])
    count = min(wanted, settings["rounds_at_most"])
    return {"track": track, "scenario": scenario, "wanted": wanted, "all": count, "pairs": pairs}


def in_words(of: Mapping, first: int) -> str:
    """A line about a contest, of those that `fixed` gives."""
    cut = f", of {of['wanted']} wanted" if of["all"] < of["wanted"] else ""
    return f"{of['track']} {of['scenario']}: {first} rounds, then {of['all']} in all{cut}"


def changed(experiment: Experiment, *first) -> list[str]:
    """Where the numbers that the experiment has are not those that its first rounds give.

    `first`: what `fixed` is given besides.
    """
    try:
        contests = fixed(experiment, *first)["contests"]
    except ValueError as error:
        return [f"the number of rounds cannot be fixed again: {error}"]
    return [
        f"{of['track']} {of['scenario']}: {given} rounds in all, by the first it is {of['all']}"
        for of in contests
        for given in [experiment.rounds(of["track"], of["scenario"])]
        if given != of["all"]
    ]
