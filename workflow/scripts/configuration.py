"""Keep what the tables are made with, for whoever reads them or computes them again."""

import json
from pathlib import Path

from evenhand.core.program import log_to

if __name__ == "__main__":
    log_to(snakemake.log[0])
    content = json.dumps(snakemake.params.content, indent=1, ensure_ascii=False)
    Path(snakemake.output[0]).write_text(content, encoding="utf-8")
