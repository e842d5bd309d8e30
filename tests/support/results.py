"""Results of runs that never were, whole enough for the figures and the report."""

import ast
import shutil
from pathlib import Path

import pandas as pd
import yaml

from evenhand.checks import collect
from evenhand.comparison import compare, nodes
from evenhand.comparison.outcome import outcome
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round
from evenhand.core.schemas import ROOT
from evenhand.report import statements
from evenhand.report.page import one_record_each, page, read_sources
from evenhand.report.results import Results
from support import records

REPORT = ROOT / "workflow/scripts/evenhand/report"
PUBLISHED = axes.claim("mxnet-twice-as-fast")["logs"]
CATALOGUE = yaml.safe_load((ROOT / "workflow/statements/statements.yaml").read_text())
NO_FINDINGS = pd.DataFrame(columns=[*compare.RUN, "severity", "check", "finding", "file"])
# In float64 and float32: a deviation, and the limit of a step, if it is one of the first.
TIERS = pd.DataFrame(
    {"tier": ["float64", "float32"], "size": [2e-16, 1e-7], "limit": [1e-12, 5e-6]}
)
STEPS = [*range(1, 100), 2345]  # those that the made-up gate has looked at


def text(language: str) -> dict:
    """The catalogue of a language."""
    return yaml.safe_load((REPORT / f"text.{language}.yaml").read_text())


def config(**changes) -> dict:
    """The default configuration with these keys instead, completed."""
    return checked(yaml.safe_load((ROOT / "config/config.yaml").read_text()) | changes)


def tables(folder: Path, config: dict) -> dict[str, pd.DataFrame]:
    """Records under `folder/results`, and all tables of them; everybody passes every check."""
    results, experiment = folder / "results", Experiment(config)
    records.make(results, config)
    paths = [
        Round(track, scenario, number).run(name).path(results)
        for track, scenario in experiment.contests
        for number in range(config["rounds"])
        for name in experiment.competitors(track)
    ]
    runs, epochs = collect.tables(paths, results, config["comparison"])
    made = {"runs": runs, "epochs": epochs, "audit": NO_FINDINGS}
    made |= {"gate": gate(runs), "gate_steps": gate_steps(runs), "tutorial_check": check(epochs)}
    return compared(made, config)


def compared(tables: dict, config: dict) -> dict[str, pd.DataFrame]:
    """The tables with the comparison that follows from them."""
    given = [tables[name] for name in ("runs", "audit", "gate", "tutorial_check")]
    found = outcome(Experiment(config), *given, text("en"))
    sound = compare.admit(tables["runs"], tables["audit"])
    made = {name: table for name, table in found._asdict().items() if name != "markdown"}
    return (
        tables
        | made
        | {
            "nodes": nodes.by_fingerprint(
                sound, found.comparison, config["comparison"]["confidence"]
            ),
        }
    )


def proved_by(table: pd.DataFrame, proof: str) -> pd.DataFrame:
    """The rows of the tracks that have this proof."""
    return table[[axes.track(track)["proof"] == proof for track in table["track"]]]


def gate(runs: pd.DataFrame) -> pd.DataFrame:
    """A gate that all pass: two float64 checks in round 0, one of float32 in every round."""
    own = proved_by(runs, "gate")[["track", "scenario", "round", "framework", "competitor"]]
    exact = own[own["round"] == 0].assign(tier="float64", check="steps", deviation=9e-16)
    images = exact.assign(check="test_accuracy", deviation=0, limit=0)
    close = own.assign(tier="float32", check="first_steps", deviation=1.2e-6, limit=5e-6)
    table = pd.concat([exact.assign(limit=1e-12), images, close], ignore_index=True)
    return table.assign(step=float("nan"), passed=True, cause=None, detail=None)


def gate_steps(runs: pd.DataFrame, first_steps: int = 10) -> pd.DataFrame:
    """Deviations of a hundred steps in both tiers; NumPy's float64 ones are exactly zero.

    In float32 the first steps alone have a limit each.
    """
    names = proved_by(runs, "gate")[["track", "scenario", "competitor"]].drop_duplicates()
    steps = names.merge(TIERS, "cross").merge(pd.DataFrame({"step": STEPS}), "cross")
    exact = (steps["tier"] == "float64") & (steps["competitor"] == "numpy-cpu")
    steps["deviation"] = steps["size"].where(~exact, 0) * (1 + steps["step"] % 3)
    limited = (steps["tier"] == "float64") | (steps["step"] <= first_steps)
    return steps.assign(round=0, limit=steps["limit"].where(limited)).drop(columns="size")


