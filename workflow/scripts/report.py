"""The report, as one HTML page."""

import json
from pathlib import Path

import yaml

from evenhand.core.config import saved
from evenhand.core.program import log_to
from evenhand.core.tables import read_table
from evenhand.report.page import one_record_each, page, read_sources
from evenhand.report.results import Results
from evenhand.report.sentences import headline

TABLES = ["runs", "epochs", "ranking", "comparison", "remarks", "thread_effect", "gains", "claims"]
TABLES += ["loaders", "sizes", "nodes", "gate", "audit", "tutorial_check"]

if __name__ == "__main__":
    log_to(snakemake.log[0])
    given = snakemake.input
    tables = {name: read_table(given[name]) for name in TABLES}
    receipts = {Path(path).stem: json.loads(Path(path).read_text()) for path in given.environments}
    facts = [json.loads(Path(path).read_text()) for path in given.datasets]
    experiment = saved(Path(given.configuration))
    results = Results(
        experiment=experiment,
        text=yaml.safe_load(Path(given.text).read_bytes()),
        receipts=receipts,
        sources=read_sources(experiment),
        records=one_record_each(tables["runs"]),
        statements=json.loads(Path(given.statements).read_text())["statements"],
        datasets={of["dataset"]: of for of in facts},
        **tables,
    )
    figures = {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in given.figures}
    style, script = (Path(given[of]).read_text(encoding="utf-8") for of in ("style", "script"))
    html = page(results, figures, Path(given.template), style, script)
    Path(snakemake.output.report).write_text(html, encoding="utf-8")
    Path(snakemake.output.headline).write_text(f"{headline(results)}\n", encoding="utf-8")
