"""Hold every run of a gated track against the reference."""

from pathlib import Path

from evenhand.checks import gate
from evenhand.core.experiment import Experiment
from evenhand.core.program import log_to
from evenhand.core.tables import read_table, write_table

if __name__ == "__main__":
    log_to(snakemake.log[0])
    checks, steps = gate.tables(
        Experiment(snakemake.config, snakemake.params.excluded),
        Path("results"),
        map(Path, snakemake.input.records),
        map(Path, snakemake.input.proofs),
        read_table(snakemake.input.audit),
    )
    write_table(checks, snakemake.output.checks)
    write_table(steps, snakemake.output.steps)
    print(f"{len(checks)} checks, {(~checks['passed'].astype(bool)).sum()} not passed")
