"""Gather the records into two tidy tables: one row a run, one row an epoch."""

from pathlib import Path

from evenhand.checks import collect
from evenhand.core.program import log_to
from evenhand.core.tables import write_table

if __name__ == "__main__":
    log_to(snakemake.log[0])
    records = map(Path, snakemake.input.records)
    runs, epochs = collect.tables(records, Path("results"), snakemake.params.settings)
    write_table(runs, snakemake.output.runs)
    write_table(epochs, snakemake.output.epochs)
    print(f"{len(runs)} runs, {len(epochs)} epochs")
