"""Compare competitors: verdicts, remarks beside them, and how ratios change between scenarios."""

from pathlib import Path

import yaml

from evenhand.comparison.compare import admit, compare, not_comparable, scenario_effect
from evenhand.comparison.markdown import markdown
from evenhand.comparison.remarks import remarks, with_notes
from evenhand.core.experiment import Experiment
from evenhand.core.program import log_to
from evenhand.core.published import published_logs
from evenhand.core.tables import read_table, write_table

if __name__ == "__main__":
    log_to(snakemake.log[0])
    source, output, params = snakemake.input, snakemake.output, snakemake.params
    settings, competitors = params.settings, params.competitors
    runs, audit, gate, check = (
        read_table(source[name]) for name in ("runs", "audit", "gate", "tutorial_check")
    )
    text = yaml.safe_load(Path(source.text).read_bytes())
    logs = yaml.safe_load(Path(source.published).read_bytes())
    experiment = Experiment(snakemake.config)
    published = {of: published_logs(experiment, logs, *of) for of in experiment.contests}

    sound = admit(runs, audit)
    reasons = not_comparable(runs, gate, check)
    table = compare(runs, sound, reasons, competitors, settings)
    beside = remarks(table, runs, sound, reasons, settings["spread_limit"])
    table = with_notes(table, beside, text)
    effects = scenario_effect(sound, reasons, competitors, settings["confidence"])
    write_table(table, output.table)
    write_table(beside, output.remarks)
    write_table(effects, output.thread_effect)
    whole = markdown(table, effects, sound, published, settings)
    Path(output.markdown).write_text(whole, encoding="utf-8")