def check(epochs: pd.DataFrame) -> pd.DataFrame:
    """A check against many seeds that the runs and the published losses pass."""
    own = proved_by(epochs, "distribution").rename(columns={"average_loss": "value"})
    identity = ["track", "scenario", "framework", "device"]
    own = own[[*identity, "round", "epoch", "value"]]
    logs = [
        dict(zip(identity, ("tutorial", "baseline", name, "cpu"), strict=True))
        | {"epoch": epoch, "value": value}
        for name, log in PUBLISHED.items()
        for epoch, value in enumerate(log["average_loss"])
        if name in set(own["framework"])
    ]
    means = own.groupby([*identity, "epoch"], as_index=False, sort=False)["value"].mean()
    means["runs"] = own["round"].nunique()
    sources = {"run": own, "rounds": means, "published": pd.DataFrame(logs)}
    parts = [values.assign(source=source) for source, values in sources.items()]
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(quantity="average_loss", sd=0.0005, seeds=20, margin=0.002)
    return table.assign(mean=table["value"], p_value=0.01, consistency="consistent")


def answers(tables: dict[str, pd.DataFrame], config: dict) -> list[dict]:
    """An answer of everybody's to every statement, with its real code and more output than any."""
    made = [
        {
            "statement": node.name,
            "framework": framework,
            "device": "cpu",
            "status": next(iter(CATALOGUE["statements"][node.name]["observed"][framework])),
            "lost": False,
            "code": ast.get_source_segment(source, node),
            "output": f"{node.name}\n{'one long line of output ' * 9}\n{'unbroken' * 30}",
            "versions": {"python": "3.11.7"},
        }
        for framework in config["frameworks"]
        for program in (ROOT / "workflow/statements").glob(f"{framework}_statements.py")
        for source in [program.read_text()]
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    ]
    return made + statements.speed_answers(
        CATALOGUE, *(tables[name] for name in ("claims", "comparison", "runs"))
    )


def results(tables: dict, config: dict, language: str = "en", **changes) -> Results:
    """What the report is made of."""
    runs = tables["runs"]
    runners = runs[["track", "framework"]].drop_duplicates().itertuples(index=False)
    took_part = {tuple(row) for row in runners}
    experiment = Experiment(config | {"language": language})
    datasets = {scenario["dataset"] for scenario in config["scenarios"].values()}
    sources = {
        track: {name: source for name, source in of.items() if (track, name) in took_part}
        for track, of in read_sources(experiment).items()
    }
    given = {
        "experiment": experiment,
        "text": text(language),
        "receipts": {name: records.receipt(name) for name in runs["competitor"].unique()},
        "sources": sources,
        "records": one_record_each(runs),
        "statements": statements.in_words(CATALOGUE, answers(tables, config), language),
        "datasets": {name: facts(experiment, name) for name in datasets},
    }
    given |= {name: table for name, table in tables.items() if name != "gate_steps"}
    return Results(**given | changes)


def facts(experiment: Experiment, name: str) -> dict:
    """What `prepare` says of a data set of which all was taken, and all was its own."""
    file = axes.dataset(name, experiment.root)
    counts = {
        f"{part}_images": axes.image_count(name, part, experiment.root)
        for part in ("train", "test")
    }
    known = {"dataset": name, "label": file["label"], "original": True}
    return known | counts | {"image": file["image"], "classes": file["classes"]}


def html(results: Results, figures: dict[str, str] | None = None) -> str:
    """The report; without figures, each is an empty drawing."""
    empty = '<?xml version="1.0"?><svg width="360pt" height="72pt" viewBox="0 0 360 72"></svg>'
    shapes = [f"{name}{shape}" for name in results.text["figures"] for shape in ("", "-narrow")]
    figures = figures or dict.fromkeys(shapes, empty)
    style, script = ((REPORT / name).read_text() for name in ("style.css", "page.js"))
    return page(results, figures, REPORT / "template.html.j2", style, script)


def root_with(folder: Path, **frameworks: dict) -> Path:
    """A project whose files of the axes are those of this one, and these frameworks besides."""
    for part in ("frameworks", "devices", "datasets", "trainers"):
        shutil.copytree(ROOT / "workflow" / part, folder / "workflow" / part)
    shutil.copytree(ROOT / "config/claims", folder / "config/claims")
    for name, content in frameworks.items():
        path = axes.path("framework", name, folder)
        path.write_text(yaml.safe_dump(content))
    return folder
