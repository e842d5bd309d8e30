"""Compare competitors: verdicts, effects of scenarios, gains of tracks, and what claims become."""

from pathlib import Path

import yaml

from evenhand.comparison.outcome import outcome
from evenhand.core.config import saved
from evenhand.core.program import log_to
from evenhand.core.tables import read_table, write_table

if __name__ == "__main__":
    log_to(snakemake.log[0])
    source, output = snakemake.input, snakemake.output
    names = ("runs", "audit", "gate", "tutorial_check")
    tables = [read_table(source[name]) for name in names]
    text = yaml.safe_load(Path(source.text).read_bytes())
    found = outcome(saved(Path(source.configuration)), *tables, text)
    for name, table in found._asdict().items():
        if name != "markdown":
            write_table(table, output[name])
    Path(output.markdown).write_text(found.markdown, encoding="utf-8")
