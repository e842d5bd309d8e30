"""Let a competitor take part in rounds if it can train; if not, say why on the terminal."""

import json
import sys
from pathlib import Path

from evenhand.rounds.examination import lines, show

if __name__ == "__main__":
    examination = json.loads(Path(snakemake.input.examination).read_text())
    if not examination["fit"]:
        show(lines([examination]), snakemake.log[0])
        sys.exit(
            f"{examination['competitor']} cannot train here; started again, Snakemake excludes it"
        )
