"""Draw the report's figures, each as SVG and PNG, and as an SVG as narrow as a phone.

An SVG's ink is `currentColor` on nothing, so that a page which holds it inline shows it in its own
text color, in the dark and on paper too. Labels are text, not outlines; a page chooses the font.
They are in the report's language. A PNG's are in English, since Matplotlib's font has no Chinese.
Every run is a dot: nothing is averaged away before it has been seen.
"""

import sys
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import yaml
from compare import admit, of_scenario, pair, published_ratio
from competitors import Look, looks, published_logs
from gate import Sizes, first_steps, limits
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from report_data import percent, scientific
from tables import read_table

INK = "#101214"  # stands for currentColor until the SVG is written
GRAY = "#808080"
PANEL = 3.7  # inches: what a phone is wide, and a third of a page
FAR = 8  # an interval that reaches beyond this multiple of its ratio ends in an arrow
RING = {"marker": "o", "s": 90, "facecolors": "none"}  # a published value
WAITING = {"alpha": 0.45, "hatch": "////"}
MANY = 300  # more dots than this become pixels, or a page would weigh tens of megabytes
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
    "legend.edgecolor": "none",
    "legend.facecolor": "none",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "evenhand",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
PHASES = {  # from first to last, and the color of each: Cividis, dark to light
    "import": "#2f4a78",
    "load": "#54617a",
    "set_up": "#737982",
    "first_step": "#938f7e",
    "training": "#b8a972",
    "evaluation": "#dcc35f",
    "loader_pass": "#f5e27a",
}


def panels(
    table: pd.DataFrame, narrow: bool, height: float = 3.2, sharey: bool = False
) -> Iterator[tuple[Axes, pd.DataFrame]]:
    """A panel for each track and scenario, in table order: three to a row, or one if `narrow`."""
    groups = list(table.groupby(["track", "scenario"], sort=False))
    columns = 1 if narrow else min(len(groups), 3)
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(PANEL * columns, height * rows))
    cells = figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat
    for (names, group), axes in zip(groups, cells, strict=False):
        axes.set_title(" · ".join(names))
        yield axes, group
    for axes in list(cells)[len(groups) :]:
        axes.set_visible(False)


def dots(axes: Axes, x, y, look: Look, **options) -> None:
    """A dot for each value; many are drawn as pixels, and fainter."""
    many = len(x) > MANY
    axes.scatter(
        x,
        y,
        s=9 if many else 22,
        marker=look.marker,
        alpha=0.15 if many else 0.55,
        facecolors=look.color if look.filled else "none",
        edgecolors="none" if look.filled else look.color,
        rasterized=many,
        **options,
    )


def members(group: pd.DataFrame, looks: dict[str, Look]) -> list[tuple[str, Look]]:
    """The competitors in a group of rows, in the config's order."""
    present = set(group["competitor"])
    return [(name, look) for name, look in looks.items() if name in present]


def by_epoch(
    axes: Axes,
    group: pd.DataFrame,
    quantity: str,
    average: str,
    looks: dict,
    published: dict,
    words: dict,
) -> None:
    """Every run's value at each epoch, their average as a line, the published values as rings.

    Dots and rings stand beside the epoch, each competitor's in a column of its own.
    """
    present = members(group, looks)
    shifts = 0.14 * (np.arange(len(present)) - (len(present) - 1) / 2)
    for shift, (name, look) in zip(shifts, present, strict=True):
        rows = group[group["competitor"] == name]
        dots(axes, rows["epoch"] + shift, rows[quantity], look)
        line = rows.groupby("epoch")[quantity].agg(average)
        axes.plot(line.index, line, label=look.label, color=look.color, marker=look.marker, ms=4)
        if name in published:
            values = published[name][quantity][: len(line)]
            where = np.arange(len(values)) + shift
            label = words["published"].format(name=look.label)
            axes.scatter(where, values, label=label, edgecolors=look.color, **RING)
    axes.set_xticks(sorted(group["epoch"].unique()))
    axes.set_xlabel(words["epoch"])


