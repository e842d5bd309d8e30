"""Compare competitors apart on each kind of machine that took part."""

from evenhand.comparison.compare import admit
from evenhand.comparison.nodes import by_fingerprint
from evenhand.core.program import log_to
from evenhand.core.tables import read_table, write_table

if __name__ == "__main__":
    log_to(snakemake.log[0])
    runs, audit, comparison = (
        read_table(snakemake.input[name]) for name in ("runs", "audit", "comparison")
    )
    params = snakemake.params
    table = by_fingerprint(admit(runs, audit), comparison, params.confidence, params.first)
    write_table(table, snakemake.output[0])
    print(table.to_string(index=False))
