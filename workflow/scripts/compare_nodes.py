"""Ratios by kind of machine: which nodes took part, and whether the answer depends on them.

A pair with intervals that do not overlap between two fingerprints has no one ratio.
"""

import sys
from itertools import combinations

import inference
import pandas as pd
from compare import admit, of_scenario, pair

COLUMNS = ["track", "scenario", "a", "b", "fingerprint", "nodes", "rounds", "ratio", "low", "high"]


def by_fingerprint(sound: pd.DataFrame, competitors: list[str], confidence: float) -> pd.DataFrame:
    """One row for each pair and fingerprint; ``sound`` are the runs that the audit admits.

    Under two rounds there is a ratio and no interval. ``differs`` holds where the interval lies
    wholly beside that of another fingerprint of the same pair.
    """
    rows = []
    for (track, scenario), _ in sound.groupby(["track", "scenario"], sort=False):
        here = of_scenario(sound, track, scenario)
        taking_part = [name for name in competitors if name in set(here["competitor"])]
        node = here.drop_duplicates("round").set_index("round")["node"]
        for b, a in combinations(taking_part, 2):
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
    runs, audit = pd.read_csv(snakemake.input.runs), pd.read_csv(snakemake.input.audit)
    table = by_fingerprint(
        admit(runs, audit), snakemake.params.competitors, snakemake.params.confidence
    )
    table.to_csv(snakemake.output[0], index=False)
    print(table.to_string(index=False))
