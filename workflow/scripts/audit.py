"""Check every record, proof and round before anything is compared.

In the workflow it writes results/audit.csv. From the command line it prints its findings, computes
all tables that follow from the records again, and names what differs in their files. Its exit
status is 0 if nothing is wrong, 3 if there are errors or edited tables, 2 if it could not begin.

    python workflow/scripts/audit.py [results]
"""

import sys
from pathlib import Path

from evenhand.checks.audit import Audit
from evenhand.core.program import log_to

if __name__ == "__main__":
    if "snakemake" not in globals():
        from evenhand.comparison.whole_audit import main

        sys.exit(main(sys.argv[1:]))
    log_to(snakemake.log[0])
    audit = Audit(Path("results"))
    given = (snakemake.input[kind] for kind in ("records", "rounds", "proofs"))
    audit.everything(*(map(Path, paths) for paths in given))
    audit.excluded(snakemake.params.excluded)
    audit.table().to_csv(snakemake.output[0], index=False)
    print(audit.table().to_string(index=False))
