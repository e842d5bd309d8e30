"""The report's figures.

An SVG's ink is `currentColor` on nothing, so that a page which holds it inline shows it in its own
text color, in the dark and on paper too. Labels are text, not outlines; a page chooses the font.
They are in the report's language. A PNG's are in English, since Matplotlib's font has no Chinese.
Every run is a dot: nothing is averaged away before it has been seen.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.optimize import isotonic_regression

from evenhand.comparison.compare import admit, of_scenario, pair
from evenhand.comparison.sizes import step_seconds, varied
from evenhand.core.claims import published_logs, published_ratio
from evenhand.core.experiment import Experiment
from evenhand.report.looks import Look, looks, marker
from evenhand.report.results import (
    MOST_PLOTTED,
    has_data,
    percent,
    scientific,
    times,
    with_first,
)

INK = "#101214"  # stands for currentColor until the SVG is written
GRAY = "#808080"
LINE_HEIGHT = 12  # points, of a label
PANEL_SHARE = 0.6  # of a panel's height that its axis takes, below the title and above the labels
PANEL = 3.7  # inches: what a phone is wide, and a third of a page
FLAT = 20  # times as long as the shortest: so long a bar or line would flatten the others
FAR = 8  # an interval that reaches beyond this multiple of its ratio ends in an arrow
RING = {"marker": "o", "s": 90, "facecolors": "none"}  # a published value
SHADES = "cividis_r"  # of times: light is fast
WAITING = {"alpha": 0.45, "hatch": "////"}
MEGA, MILLI = 1e6, 1e3  # operations in one of the unit, units in a second
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
TIERS = ["float64", "float32", "restarted"]  # the last one not everywhere
PHASES = {  # from first to last, and the color of each: Cividis, dark to light
    "import": "#2f4a78",
    "load": "#4b5b7a",
    "set_up": "#646d7e",
    "compile": "#70757f",
    "first_step": "#7b7e81",
    "training": "#938f7e",
    "between": "#afa275",
    "loader_pass": "#cab668",
    "evaluation": "#e2cb66",
    "rest": "#f5e27a",
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's own defaults and the report's style, whatever a user's matplotlibrc says."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        # a browser has the glyphs that Matplotlib's font lacks
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def panels(
    table: pd.DataFrame, narrow: bool, height: float = 3.2
) -> Iterator[tuple[Axes, pd.DataFrame]]:
    """A panel for each track and scenario, in table order: three to a row, or one if `narrow`.

    `height` in inches, more where so many competitors have a row each.
    """
    groups = list(table.groupby(["track", "scenario"], sort=False))
    height = max(height, 0.8 + 0.26 * max(group["competitor"].nunique() for _, group in groups))
    columns = 1 if narrow else min(len(groups), 3)
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(PANEL * columns, height * rows))
    cells = list(figure.subplots(rows, columns, squeeze=False).flat)
    for (names, group), axes in zip(groups, cells, strict=False):
        axes.set_title(" · ".join(names))
        yield axes, group
    for axes in cells[len(groups) :]:
        axes.set_visible(False)


def dots(axes: Axes, x, y, look: Look, **options) -> None:
    """A dot for each value; many are plotted as pixels, and fainter."""
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
    """The competitors in a group of rows, in the configuration's order."""
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
) -> dict[str, tuple[str, float]]:
    """Every run's value at each epoch, their average as a line, the published values as rings.

    Dots and rings are shifted sideways, each competitor's into a column of its own. Returns color
    and last value of each line by its label, for `label_lines`.
    """
    present, ends = members(group, looks), {}
    shifts = min(0.14, 0.8 / len(present)) * (np.arange(len(present)) - (len(present) - 1) / 2)
    for shift, (name, look) in zip(shifts, present, strict=True):
        rows = group[group["competitor"] == name]
        dots(axes, rows["epoch"] + shift, rows[quantity], look)
        line = rows.groupby("epoch")[quantity].agg(average)
        axes.plot(line.index, line, color=look.color, marker=look.marker, ms=4)
        ends[look.label] = look.color, line.iloc[-1]
        if name in published:
            values = published[name][quantity][: len(line)]
            where = np.arange(len(values)) + shift
            axes.scatter(where, values, edgecolors=look.color, **RING)
    if published.keys() & {name for name, _ in present}:
        axes.scatter([], [], label=words["published"], edgecolors=INK, **RING)
    axes.set_xticks(sorted(group["epoch"].unique()))
    axes.set_xlabel(words["epoch"])
    return ends


