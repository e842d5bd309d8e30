"""Gather every statement with its answers, in the report's language."""

import json
from pathlib import Path

import yaml

from evenhand.core.program import log_to
from evenhand.core.tables import read_table, write_table
from evenhand.report.statements import in_words, markdown, speed_answers, tidy

if __name__ == "__main__":
    log_to(snakemake.log[0])
    source, output, language = snakemake.input, snakemake.output, snakemake.params.language
    catalogue = yaml.safe_load(Path(source.catalogue).read_bytes())
    answers = [a for path in source.answers for a in json.loads(Path(path).read_text())]
    tables = (read_table(source[name]) for name in ("claims", "comparison", "runs"))
    answers += speed_answers(catalogue, *tables)
    statements = in_words(catalogue, answers, language)
    whole = json.dumps({"language": language, "statements": statements}, indent=1)
    Path(output.json).write_text(whole)
    write_table(tidy(statements), output.csv)
    Path(output.markdown).write_text(markdown(statements), encoding="utf-8")
    print(f"{sum(len(s['answers']) for s in statements)} answers to {len(statements)} statements")
