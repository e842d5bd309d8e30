"""Write the report: one HTML page that needs no network and no script.

Sentences and tables are computed in report_sentences.py and report_tables.py, fixed words are in
workflow/report/text.{language}.yaml, the page's shape is in template.html.j2.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import report_sentences as sentences
import report_tables as tables
import yaml
from compare import GATE, TUTORIAL_CHECK
from download import FILES
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from report_data import Results
from settings import table_form
from tables import read_table

BANNER = re.compile(r"^# ---- \d\. .+ -+\n", re.MULTILINE)
ABSENT = {"gate": GATE, "tutorial_check": TUTORIAL_CHECK}  # columns, where a track is left out


def code(results: Results) -> list[dict]:
    """Each track's trainers, cut at their banners into parts to set side by side."""
    ran = {(r["asked"]["track"], r["asked"]["framework"]): r["ran"] for r in results.records}
    found = []
    for track, sources in results.sources.items():
        trainers = []
        for framework, source in sources.items():
            digest = hashlib.sha256(source.encode()).hexdigest()
            trainers.append(
                {
                    "look": results.look_of(framework),
                    "file": f"workflow/trainers/{track}/{framework}_mlp.py",
                    "digest": digest,
                    "is_what_ran": ran[track, framework]["trainer_sha256"] == digest,
                    "parts": [colored(part) for part in BANNER.split(source)],
                }
            )
        found.append({"track": track, "trainers": trainers})
    return found


def colored(source: str) -> Markup:
    """Python as HTML whose classes the page's style sheet colors."""
    return Markup(highlight(source.strip("\n"), PythonLexer(), HtmlFormatter(cssclass="code")))


def commit() -> str | None:
    """The commit of the workflow's code, with `-dirty` after it where files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    git += ["--exclude=*", "--abbrev=40"]
    try:
        return subprocess.check_output(git, text=True, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or a copy without its history
        return None


def is_mnist(files: list[str]) -> bool:
    """Whether these are the four files of MNIST, byte by byte."""
    return all(
        hashlib.sha256(Path(file).read_bytes()).hexdigest() == FILES[Path(file).name][1]
        for file in files
    )


def one_record_each(runs: pd.DataFrame) -> list[dict]:
    """A record of each track, scenario, competitor and machine: what it ran on and with."""
    first = runs.drop_duplicates(["track", "scenario", "competitor", "fingerprint"])
    return [json.loads(Path(record).read_text()) for record in first["record"]]


def inline(svg: str, name: str, label: str) -> Markup:
    """An SVG file as an element of a page: labelled, its ids its own, at most its own width."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r" font-family: [^;]+;", "", svg)  # the page's own
    width = re.search(r'width="([\d.]+pt)"', svg)[1]
    shape = "narrow" if name.endswith("-narrow") else "across"
    said = f'class="{shape}" role="img" aria-label="{Markup.escape(label)}"'
    said += f' style="--width: {width}"'
    return Markup(
        re.sub(r'<svg (.*?)width="\S+" height="\S+"|<svg', rf"<svg {said} \1", svg, count=1)
    )


def page(results: Results, figures: dict[str, str], template: Path, style: str) -> str:
    """The whole page; `figures` holds the text of each SVG file by its name."""
    words = {"confidence": results.confidence, "margin": results.margin}
    captions = {name: form.format(**words) for name, form in results.text["figures"].items()}
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["colored"] = colored
    whole = environment.get_template(template.name).render(
        results=results,
        sentences=sentences,
        tables=tables,
        text=results.text,
        words=words,
        style=Markup(style),
        figures={
            name: inline(svg, name, captions[name.removesuffix("-narrow")])
            for name, svg in figures.items()
        },
        captions=captions,
        form=table_form(results.config),
        code=code(results),
        commit=commit(),
        config=yaml.safe_dump(results.config, sort_keys=False, allow_unicode=True),
    )
    return whole.strip() + "\n"


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    given = snakemake.input
    read = {
        name: read_table(given[name])
        for name in ("runs", "epochs", "comparison", "thread_effect", "nodes", "audit")
    }
    for name, columns in ABSENT.items():
        read[name] = read_table(given[name]) if given[name] else pd.DataFrame(columns=columns)
    sources: dict[str, dict[str, str]] = {}
    for trainer in map(Path, given.trainers):
        framework = trainer.stem.removesuffix("_mlp")
        sources.setdefault(trainer.parent.name, {})[framework] = trainer.read_text(encoding="utf-8")
    receipts = [json.loads(Path(path).read_text()) for path in given.environments]
    results = Results(
        config=snakemake.config,
        text=yaml.safe_load(Path(given.text).read_bytes()),
        published=yaml.safe_load(Path(given.published).read_bytes()),
        receipts={f"{receipt['framework']}-{receipt['device']}": receipt for receipt in receipts},
        sources=sources,
        records=one_record_each(read["runs"]),
        statements=json.loads(Path(given.statements).read_text())["statements"],
        is_mnist=is_mnist(given.digits),
        **read,
    )
    figures = {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in given.figures}
    style = Path(given.style).read_text(encoding="utf-8")
    html = page(results, figures, Path(given.template), style)
    Path(snakemake.output.report).write_text(html, encoding="utf-8")
