"""Let a competitor into rounds if its examination found it fit; if not, say why on the terminal."""

import json
import sys
from pathlib import Path

from doctor import lines, tell

if __name__ == "__main__":
    verdict = json.loads(Path(snakemake.input.verdict).read_text())
    if not verdict["fit"]:
        tell(lines([verdict]), snakemake.log[0])
        sys.exit(f"unfit: {verdict['competitor']}. Started again, Snakemake leaves that out.")
