"""Ratios by kind of machine: which nodes took part, and whether the answer depends on them.

A pair with intervals that do not overlap between two fingerprints has no one ratio.
"""

import sys

import inference
import pandas as pd
from compare import admit, of_scenario, pair
from tables import read_table

COLUMNS = ["track", "scenario", "a", "b", "fingerprint", "nodes", "rounds", "ratio", "low", "high"]


def by_fingerprint(
    sound: pd.DataFrame, comparison: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """One row for each pair of the comparison and each fingerprint.

    ``sound`` are the runs that the audit admits. A pair with a member that is not comparable has no
    row. Under two rounds there is a ratio and no interval. ``differs`` holds where the interval
    lies wholly beside that of another fingerprint of the same pair.
    """
    rows = []
    ranked = comparison[comparison["verdict"] != "not comparable"]
    for track, scenario, a, b in ranked[COLUMNS[:4]].itertuples(index=False):
        here = of_scenario(sound, track, scenario)
        node = here.drop_duplicates("round").set_index("round")["node"]
        for fingerprint, rounds in pair(here, a, b).groupby("fingerprint"):
            found = inference.effect(rounds["d"], confidence=confidence)
            nodes = ";".join(sorted(node[rounds.index].unique()))
            row = (track, scenario, a, b, fingerprint, nodes, len(rounds))
            rows.append((*row, found.ratio, found.low, found.high))
    table = pd.DataFrame(rows, columns=COLUMNS)
    beside = [
        ((pair["low"] > row.high) | (pair["high"] < row.low)).any()
        for row in table.itertuples()
        for pair in [table[(table[COLUMNS[:4]] == table.loc[row.Index, COLUMNS[:4]]).all(axis=1)]]
    ]
    return table.assign(differs=beside)


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    runs, audit, comparison = (
        read_table(snakemake.input[name]) for name in ("runs", "audit", "comparison")
    )
    table = by_fingerprint(admit(runs, audit), comparison, snakemake.params.confidence)
    table.to_csv(snakemake.output[0], index=False)
    print(table.to_string(index=False))
