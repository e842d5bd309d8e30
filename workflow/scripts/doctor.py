"""Show what the examinations found, a line each: ok or a remedy. One that failed fails the rule."""

import json
import sys
from pathlib import Path

from evenhand.rounds.examination import Loader, ask_scheduler, examined, lines, show

if __name__ == "__main__":
    examinations, surroundings = (
        [json.loads(Path(path).read_text()) for path in paths]
        for paths in (snakemake.input.examinations, snakemake.input.surroundings)
    )
    for examination, path in zip(examinations, snakemake.input.examinations, strict=True):
        examination["findings"].insert(0, examined(Path(path)))
    excluded, kept = snakemake.params.excluded, snakemake.params.kept
    # Those that failed at an earlier start are not examined again; they are shown again.
    found = [f"{name}: NO  {why}" for name, why in excluded.items()]
    found += lines(
        [{"competitor": name, "findings": [examined(Path(kept[name]))]} for name in excluded]
    )
    others = {"scheduler": ask_scheduler(snakemake.params.wants_gpu)}
    others |= snakemake.params.deployment
    loaders = {name: Loader(*of) for name, of in snakemake.params.loaders.items()}
    found += lines(examinations, surroundings, others, loaders, snakemake.params.threads)
    show(found, snakemake.log[0])
    failed = [*excluded, *(e["competitor"] for e in examinations if not e["fit"])]
    if failed:
        sys.exit(f"cannot train here, and excluded from rounds: {', '.join(failed)}")