def label_lines(axes: Axes, ends: dict[str, tuple[str, float]]) -> None:
    """Names beside the lines' last values, moved apart where they would overlap.

    To be called when the vertical axis has its scale and limits.
    """
    labels = sorted(ends, key=lambda label: ends[label][1])
    values = np.array([ends[label][1] for label in labels])
    to_axes = axes.transScale + axes.transLimits
    heights = to_axes.transform(np.column_stack([np.zeros_like(values), values]))[:, 1]
    steps = np.arange(len(labels)) * LINE_HEIGHT / (72 * PANEL_SHARE * axes.figure.get_figheight())
    steps *= axes.get_subplotspec().get_gridspec().nrows
    places = isotonic_regression(heights - steps).x + steps
    places -= max(places[-1] - 1, 0)
    places += max(-places[0], 0)
    for label, height, place in zip(labels, heights, places, strict=True):
        color, at = ends[label][0], {"xycoords": "axes fraction", "textcoords": "axes fraction"}
        line = {"arrowstyle": "-", "color": color, "linewidth": 0.8, "relpos": (0, 0.5)}
        axes.annotate(label, (1, height), (1.05, place), va="center", arrowprops=line, **at)


def on_log_scale(axes: Axes, values: pd.Series) -> None:
    """Let the vertical axis be logarithmic, with numbers at it that have room for themselves."""
    steps = (1, 2, 5) if values.max() > 10 * values.min() else (1, 1.5, 2, 3, 5, 7)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def loss(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Average training loss by epoch."""
    for axes, group in panels(tables["epochs"], narrow):
        logs = logs_for(group, experiment)
        given = looks(experiment), logs, text["figure_words"]
        ends = by_epoch(axes, group, "average_loss", "mean", *given)
        on_log_scale(axes, group["average_loss"])
        axes.set_ylabel(text["figure_words"]["average_loss"])
        label_lines(axes, ends)
    key(axes)
    return axes.figure


def seconds(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Seconds of each epoch, on a log scale where the slowest would flatten the others."""
    for axes, group in panels(tables["epochs"], narrow):
        logs = logs_for(group, experiment)
        given = looks(experiment), logs, text["figure_words"]
        ends = by_epoch(axes, group, "seconds", "median", *given)
        flat = group["seconds"].max() > FLAT * group["seconds"].min()
        axes.set_ylabel(text["figure_words"]["seconds_log" if flat else "seconds"])
        if flat:
            on_log_scale(axes, group["seconds"])
        else:
            axes.set_ylim(bottom=0)
        label_lines(axes, ends)
    key(axes)
    return axes.figure


def logs_for(group: pd.DataFrame, experiment: Experiment) -> dict:
    """The published logs that belong to these rows, which are of one track and scenario."""
    return published_logs(experiment, *group[["track", "scenario"]].iloc[0])


def ratio(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Each pair's ratio of epoch times: every round, the mean with its interval, the margin."""
    contests = tables["comparison"].groupby(["track", "scenario"], sort=False)
    rows = pd.concat([with_first(pairs, MOST_PLOTTED) for _, pairs in contests])
    look = looks(experiment)
    sound = admit(tables["runs"], tables["audit"])
    width, height = (PANEL, 0.75) if narrow else (3 * PANEL, 0.42)  # of each pair
    small = 8 if narrow else None
    figure = Figure(figsize=(width, 0.9 + height * len(rows)))
    axes = figure.subplots()
    settings = experiment.config["comparison"]
    margin = settings["margin"]
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
            axes.annotate(times(row.ratio), (row.ratio, place), **where)
        else:  # in the panel wherever 1 is: beyond its edge, words would take its room
            where = {"xycoords": ("axes fraction", "data"), "va": "center"}
            axes.annotate(text["words"][row.verdict], (0.01, place), size=small, **where)
        logs = published_logs(experiment, row.track, row.scenario)
        then = published_ratio(logs, row.a, row.b, settings["warmup_epochs"])
        axes.scatter(then, place, edgecolors=look[row.a].color, **RING)
        names.append(f"{row.track} · {row.scenario} · {look[row.a].label} / {look[row.b].label}")
    axes.set_yticks(range(len(names)), [] if narrow else names)
    for place, name in enumerate(names if narrow else []):  # above its row, across the panel
        axes.annotate(name, (0.01, place - 0.42), xycoords=("axes fraction", "data"), va="center")
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [digit * 10.0**power for power in range(-3, 4) for digit in (1, 2, 5)]
    if high / low < FAR:
        ticks += [0.3, 0.7, 1.5, 3]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", visible=False)
    words = text["figure_words"]["ratio"].format(margin=percent(text, margin, "g"))
    axes.set_xlabel(words, size=small)
    return figure


def waiting(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Where an epoch's time goes, where a loader feeds it; a line marks the loader alone."""
    runs = tables["runs"].dropna(subset=["wait_share"])
    for axes, group in panels(runs, narrow, height=2.4):
        present, totals = members(group, looks(experiment)), []
        for place, (name, look) in enumerate(present):
            rows = group[group["competitor"] == name]
            total = rows["median_epoch_seconds"].median()
            totals.append(total)
            wait = total * rows["wait_share"].median()
            axes.barh(place, wait, 0.55, color=look.color, **WAITING)
            axes.barh(place, total - wait, 0.55, wait, color=look.color)
            alone = rows["loader_pass_seconds"].median()
            axes.plot([alone, alone], [place - 0.4, place + 0.4], color=INK)
            dots(axes, rows["median_epoch_seconds"], np.full(len(rows), place + 0.38), look)
        name_rows(axes, present)
        cut(axes, totals)
        axes.set_xlabel(text["figure_words"]["epoch_seconds"])
    axes.barh(0, 0, color=GRAY, label=text["figure_words"]["waiting"], **WAITING)
    axes.barh(0, 0, color=GRAY, label=text["figure_words"]["computing"])
    axes.plot([], [], color=INK, label=text["figure_words"]["loader_alone"])
    key(axes)
    return axes.figure


def tracks(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Each competitor in every track of the first scenario: median epoch, rounds, the limits."""
    runs, words = tables["runs"], text["figure_words"]
    runs = runs[runs["scenario"] == runs["scenario"].iloc[0]]
    present = members(runs, looks(experiment))
    figure = Figure(figsize=(PANEL if narrow else 2 * PANEL, 1.4 + 0.42 * len(present)))
    axes = figure.subplots()
    in_turn = [track for track in experiment.config["tracks"] if track in set(runs["track"])]
    for place, (name, look) in enumerate(present):
        for index, track in enumerate(in_turn):
            seconds = runs.loc[
                (runs["competitor"] == name) & (runs["track"] == track), "median_epoch_seconds"
            ]
            of_track = look._replace(marker=marker(index))
            at = place + 0.16 * (index - (len(in_turn) - 1) / 2)
            dots(axes, seconds, np.full(len(seconds), at), of_track)
            if len(seconds):
                axes.plot(seconds.median(), at, marker=marker(index), color=look.color, ms=8)
    axes.set_xscale("log")
    limits = runs.dropna(subset=["products_seconds"])
    if len(limits):
        at_peak = (limits["flop_per_epoch"] / limits["peak_flop_per_second"]).median()
        for value, line, word in (
            (limits["products_seconds"].median(), "--", "products"),
            (at_peak, ":", "peak"),
        ):
            axes.axvline(value, color=INK, linestyle=line, linewidth=1, label=words[word])
    for index, track in enumerate(in_turn):
        axes.plot([], [], marker=marker(index), color=GRAY, linestyle="", ms=8, label=track)
    name_rows(axes, present)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(words["epoch_log"])
    key(axes)
    return figure


def phases(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """The whole process, phase after phase: the median of each over the rounds."""
    for axes, group in panels(tables["runs"], narrow, height=2.6):
        present, totals = members(group, looks(experiment)), []
        for place, (name, _) in enumerate(present):
            rows = group[group["competitor"] == name]
            spent = {phase: rows[f"{phase}_seconds"].fillna(0).median() for phase in PHASES}
            spent["training"] -= spent["first_step"]  # which is a part of the first epoch
            left = 0.0
            for phase, color in PHASES.items():
                label = text["figure_words"]["phases"][phase]
                axes.barh(place, spent[phase], 0.6, left=left, color=color, label=label)
                left += spent[phase]
            totals.append(left)
        name_rows(axes, present)
        cut(axes, totals)
        axes.set_xlabel(text["figure_words"]["process_seconds"])
    key(axes)
    return axes.figure


def limit(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Each run's arithmetic as a share of the measured matrix-multiply peak; a GPU has none."""
    runs = tables["runs"].dropna(subset=["share_of_peak"])
    for axes, group in panels(runs, narrow, height=2.2):
        present = members(group, looks(experiment))
        for place, (name, look) in enumerate(present):
            rows = group[group["competitor"] == name]
            middle = rows["share_of_peak"].median()
            axes.barh(place, middle, height=0.5, color=look.color, alpha=0.35)
            bare = (rows["flop_per_second"] * rows["median_epoch_seconds"]).median()
            bare /= (rows["products_seconds"] * rows["peak_flop_per_second"]).median()
            axes.plot([bare, bare], [place - 0.4, place + 0.4], color=INK)
            dots(axes, rows["share_of_peak"], np.full(len(rows), place), look)
        name_rows(axes, present)
        axes.set_xlim(0, max(1, group["share_of_peak"].max()))
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel(text["figure_words"]["share_of_peak"])
    return axes.figure


def gate(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """How far each step's loss is from the reference, by tier: every step, and the worst so far."""
    steps, look = tables["gate_steps"], looks(experiment)
    steps = steps.assign(deviation=steps["deviation"].clip(upper=10))  # infinite: a loss is missing
    shown = [
        (names, tier, of_all)
        for names, of_all in steps.groupby(["track", "scenario"], sort=False)
        for tier in TIERS
        if tier in TIERS[:2] or tier in set(of_all["tier"])
    ]
    width, across = (PANEL, 1) if narrow else (3 * PANEL, 2)
    down = -(-len(shown) // across)
    figure = Figure(figsize=(width, 3.4 * down))
    cells = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes in cells.flat[len(shown) :]:
        axes.set_visible(False)
    for (names, tier, of_both), axes in zip(shown, cells.flat, strict=False):
        group = of_both[of_both["tier"] == tier]
        ends = {}
        for name, of in members(group, look):
            rows = group[group["competitor"] == name]
            dots(axes, rows["step"], rows["deviation"], of)
            worst = rows["deviation"].cummax()
            mark = {"marker": of.marker, "ms": 4, "markevery": [-1]}
            axes.plot(rows["step"], worst, color=of.color, **mark)
            ends[of.label] = of.color, worst.iloc[-1]
        for limit, until in allowed(group):
            axes.plot([1, until], [limit, limit], color=INK, linestyle="--", linewidth=1)
            words = text["figure_words"]["limit"].format(limit=scientific(limit))
            axes.annotate(words, (1, limit), (0, 3), textcoords="offset points")
        axes.set_title(" · ".join([*names, tier]))
        axes.set_xscale("log")
        axes.set_xlabel(text["figure_words"]["step"])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_yscale("symlog", linthresh=1e-17, linscale=0.5)  # zero has a place on it
        axes.set_ylim(-2e-18, 10)
        axes.set_yticks([0, *10.0 ** np.arange(-16, 1, 4)])
        axes.yaxis.set_major_formatter(lambda value, _: scientific(value))
        label_lines(axes, ends)
    for axes in cells[:, 0]:
        axes.set_ylabel(text["figure_words"]["deviation"])
    return figure


def loaders(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Seconds of an epoch by loader workers and threads: a panel a competitor, dark is slow."""
    table, words = tables["loaders"], text["figure_words"]
    several = table["track"].nunique() > 1
    shown = [
        (f"{track} · {look.label}" if several else look.label, look, rows)
        for track, of_track in table.groupby("track", sort=False)
        for name, look in members(of_track, looks(experiment))
        for rows in [of_track[of_track["competitor"] == name]]
    ]
    across = 1 if narrow else min(2, len(shown))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(PANEL * (1 if narrow else 1.5 * across), 0.5 + 1.75 * down))
    cells = figure.subplots(down, across, squeeze=False)
    for axes in cells.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, (title, look, rows) in zip(cells.flat, shown, strict=False):
        threads = heat_map(axes, rows, look)
        named = [words["own_threads"] if of == "default" else of for of in threads]
        axes.set_yticks(np.arange(len(named)) + 0.5, named)
        axes.set_title(title)
        axes.set_xlabel(words["loader_workers"])
        axes.set_ylabel(words["threads"])
    return figure


def sizes(tables: dict, experiment: Experiment, text: dict, narrow: bool = False) -> Figure:
    """Seconds of a step by its FLOP: rounds, the law that fits them, bare products, the peak."""
    table, words = tables["sizes"], text["figure_words"]
    sound, tracks = admit(tables["runs"], tables["audit"]), list(table["track"].unique())
    width, height = (PANEL, 4.4) if narrow else (2 * PANEL, 4.6)
    figure = Figure(figsize=(width, height * len(tracks)))
    for axes, track in zip(figure.subplots(len(tracks), squeeze=False).flat, tracks, strict=True):
        laws, flop = table[table["track"] == track], varied(experiment, track)
        ends = np.geomspace(min(flop.values()), max(flop.values()), 200)
        runs = sound[(sound["track"] == track) & sound["scenario"].isin(flop)]
        runs = runs[runs["competitor"].isin(laws["competitor"])]
        runs = runs.assign(flop=runs["scenario"].map(flop), step=step_seconds(runs, experiment))
        named = {}
        for name, look in members(laws, looks(experiment)):
            own, law = runs[runs["competitor"] == name], laws[laws["competitor"] == name].iloc[0]
            dots(axes, own["flop"] / MEGA, own["step"] * MILLI, look)
            fitted = np.nan_to_num(law["overhead_seconds"]) + ends / law["flop_per_second"]
            axes.plot(ends / MEGA, fitted * MILLI, color=look.color)
            named[look.label] = look.color, fitted[-1] * MILLI
        limits = runs.dropna(subset=["products_seconds"])
        if len(limits):
            share = limits["products_seconds"] / limits["median_epoch_seconds"]
            bare = (share * limits["step"]).groupby(limits["flop"]).median()
            axes.plot(bare.index / MEGA, bare * MILLI, "x", color=INK, label=words["products"])
            at_peak = ends / limits["peak_flop_per_second"].median()
            line = {"color": INK, "linewidth": 1, "label": words["peak"]}
            axes.plot(ends / MEGA, at_peak * MILLI, ":", **line)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter(NullFormatter())
        axes.set_title(track)
        axes.set_xlabel(words["flop_log"])
        axes.set_ylabel(words["step_log"])
        label_lines(axes, named)
    key(axes)
    return figure


def heat_map(axes: Axes, rows: pd.DataFrame, look: Look) -> list[str]:
    """One competitor's seconds by threads (from below) and workers, its fastest way framed.

    Returns the threads of the rows, as the table has them.
    """
    square = rows.pivot(index="threads", columns="loader_workers", values="seconds")
    order = sorted(square.index, key=lambda of: np.inf if of == "default" else int(of))
    square = square.loc[order]
    relative = square / square.min().min()
    shade = LogNorm(1, max(4, relative.max().max()))
    axes.pcolormesh(relative, cmap=SHADES, norm=shade, edgecolors="white", linewidth=2)
    for (row, column), value in np.ndenumerate(square):
        if np.isnan(value):
            continue
        fastest = relative.iloc[row, column] == 1
        axes.annotate(
            f"{value:.2f}",
            (column + 0.5, row + 0.5),
            ha="center",
            va="center",
            color="white" if shade(relative.iloc[row, column]) > 0.5 else "black",
            weight="bold" if fastest else None,
        )
        if fastest:
            frame = Rectangle((column + 0.04, row + 0.06), 0.92, 0.88, fill=False)
            frame.set(edgecolor=look.color, linewidth=3)
            axes.add_patch(frame)
    axes.set_xticks(np.arange(square.shape[1]) + 0.5, square.columns)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    return order


def allowed(steps: pd.DataFrame) -> list[tuple[float, int]]:
    """Each limit that the gate used for these steps, and the last step that it was used for."""
    limited = steps.dropna(subset=["limit"])
    return list(limited.groupby("limit")["step"].max().items())


def name_rows(axes: Axes, present: list[tuple[str, Look]]) -> None:
    """One horizontal row for each competitor, first on top."""
    axes.set_yticks(range(len(present)), [look.label for _, look in present])
    axes.set_ylim(len(present) - 0.45, -0.55)
    axes.grid(axis="y", visible=False)


def cut(axes: Axes, totals: list[float]) -> None:
    """End the axis before bars that would flatten the others; how long these are stands beside."""
    longest = max(total for total in totals if total <= FLAT * min(totals))
    if longest == max(totals):
        return
    axes.set_xlim(0, 1.1 * longest)
    for place, total in enumerate(totals):
        if total > longest:
            where = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
            axes.annotate(f"▸ {total:.3g}", (1, place), (2, 0), va="center", **where)


def key(axes: Axes) -> None:
    """One legend below all panels, its labels in the order in which they appear."""
    once = {}
    for panel in axes.figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            once.setdefault(label, handle)
    if not once:
        return
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
    """What stands where these results have nothing to plot."""
    figure = Figure(figsize=(PANEL, 0.6))
    figure.text(0.02, 0.5, text["figure_words"]["nothing"])
    return figure


FIGURES: dict[str, Callable[..., Figure]] = {
    plot.__name__: plot
    for plot in (loss, seconds, ratio, waiting, tracks, phases, limit, gate, loaders, sizes)
}


def figure(
    name: str,
    tables: dict,
    experiment: Experiment,
    text: dict,
    narrow: bool = False,
) -> Figure:
    """A figure by name; to be called, and saved, within `style`."""
    if not has_data(name, tables):
        return nothing(text)
    return FIGURES[name](tables, experiment, text, narrow)


def save_svg(figure: Figure, path: str | Path) -> None:
    """Write the picture for a page; the same figure gives the same bytes."""
    figure.savefig(path, dpi=160, transparent=True, metadata={"Date": None})
    svg = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(svg.replace(INK, "currentColor"), encoding="utf-8")


def save_png(figure: Figure, path: str | Path) -> None:
    """Write the picture for elsewhere, black on white; the same figure gives the same bytes."""
    figure.savefig(path, dpi=160, facecolor="white")


def write(
    files: dict[str, tuple[str, str, str]],
    tables: dict,
    experiment: Experiment,
    text: dict,
    english: dict,
) -> None:
    """Write each figure to its files: an SVG, an SVG as narrow as a phone, a PNG in English."""
    with style():
        for name, (svg, narrow, png) in files.items():
            given = name, tables, experiment
            wide = figure(*given, text)
            save_svg(wide, svg)
            save_svg(figure(*given, text, narrow=True), narrow)
            save_png(wide if text == english else figure(*given, english), png)
