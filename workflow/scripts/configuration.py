"""Keep what the tables are made with, for whoever reads them or computes them again."""

import json
from pathlib import Path

from evenhand.core.program import log_to

if __name__ == "__main__":
    log_to(snakemake.log[0])
    facts = [json.loads(Path(path).read_text()) for path in snakemake.input.datasets]
    unknown = [of["dataset"] for of in facts if not of["original"]]
    rounds = [json.loads(Path(path).read_text()) for path in snakemake.input.rounds]
    fixed = [of for content in rounds for of in content["contests"]]
    content = snakemake.params.content | {"unknown_images": unknown, "fixed_rounds": fixed}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    Path(snakemake.output[0]).write_text(text, encoding="utf-8")
