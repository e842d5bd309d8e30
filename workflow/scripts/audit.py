"""Check every record, rehearsal and round before anything is compared.

In the workflow it writes results/audit.csv. From the command line it prints its findings, and its
exit status is 0 if there are none, 3 if there are errors, 2 if it could not begin.

    python workflow/scripts/audit.py [results]
"""

import sys
from pathlib import Path

from evenhand.checks.audit import Audit, main
from evenhand.core.program import log_to

if __name__ == "__main__":
    if "snakemake" not in globals():
        sys.exit(main(sys.argv[1:]))
    log_to(snakemake.log[0])
    audit = Audit(Path("results"))
    given = (snakemake.input[kind] for kind in ("records", "rounds", "rehearsals"))
    audit.everything(*(map(Path, paths) for paths in given))
    audit.excluded(snakemake.params.excluded)
    audit.table().to_csv(snakemake.output[0], index=False)
    print(audit.table().to_string(index=False))