def loss(tables: dict, config: dict, published: dict, text: dict, narrow: bool = False) -> Figure:
    """Average training loss by epoch."""
    for axes, group in panels(tables["epochs"], narrow, sharey=True):
        logs = logs_for(group, config, published)
        by_epoch(axes, group, "average_loss", "mean", looks(config), logs, text["drawn"])
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:.2f}")
        axes.yaxis.set_minor_formatter("{x:.2f}")
        axes.set_ylabel(text["drawn"]["average_loss"])
    key(axes)
    return axes.figure


def seconds(
    tables: dict, config: dict, published: dict, text: dict, narrow: bool = False
) -> Figure:
    """Seconds of each epoch."""
    for axes, group in panels(tables["epochs"], narrow, sharey=True):
        logs = logs_for(group, config, published)
        by_epoch(axes, group, "seconds", "median", looks(config), logs, text["drawn"])
        axes.set_ylim(bottom=0)
        axes.set_ylabel(text["drawn"]["seconds"])
    key(axes)
    return axes.figure


def logs_for(group: pd.DataFrame, config: dict, published: dict) -> dict:
    """The published logs that belong beside these rows: the tutorial track's, if set as there."""
    track, scenario = group[["track", "scenario"]].iloc[0]
    return published_logs(config, published, scenario) if track == "tutorial" else {}


def ratio(tables: dict, config: dict, published: dict, text: dict, narrow: bool = False) -> Figure:
    """Each pair's ratio of epoch times: every round, the mean with its interval, the margin."""
    rows, look = tables["comparison"], looks(config)
    sound = admit(tables["runs"], tables["audit"])
    width, height = (PANEL, 0.75) if narrow else (3 * PANEL, 0.42)  # of each pair
    figure = Figure(figsize=(width, 0.9 + height * len(rows)))
    axes = figure.subplots()
    margin = config["comparison"]["margin"]
    axes.axvspan(1 / (1 + margin), 1 + margin, color=INK, alpha=0.12, linewidth=0)
    axes.axvline(1, color=INK, linewidth=0.8)
    names = []
    for place, row in enumerate(rows.itertuples()):
        if row.verdict != "not comparable":
            each = np.exp(pair(of_scenario(sound, row.track, row.scenario), row.a, row.b)["d"])
            dots(axes, each, np.full(len(each), place + 0.22), look[row.a])
        if pd.notna(row.low):
            low, high = max(row.low, row.ratio / FAR), min(row.high, row.ratio * FAR)
            axes.plot([low, high], [place, place], color=look[row.a].color, linewidth=2)
            for end, whole, arrow in ((low, row.low, "<"), (high, row.high, ">")):
                if end != whole:
                    axes.plot(end, place, marker=arrow, color=look[row.a].color)
        if pd.notna(row.ratio):
            axes.plot(row.ratio, place, marker=look[row.a].marker, color=look[row.a].color)
            where = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
            axes.annotate(f"{row.ratio:.2f}", (row.ratio, place), **where)
        else:
            axes.annotate(text["words"][row.verdict], (1, place), ha="center", va="center")
        logs = published_logs(config, published, row.scenario) if row.track == "tutorial" else {}
        then = published_ratio(logs, row.a, row.b, config["comparison"]["warmup_epochs"])
        axes.scatter(then, place, edgecolors=look[row.a].color, **RING)
        names.append(f"{row.track} · {row.scenario} · {look[row.a].label} / {look[row.b].label}")
    axes.set_yticks(range(len(names)), [] if narrow else names)
    for place, name in enumerate(names if narrow else []):  # above its row, across the panel
        axes.annotate(name, (0.01, place - 0.36), xycoords=("axes fraction", "data"), va="center")
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    if high / low < FAR:
        ticks += [0.3, 0.7, 1.5, 3]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(text["drawn"]["ratio"].format(margin=percent(text, margin, "g")))
    return figure


