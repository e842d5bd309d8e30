"""Results of runs that never were, whole enough for the figures and the report."""

import ast
import sys
from pathlib import Path

import collect
import compare
import compare_nodes
import pandas as pd
import report
import settings
import statements
import yaml
from competitors import looks
from report_data import Results

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import records  # noqa: E402 (found in benchmarks, which is no package)

WORKFLOW = ROOT / "workflow"
PUBLISHED = yaml.safe_load((ROOT / "config/published.yaml").read_text())
CATALOGUE = yaml.safe_load((WORKFLOW / "statements/statements.yaml").read_text())
NO_FINDINGS = pd.DataFrame(columns=[*compare.RUN, "severity", "check", "finding", "file"])


def text(language: str) -> dict:
    """The catalogue of a language."""
    return yaml.safe_load((WORKFLOW / f"report/text.{language}.yaml").read_text())


def config(**changes) -> dict:
    """The default configuration with these keys instead, completed."""
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return settings.checked(default | changes)


def tables(folder: Path, config: dict) -> dict[str, pd.DataFrame]:
    """Records under `folder/results`, and all tables of them; everybody passes every check."""
    records.make(folder / "results", config)
    contests = [
        (folder / "results/runs" / track / scenario, number, name)
        for track, scenario in settings.contests(config)
        for number in range(config["rounds"])
        for name in settings.competitors(config, track)
    ]
    paths = [f"{place}/{number}/{name}.json" for place, number, name in contests]
    runs, epochs = collect.tables(paths, config["comparison"]["warmup_epochs"])
    made = {"runs": runs, "epochs": epochs, "audit": NO_FINDINGS}
    made |= {"gate": gate(runs), "gate_steps": gate_steps(runs), "tutorial_check": check(epochs)}
    return compared(made, config)


def compared(tables: dict, config: dict) -> dict[str, pd.DataFrame]:
    """The tables with the comparison that follows from them."""
    runs, section = tables["runs"], config["comparison"]
    sound = compare.admit(runs, tables["audit"])
    reasons = compare.not_comparable(runs, tables["gate"], tables["tutorial_check"])
    names = list(looks(config))
    comparison = compare.compare(runs, sound, reasons, names, section)
    return tables | {
        "comparison": comparison,
        "thread_effect": compare.thread_effect(sound, reasons, names, section["confidence"]),
        "nodes": compare_nodes.by_fingerprint(sound, comparison, section["confidence"]),
    }


def gate(runs: pd.DataFrame) -> pd.DataFrame:
    """A gate that all pass: two float64 checks in round 0, one of float32 in every round."""
    own = runs.loc[runs["track"] == "controlled", ["scenario", "round", "framework", "competitor"]]
    exact = own[own["round"] == 0].assign(tier="float64", check="steps", deviation=9e-16)
    images = exact.assign(check="test_accuracy", deviation=0, limit=0)
    close = own.assign(tier="float32", check="first_steps", deviation=1.2e-6, limit=5e-6)
    table = pd.concat([exact.assign(limit=1e-12), images, close], ignore_index=True)
    return table.assign(step=float("nan"), passed=True, cause=None)


def gate_steps(runs: pd.DataFrame) -> pd.DataFrame:
    """Deviations of a hundred steps in both tiers; NumPy's float64 ones are exactly zero."""
    names = runs.loc[runs["track"] == "controlled", ["scenario", "competitor"]].drop_duplicates()
    sizes = pd.DataFrame({"tier": ["float64", "float32"], "size": [2e-16, 1e-7]})
    steps = names.merge(sizes, "cross").merge(pd.DataFrame({"step": range(1, 101)}), "cross")
    exact = (steps["tier"] == "float64") & (steps["competitor"] == "numpy-cpu")
    steps["deviation"] = steps["size"].where(~exact, 0) * (1 + steps["step"] % 3)
    return steps.assign(round=0)


def check(epochs: pd.DataFrame) -> pd.DataFrame:
    """A check of the tutorial track that the runs and the published losses pass."""
    own = epochs[epochs["track"] == "tutorial"].rename(columns={"average_loss": "value"})
    own = own[["scenario", "round", "framework", "device", "epoch", "value"]]
    logs = [
        {"scenario": "baseline", "framework": name, "device": "cpu", "epoch": epoch, "value": value}
        for name, log in PUBLISHED.items()
        for epoch, value in enumerate(log["average_loss"])
        if name in set(own["framework"])
    ]
    who = ["scenario", "framework", "device", "epoch"]
    means = own.groupby(who, as_index=False, sort=False)["value"].mean()
    means["runs"] = own["round"].nunique()
    sources = {"run": own, "rounds": means, "published": pd.DataFrame(logs)}
    parts = [values.assign(source=source) for source, values in sources.items()]
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(quantity="average_loss", sd=0.0005, seeds=20, margin=0.002)
    return table.assign(mean=table["value"], p_value=0.01, verdict="consistent")


def answers(tables: dict[str, pd.DataFrame], config: dict) -> list[dict]:
    """An answer of everybody's to every statement, with its real code and more output than any."""
    made = [
        {
            "statement": node.name,
            "framework": framework,
            "device": "cpu",
            "verdict": next(iter(CATALOGUE["statements"][node.name]["observed"][framework])),
            "lost": False,
            "code": ast.get_source_segment(source, node),
            "output": f"{node.name}\n{'one long line of output ' * 9}\n{'unbroken' * 30}",
            "versions": {"python": "3.11.7"},
        }
        for framework in config["frameworks"]
        for source in [(WORKFLOW / f"statements/{framework}_statements.py").read_text()]
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    ]
    return made + statements.twice_as_fast(tables["comparison"], tables["runs"])


def results(tables: dict, config: dict, language: str = "en", **changes) -> Results:
    """What the report is made of."""
    runs = tables["runs"]
    sources = {
        track: {
            name: (WORKFLOW / f"trainers/{track}/{name}_mlp.py").read_text()
            for name in config["frameworks"]
            if name in set(of_track["framework"])
        }
        for track, of_track in runs.groupby("track", sort=False)
    }
    given = {
        "config": config,
        "text": text(language),
        "published": PUBLISHED,
        "receipts": {name: records.receipt(name) for name in runs["competitor"].unique()},
        "sources": sources,
        "records": report.one_record_each(runs),
        "statements": statements.in_words(CATALOGUE, answers(tables, config), language),
        "is_mnist": True,
    }
    given |= {name: table for name, table in tables.items() if name != "gate_steps"}
    return Results(**given | changes)


def page(results: Results, figures: dict[str, str] | None = None) -> str:
    """The report; without figures, each is an empty drawing."""
    empty = '<?xml version="1.0"?><svg width="360pt" height="72pt" viewBox="0 0 360 72"></svg>'
    shapes = [f"{name}{shape}" for name in results.text["figures"] for shape in ("", "-narrow")]
    figures = figures or dict.fromkeys(shapes, empty)
    template = WORKFLOW / "report/template.html.j2"
    return report.page(results, figures, template, (template.parent / "style.css").read_text())
