"""The report: one HTML page that needs no network, and is whole without its script.

Sentences and tables are computed in sentences.py and tables.py, fixed words are in
text.{language}.yaml, the page's shape is in template.html.j2.
"""

import hashlib
import re
from base64 import b64encode
from pathlib import Path

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from evenhand.comparison.compare import of_scenario
from evenhand.core import axes
from evenhand.core.claims import published_logs
from evenhand.core.commit import commit
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor
from evenhand.report import sentences, tables
from evenhand.report.ranking import Ranking
from evenhand.report.results import MOST_PLOTTED, Results, contests, has_data
from toolbox.record import Record

MOST_DATA = 250_000  # bytes of a table that a page holds to save


def code(results: Results) -> list[dict]:
    """Each track's trainers, cut at their banners into parts to set side by side.

    A trainer that several versions of a framework share is there once, with the looks of all.
    """
    ran = {
        (record.requested.track, record.requested.framework): record.environment
        for record in results.records
    }
    root, found = results.experiment.root, []
    for track, sources in results.sources.items():
        trainers: dict[str, dict] = {}
        for framework, source in sources.items():
            if (track, framework) not in ran:  # its records cannot be read; the audit names them
                continue
            digest = hashlib.sha256(source.encode()).hexdigest()
            file = axes.trainer(track, framework, root).relative_to(root).as_posix()
            if file not in trainers:
                trainers[file] = {
                    "looks": [],
                    "file": file,
                    "digest": digest,
                    "is_what_ran": True,
                    "parts": [colored(part) for part in axes.trainer_parts(source)],
                }
            trainers[file]["looks"].append(results.look_of(framework))
            trainers[file]["is_what_ran"] &= ran[track, framework].trainer_sha256 == digest
        if trainers:
            found.append({"track": track, "trainers": [*trainers.values()]})
    return found


def read_sources(experiment: Experiment) -> dict[str, dict[str, str]]:
    """The text of every framework's trainer, by track and framework, in the configured order."""
    return {
        track: {
            framework: axes.trainer(track, framework, experiment.root).read_text(encoding="utf-8")
            for name in experiment.competitors(track)
            for framework in [Competitor.parse(name).framework]
        }
        for track in dict.fromkeys(track for track, _ in experiment.contests)
    }


def colored(source: str) -> Markup:
    """Python as HTML whose classes the page's style sheet colors; it scrolls by keyboard, too."""
    code = highlight(source.strip("\n"), PythonLexer(), HtmlFormatter(cssclass="code"))
    return Markup(code.replace("<pre>", '<pre tabindex="0">'))


def one_record_each(runs: pd.DataFrame) -> list[Record]:
    """A record of each track, scenario, competitor and machine: what it ran on and with."""
    first = runs.drop_duplicates(["track", "scenario", "competitor", "fingerprint"])
    return [Record.read(path) for path in first["record"]]


def ringed(results: Results) -> tuple[str, ...]:
    """The figures in which published values stand, as rings; of a ratio it takes two."""
    beside = 0
    for track, scenario in results.experiment.contests:
        logs = published_logs(results.experiment, track, scenario)
        present = of_scenario(results.runs, track, scenario)["competitor"]
        beside = max(beside, len(logs.keys() & {*present}))
    return ((), ("loss", "seconds"), ("loss", "seconds", "ratio"))[min(beside, 2)]


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


def files(results: Results) -> list[tuple[str, str | None, str]]:
    """The tables that a reader can save from the page: name, address, size.

    Without an address where a table is too large for a page.
    """
    tables = {"comparison": results.comparison, "ranking": results.ranking, "runs": results.runs}
    found = []
    for name, table in tables.items():
        content = table.to_csv(index=False).encode()
        size, address = f"{-(-len(content) // 1024):,} KiB", None
        if len(content) <= MOST_DATA:
            address = f"data:text/csv;base64,{b64encode(content).decode()}"
        form = results.experiment.table_form if name == "runs" else "csv"
        found.append((f"{name}.csv" if address else f"{name}.{form}", address, size))
    return found


def again(results: Results) -> str:
    """The line that runs the page's configuration again, deployed as most of its runs were."""
    config, experiment = results.config, results.experiment
    competitors = " ".join(experiment.all_competitors)
    gpu = any(axes.device(name, experiment.root)["gpu"] for name in config["devices"])
    arguments = " --apptainer-args=--nv" if gpu else ""
    build, start = "python containers/build.py", "snakemake --cores 4"
    in_containers = [
        f"{build} --prefix {config['image_prefix']} {competitors}",
        f"{start} --configfile again.yaml",
    ]
    ways = {
        "virtual environment": [f"{start} --configfile again.yaml"],
        "conda": [f"{start} --sdm conda --configfile again.yaml"],
        "apptainer": [
            f"{build} --archive results/images {competitors}",
            f"{start} --sdm apptainer{arguments} --configfile again.yaml",
        ],
        "docker": in_containers,
        "podman": in_containers,
        "workflow image": [  # holds the competitors of config/config.yaml, and that file
            "cp again.yaml config/config.yaml",
            f"{build} workflow",
            "mkdir -p out",
            'docker run --rm --hostname "$(hostname)" --user "$(id -u):$(id -g)"'
            ' --volume "$PWD/out:/evenhand" evenhand-workflow:latest',
        ],
    }
    way = results.runs["deployment"].mode()[0]
    line = " && ".join(["pip install -r requirements.txt", *ways[way]])
    runtime = "docker" if ways[way] is in_containers else "environment"
    # The configuration is that of the last start, which may have been in another way.
    return line if runtime == config["runtime"] else f"{line} --config runtime={runtime}"


def allowed(script: str) -> str:
    """What a content security policy calls the one script that it lets run."""
    return f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def page(results: Results, figures: dict[str, str], template: Path, style: str, script: str) -> str:
    """The whole page; `figures` holds the text of each SVG file by its name."""
    words = {"confidence": results.confidence, "margin": results.margin}
    words |= results.dataset_words | {"scenario": results.runs["scenario"].iloc[0]}
    pairs = max((len(rows) for _, _, rows in contests(results.comparison)), default=0)
    left_out = results.text["left_out"].format(most=MOST_PLOTTED) if pairs > MOST_PLOTTED else ""
    captions = {
        name: form.format(
            **words,
            rings=results.text["rings"] if name in ringed(results) else "",
            left_out=left_out,
        )
        for name, form in results.text["figures"].items()
    }
    shown = vars(results) | {"gate_steps": results.gate}  # whoever has checks there has steps
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
        script=Markup(script),
        script_hash=allowed(script),
        ranking=Ranking(results),
        data=files(results),
        figures={
            name: inline(svg, name, captions[name.removesuffix("-narrow")])
            for name, svg in figures.items()
            if has_data(name.removesuffix("-narrow"), shown)
        },
        captions=captions,
        form=results.experiment.table_form,
        code=code(results),
        commit=commit(),
        again=again(results),
        config=yaml.safe_dump(results.config, sort_keys=False, allow_unicode=True),
    )
    return whole.strip() + "\n"
