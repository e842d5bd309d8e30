"""Place results, and the published ones, among those of many seeds."""

from pathlib import Path

from evenhand.checks import tutorial_check
from evenhand.core.config import saved
from evenhand.core.program import log_to
from evenhand.core.tables import read_table, write_table

if __name__ == "__main__":
    log_to(snakemake.log[0])
    table = tutorial_check.table(
        saved(Path(snakemake.input.configuration)),
        Path("results"),
        read_table(snakemake.input.epochs),
    )
    write_table(table, snakemake.output[0])
    print(f"{len(table)} values, {(table['consistency'] == 'inconsistent').sum()} inconsistent")
