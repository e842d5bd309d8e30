"""Every figure of the report, as SVG and as PNG, and as an SVG for phones."""

from pathlib import Path

import yaml

from evenhand.core.config import saved
from evenhand.core.program import log_to
from evenhand.core.tables import read_table
from evenhand.report import figures

if __name__ == "__main__":
    log_to(snakemake.log[0])
    given, files = snakemake.input, snakemake.output
    tables = {
        name: read_table(given[name])
        for name in ("runs", "epochs", "audit", "comparison", "loaders", "sizes", "gate_steps")
    }
    text, english = (yaml.safe_load(Path(given[name]).read_bytes()) for name in ("text", "english"))
    paths = {
        Path(svg).stem: (svg, narrow, png)
        for svg, narrow, png in zip(files.svg, files.narrow, files.png, strict=True)
    }
    figures.write(paths, tables, saved(Path(given.configuration)), text, english)
