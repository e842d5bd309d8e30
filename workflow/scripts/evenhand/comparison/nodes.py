"""Ratios by kind of machine: which nodes took part, and whether the answer depends on them.

A kind of machine is a fingerprint: processor, cores, memory, GPU. That of a pair is `a / b` where
its members have different ones, since only one of the two used a GPU. A pair whose intervals on two
kinds do not overlap has no single ratio.
"""

import pandas as pd

from evenhand.comparison import inference
from evenhand.comparison.compare import PAIR, among_first, of_scenario, pair

COLUMNS = [*PAIR, "fingerprint", "nodes", "rounds", "ratio", "low", "high"]


def by_fingerprint(
    sound: pd.DataFrame, comparison: pd.DataFrame, confidence: float, first: int | None = None
) -> pd.DataFrame:
    """One row for each pair of the comparison and each fingerprint.

    `sound` are the runs that the audit admits; `first` is the experiment's number of rounds that
    tell the spread, of which those on the same kind of machine do. A pair with a member that is not
    comparable has no row. Under two rounds that tell a spread there is no interval. `differs` holds
    where the interval does not overlap with that of another fingerprint of the same pair.
    """
    rows = []
    ranked = comparison[comparison["verdict"] != "not comparable"]
    for track, scenario, a, b in ranked[PAIR].itertuples(index=False):
        here = of_scenario(sound, track, scenario)
        node = here.drop_duplicates("round").set_index("round")["node"]
        for fingerprint, rounds in pair(here, a, b).groupby("fingerprint"):
            telling = among_first(rounds.index, first)
            found = inference.effect(rounds["d"], confidence=confidence, first=telling)
            nodes = ";".join(sorted(node[rounds.index].unique()))
            row = (track, scenario, a, b, fingerprint, nodes, len(rounds))
            rows.append((*row, found.ratio, found.low, found.high))
    table = pd.DataFrame(rows, columns=COLUMNS)
    # An interval lies apart from another if and only if it does from the outermost ends of all.
    of_pair = table.groupby(PAIR)
    above = table["low"] > of_pair["high"].transform("min")
    below = table["high"] < of_pair["low"].transform("max")
    return table.assign(differs=above | below)
