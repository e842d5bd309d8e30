"""Check a data set's four files and pack the first images of each set."""

import json
import sys
from pathlib import Path

from evenhand.core.program import log_to
from evenhand.data import idx
from evenhand.data.files import files

if __name__ == "__main__":
    log_to(snakemake.log[0])
    params = snakemake.params
    paths = {key: Path(path) for key, path in snakemake.input.items() if key != "code"}
    counts = {"train": params.train_images, "test": params.test_images}
    try:
        arrays = idx.read_sets(paths, counts, tuple(params.image), params.classes)
    except ValueError as error:
        sys.exit(str(error))
    idx.pack(Path(snakemake.output.arrays), arrays)
    for key, items in arrays.items():
        idx.write_idx(Path(snakemake.output[key]), items)
    facts = {"dataset": snakemake.wildcards.dataset, "label": params.label}
    original = idx.are_original(paths, files(params.files), params.downloaded)
    facts |= idx.facts(arrays, params.classes, original)
    Path(snakemake.output.facts).write_text(json.dumps(facts, indent=1) + "\n")
    print(f"Packed {facts['train_images']} training and {facts['test_images']} test images.")