def waiting(
    tables: dict, config: dict, published: dict, text: dict, narrow: bool = False
) -> Figure:
    """Where an epoch's time goes, in the track that has a loader; a line marks the loader alone."""
    runs = tables["runs"].dropna(subset=["wait_share"])
    for axes, group in panels(runs, narrow, height=2.4):
        present = members(group, looks(config))
        for place, (name, look) in enumerate(present):
            rows = group[group["competitor"] == name]
            total = rows["median_epoch_seconds"].median()
            wait = total * rows["wait_share"].median()
            axes.barh(place, wait, 0.55, color=look.color, **WAITING)
            axes.barh(place, total - wait, 0.55, wait, color=look.color)
            alone = rows["loader_pass_seconds"].median()
            axes.plot([alone, alone], [place - 0.4, place + 0.4], color=INK)
            dots(axes, rows["median_epoch_seconds"], np.full(len(rows), place + 0.38), look)
        name_rows(axes, present)
        axes.set_xlabel(text["drawn"]["epoch_seconds"])
    axes.barh(0, 0, color=GRAY, label=text["drawn"]["waiting"], **WAITING)
    axes.barh(0, 0, color=GRAY, label=text["drawn"]["computing"])
    axes.plot([], [], color=INK, label=text["drawn"]["loader_alone"])
    key(axes)
    return axes.figure


def phases(tables: dict, config: dict, published: dict, text: dict, narrow: bool = False) -> Figure:
    """The whole process, phase after phase: the median of each over the rounds."""
    for axes, group in panels(tables["runs"], narrow, height=2.6):
        present = members(group, looks(config))
        for place, (name, _) in enumerate(present):
            rows = group[group["competitor"] == name]
            spent = {phase: rows[f"{phase}_seconds"].fillna(0).median() for phase in PHASES}
            spent["training"] -= spent["first_step"]  # which is a part of the first epoch
            left = 0.0
            for phase, color in PHASES.items():
                label = text["drawn"]["phases"][phase]
                axes.barh(place, spent[phase], 0.6, left=left, color=color, label=label)
                left += spent[phase]
        name_rows(axes, present)
        axes.set_xlabel(text["drawn"]["process_seconds"])
    key(axes)
    return axes.figure


def limit(tables: dict, config: dict, published: dict, text: dict, narrow: bool = False) -> Figure:
    """Each run's arithmetic as a share of what the machine's matrix multiply reaches."""
    for axes, group in panels(tables["runs"], narrow, height=2.2):
        present = members(group, looks(config))
        for place, (name, look) in enumerate(present):
            rows = group[group["competitor"] == name]
            middle = rows["share_of_peak"].median()
            axes.barh(place, middle, height=0.5, color=look.color, alpha=0.35)
            dots(axes, rows["share_of_peak"], np.full(len(rows), place), look)
        name_rows(axes, present)
        axes.set_xlim(0, max(1, group["share_of_peak"].max()))
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel(text["drawn"]["share_of_peak"])
    return axes.figure


def gate(tables: dict, config: dict, published: dict, text: dict, narrow: bool = False) -> Figure:
    """How far each step's loss is from the reference, by tier: every step, and the worst so far."""
    steps, look = tables["gate_steps"], looks(config)
    steps = steps.assign(deviation=steps["deviation"].clip(upper=10))  # infinite: a loss is missing
    scenarios, tiers = list(steps["scenario"].unique()), ["float64", "float32"]
    width, rows, columns = (PANEL, 2, 1) if narrow else (3 * PANEL, 1, 2)  # of each scenario
    figure = Figure(figsize=(width, 3.4 * rows * len(scenarios)))
    cells = figure.subplots(rows * len(scenarios), columns, squeeze=False, sharey=True)
    for (scenario, tier), axes in zip(product(scenarios, tiers), cells.flat, strict=True):
        group = steps[(steps["scenario"] == scenario) & (steps["tier"] == tier)]
        for name, of in members(group, look):
            rows = group[group["competitor"] == name]
            dots(axes, rows["step"], rows["deviation"], of)
            axes.plot(rows["step"], rows["deviation"].cummax(), color=of.color, label=of.label)
        for device in sorted({name.rpartition("-")[2] for name in group["competitor"]}):
            limit, until = allowed(config, scenario, device, tier)
            axes.plot([1, until], [limit, limit], color=INK, linestyle="--", linewidth=1)
            words = text["drawn"]["limit"].format(limit=scientific(limit))
            axes.annotate(words, (1, limit), (0, 3), textcoords="offset points")
        axes.set_title(f"{scenario} · {tier}")
        axes.set_xscale("log")
        axes.set_xlabel(text["drawn"]["step"])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_yscale("symlog", linthresh=1e-17, linscale=0.5)  # zero has a place on it
        axes.set_ylim(-2e-18, 10)
        axes.set_yticks([0, *10.0 ** np.arange(-16, 1, 4)])
        axes.yaxis.set_major_formatter(lambda value, _: scientific(value))
    for axes in cells[:, 0]:
        axes.set_ylabel(text["drawn"]["deviation"])
    key(axes)
    return figure


