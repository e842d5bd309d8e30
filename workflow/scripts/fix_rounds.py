"""Fix how many rounds each contest has in all, by the spread of the first."""

import json
from pathlib import Path

from evenhand.comparison.precision import fixed, in_words
from evenhand.core.experiment import Experiment
from evenhand.rounds.examination import show

if __name__ == "__main__":
    experiment = Experiment(snakemake.config, snakemake.params.excluded)
    first = (map(Path, snakemake.input[kind]) for kind in ("records", "rounds"))
    content = fixed(experiment, Path("results"), *map(list, first))
    Path(snakemake.output[0]).write_text(json.dumps(content, indent=1) + "\n")
    show([in_words(of, content["rounds"]) for of in content["contests"]], snakemake.log[0])
