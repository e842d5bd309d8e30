"""The tables of a results folder, as the workflow's rules write them."""

from pathlib import Path

import pandas as pd

from evenhand.comparison import whole_audit
from evenhand.comparison.recomputed import MARKDOWN, records, tables
from evenhand.core.config import shareable
from evenhand.core.experiment import Experiment
from evenhand.core.tables import write_table
from support.records import write

GROWING = ("runs", "epochs", "gate", "tutorial_check")  # with the runs: maybe Parquet


def write_tables(
    results: Path, experiment: Experiment
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Write all tables that follow from the records, and the configuration; what was computed."""
    content = {"config": shareable(experiment.config), "excluded": experiment.excluded}
    content["unknown_images"] = list(experiment.unknown_images)
    content["fixed_rounds"] = list(experiment.fixed_rounds)
    write(results / "configuration.json", content)
    with whole_audit.called_results(results):
        here = whole_audit.RESULTS
        files = records(experiment, here)
        audit = whole_audit.audit_of(files, experiment.excluded, experiment.root).table()
        made, failed = tables(experiment, here, audit)
        for name, table in made.items():
            if name == MARKDOWN:
                (here / name).write_text("\n".join(table["text"]) + "\n")
            else:
                form = experiment.table_form if name in GROWING else "csv"
                write_table(table, here / f"{name}.{form}")
    return made, failed