def allowed(config: dict, scenario: str, device: str, tier: str) -> tuple[float, int]:
    """How far the gate lets a step's loss be off, and up to which step it says so."""
    training = config["scenarios"][scenario] | config["data"]
    sizes = Sizes(**{field: training[field] for field in Sizes._fields})
    limit = limits(config["gate"], device, sizes)
    if tier == "float32":
        return limit["first_steps"], first_steps(config["gate"], device, sizes)
    return limit["steps"], training["epochs"] * -(-sizes.train_images // sizes.batch_size)


def name_rows(axes: Axes, present: list[tuple[str, Look]]) -> None:
    """One horizontal row for each competitor, first on top."""
    axes.set_yticks(range(len(present)), [look.label for _, look in present])
    axes.set_ylim(len(present) - 0.45, -0.55)
    axes.grid(axis="y", visible=False)


def key(axes: Axes) -> None:
    """One legend below all panels."""
    once = {}
    for panel in axes.figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            once.setdefault(label, handle)
    columns = {PANEL: 2, 2 * PANEL: 3}.get(axes.figure.get_figwidth(), 7)
    # Matplotlib's own font lacks Chinese, and leaves 0.6 em for what a browser draws 1 em wide.
    lacking = max(sum(letter > "\u2e80" for letter in label) for label in once)
    axes.figure.legend(
        once.values(),
        once.keys(),
        loc="outside lower left",
        ncols=columns,
        columnspacing=2 + 0.4 * lacking,
    )


def nothing(text: dict) -> Figure:
    """What stands where these results have nothing to draw."""
    figure = Figure(figsize=(PANEL, 0.6))
    figure.text(0.02, 0.5, text["drawn"]["nothing"])
    return figure


DRAWN_FROM = {  # each figure, and what must have rows for it
    loss: lambda tables: tables["epochs"],
    seconds: lambda tables: tables["epochs"],
    ratio: lambda tables: tables["comparison"],
    waiting: lambda tables: tables["runs"]["wait_share"].dropna(),
    phases: lambda tables: tables["runs"],
    limit: lambda tables: tables["runs"],
    gate: lambda tables: tables["gate_steps"],
}
FIGURES = {draw.__name__: draw for draw in DRAWN_FROM}


def save_svg(figure: Figure, path: str) -> None:
    """Write the picture for a page; the same figure gives the same bytes."""
    figure.savefig(path, dpi=160, transparent=True, metadata={"Date": None})
    svg = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(svg.replace(INK, "currentColor"), encoding="utf-8")


def save_png(figure: Figure, path: str) -> None:
    """Write the picture for elsewhere, black on white; the same figure gives the same bytes."""
    figure.savefig(path, dpi=160, facecolor="white")


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    tables = {  # there are no gate_steps without the controlled track
        name: read_table(snakemake.input[name]) if snakemake.input[name] else pd.DataFrame()
        for name in ("runs", "epochs", "audit", "comparison", "gate_steps")
    }
    published, text, english = (
        yaml.safe_load(Path(snakemake.input[name]).read_bytes())
        for name in ("published", "text", "english")
    )
    mpl.rcParams.update(STYLE)
    warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a browser has it

    def drawn(name: str, text: dict, narrow: bool = False) -> Figure:
        draw = FIGURES[name]
        empty = DRAWN_FROM[draw](tables).empty
        return nothing(text) if empty else draw(tables, snakemake.config, published, text, narrow)

    files = snakemake.output
    for svg, narrow, png in zip(files.svg, files.narrow, files.png, strict=True):
        name = Path(svg).stem
        figure = drawn(name, text)
        save_svg(figure, svg)
        save_svg(drawn(name, text, narrow=True), narrow)
        save_png(figure if text == english else drawn(name, english), png)
