"""The figures, on made-up results."""

import os
import pickle
import re
import subprocess
import sys
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from evenhand.core.axes import framework
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT
from evenhand.report import figures
from evenhand.report.figures import (
    FIGURES,
    INK,
    MANY,
    PANEL,
    PHASES,
    figure,
    save_png,
    save_svg,
    style,
)
from evenhand.report.looks import looks
from evenhand.report.results import has_data
from support import records
from support import results as made_up
from support.drawn import USUAL, assert_words_fit

NINE = ["pytorch", "mxnet", "numpy", "jax", "tensorflow", "paddle", "keras", "tinygrad", "autograd"]


def three(**changes):
    """The configuration of the three frameworks that most of the tests are about."""
    return made_up.config(frameworks=NINE[:3], **changes)


@pytest.fixture(autouse=True)
def in_style():
    with style():
        yield


@pytest.fixture(scope="module")
def config():
    return three(rounds=3)


@pytest.fixture(scope="module")
def tables(tmp_path_factory, config):
    return made_up.tables(tmp_path_factory.mktemp("made-up"), config)


@pytest.fixture(scope="module")
def nine():
    return made_up.config(rounds=3, frameworks=NINE)


@pytest.fixture(scope="module")
def many(tmp_path_factory, nine):
    """The tables of nine, of whom tinygrad takes more than twenty times as long as NumPy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(records.SPEEDS, ("memory", "tinygrad"), (8.1, None))
        return made_up.tables(tmp_path_factory.mktemp("many"), nine)


def plot(name, tables, config, language="en", narrow=False):
    text = made_up.text(language)
    return figure(name, tables, Experiment(config), text, narrow)


def dots(axes):
    """The scattered values that are runs, collection by collection."""
    return [scatter.get_offsets() for scatter in axes.collections if scatter.get_sizes()[0] < 50]


def rings(axes):
    """The published values, which are plotted larger, likewise."""
    return [scatter.get_offsets() for scatter in axes.collections if scatter.get_sizes()[0] > 50]


def only(tables, **wanted):
    """The rows with these values in every table that has the columns."""
    return {
        name: table.loc[
            np.logical_and.reduce(
                [table[key].isin(values) for key, values in wanted.items() if key in table]
                or [np.ones(len(table), dtype=bool)]
            )
        ]
        for name, table in tables.items()
    }


@pytest.mark.fast
@pytest.mark.parametrize(("name", "column"), [("loss", "average_loss"), ("seconds", "seconds")])
def test_every_epoch_of_every_run_is_a_dot(name, column, tables, config):
    panels = plot(name, tables, config).axes
    shown = [np.sort(np.concatenate([d[:, 1] for d in dots(axes)])) for axes in panels]
    groups = tables["epochs"].groupby(["track", "scenario"], sort=False)[column]
    for values, (_, expected) in zip(shown, groups, strict=True):
        np.testing.assert_allclose(values, np.sort(expected))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("name", "column"), [("waiting", "median_epoch_seconds"), ("limit", "share_of_peak")]
)
def test_every_run_is_a_dot(name, column, tables, config):
    runs = tables["runs"].dropna(subset=["wait_share"]) if name == "waiting" else tables["runs"]
    panels = plot(name, tables, config).axes
    shown = np.concatenate([d[:, 0] for axes in panels for d in dots(axes)])
    np.testing.assert_allclose(np.sort(shown), np.sort(runs[column]))


@pytest.mark.fast
def test_every_round_is_a_dot_of_the_ratios(tables, config):
    (axes,) = plot("ratio", tables, config).axes
    assert sum(map(len, dots(axes))) == tables["comparison"]["rounds"].sum()


@pytest.mark.fast
def test_a_rejected_run_leaves_the_ratios(tables, config):
    """The figure shows what the verdicts rest on."""
    out = tables["runs"].iloc[[0]][["track", "scenario", "round", "competitor"]]
    audit = out.assign(severity="error", check="seal", finding="edited", file="")
    rejected = made_up.compared(tables | {"audit": audit}, config)
    (axes,) = plot("ratio", rejected, config).axes
    assert sum(map(len, dots(axes))) == rejected["comparison"]["rounds"].sum()
    assert rejected["comparison"]["rounds"].sum() == tables["comparison"]["rounds"].sum() - 1


@pytest.mark.fast
def test_the_interval_of_each_ratio_is_plotted(tables, config):
    (axes,) = plot("ratio", tables, config).axes
    lines = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    for row in tables["comparison"].itertuples():
        assert (row.low, row.high) in lines


@pytest.mark.fast
def test_an_interval_without_end_is_cut_with_an_arrow(tables, config):
    wide = tables["comparison"].assign(low=1e-5, high=1e6)
    (axes,) = plot("ratio", tables | {"comparison": wide}, config).axes
    assert axes.get_xlim()[1] / axes.get_xlim()[0] < 10_000
    arrows = [line.get_marker() for line in axes.lines if line.get_marker() in ("<", ">")]
    assert arrows == ["<", ">"] * len(wide)


@pytest.mark.fast
def test_published_values_stand_beside_the_settings_that_they_are_of_alone(tables, config):
    tutorial, one_thread, controlled = plot("loss", tables, config).axes
    for axes, expected in ((tutorial, 10), (one_thread, 0), (controlled, 0)):
        assert sum(map(len, rings(axes))) == expected


@pytest.mark.fast
def test_other_settings_than_the_tutorials_have_no_published_values(tables):
    other = three(rounds=3, data={"train_images": 6000})
    assert not rings(plot("seconds", tables, other).axes[0])


@pytest.mark.fast
@pytest.mark.parametrize("name", ["loss", "seconds"])
def test_images_that_are_not_known_have_no_published_values(name, tables, config):
    experiment = Experiment(config, unknown_images=["mnist"])
    panels = figure(name, tables, experiment, made_up.text("en"), False).axes
    assert not any(rings(axes) for axes in panels)


@pytest.mark.fast
def test_waiting_and_computing_add_up_to_the_epoch(tables, config):
    axes = plot("waiting", tables, config).axes[0]
    runs = only(tables, track=["tutorial"], scenario=["baseline"], competitor=["pytorch-cpu"])[
        "runs"
    ]
    waiting, computing = axes.patches[:2]
    epoch = runs["median_epoch_seconds"].median()
    assert waiting.get_width() + computing.get_width() == pytest.approx(epoch)
    assert waiting.get_width() / epoch == pytest.approx(runs["wait_share"].median())


@pytest.mark.fast
def test_the_first_step_is_not_counted_twice(tables, config):
    axes = plot("phases", tables, config).axes[0]
    runs = only(tables, track=["tutorial"], scenario=["baseline"], competitor=["pytorch-cpu"])[
        "runs"
    ]
    whole = sum(bar.get_width() for bar in axes.patches[: len(PHASES)])
    assert whole == pytest.approx(runs["process_seconds"].median(), rel=0.02)


@pytest.mark.fast
def test_a_run_on_a_gpu_has_no_share_of_a_processors_peak(tables, config):
    runs = tables["runs"].copy()
    runs.loc[runs["competitor"] == "mxnet-cpu", "share_of_peak"] = None
    for axes in plot("limit", tables | {"runs": runs}, config).axes:
        assert "MXNet" not in [label.get_text() for label in axes.get_yticklabels()]
        assert all(np.isfinite(of).all() for of in dots(axes))
    runs["share_of_peak"] = None
    assert not has_data("limit", tables | {"runs": runs})
    assert plot("limit", tables | {"runs": runs}, config).texts, "no words where nothing is"


def line_of(axes, competitor, config):
    """The line of a competitor, known by its color."""
    color = looks(Experiment(config))[competitor].color
    (line,) = [line for line in axes.lines if line.get_color() == color]
    return line


@pytest.mark.fast
def test_a_deviation_of_zero_is_shown(tables, config):
    axes = plot("gate", tables, config).axes[0]
    assert not line_of(axes, "numpy-cpu", config).get_ydata().any()
    assert axes.get_ylim()[0] < 0


@pytest.mark.fast
@pytest.mark.parametrize(("panel", "limit", "until"), [(0, 1e-12, 2345), (1, 5e-6, 10)])
def test_the_gates_limits_are_plotted_as_far_as_they_hold(panel, limit, until, tables, config):
    axes = plot("gate", tables, config).axes[panel]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [tuple(line.get_xydata()[:, 0]) for line in dashed] == [(1, until)]
    assert (dashed[0].get_ydata() == limit).all()


@pytest.mark.fast
def test_a_missing_loss_is_at_the_top_of_the_gate(tables, config):
    steps = tables["gate_steps"]
    missing = steps.assign(deviation=steps["deviation"].mask(steps["step"] > 50, np.inf))
    axes = plot("gate", tables | {"gate_steps": missing}, config).axes[0]
    assert line_of(axes, "pytorch-cpu", config).get_ydata()[-1] == axes.get_ylim()[1]


@pytest.mark.fast
def test_limits_are_plotted_as_the_gate_used_them(tables, config):
    """A round whose first ReLU is in doubt early has fewer first steps than the config says."""
    cut_short = made_up.gate_steps(tables["runs"], first_steps=3)
    axes = plot("gate", tables | {"gate_steps": cut_short}, config).axes[1]
    (dashed,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert dashed.get_xydata().tolist() == [[1, 5e-6], [3, 5e-6]]


@pytest.mark.fast
def test_each_limit_of_the_gate_is_plotted_once(tables, config):
    """Devices may have limits of their own; they are in the table."""
    steps = tables["gate_steps"]
    own = steps["limit"].where(steps["competitor"] != "mxnet-cpu", steps["limit"] * 2)
    axes = plot("gate", tables | {"gate_steps": steps.assign(limit=own)}, config).axes[1]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == [5e-6, 1e-5]


NEW = {f"new_{place}": {"label": f"New {place}", "color": f"#{place:06x}"} for place in range(40)}


@pytest.mark.fast
def test_a_framework_has_the_label_and_color_of_its_file(tmp_path):
    names = ["pytorch", "mxnet", "new_1"]
    config = {"frameworks": names, "devices": ["cpu", "cuda"]}
    look = looks(Experiment(config, root=made_up.root_with(tmp_path, **NEW)))
    assert [look[f"{name}-cpu"].color for name in names] == [
        *(framework(name)["color"] for name in names[:2]),
        "#000001",
    ]
    assert look["mxnet-cuda"].color == look["mxnet-cpu"].color
    assert look["mxnet-cuda"].filled != look["mxnet-cpu"].filled
    assert look["new_1-cpu"].label == "New 1 (cpu)"
    assert len({of.marker for of in look.values()}) == 3


@pytest.mark.fast
def test_any_number_of_frameworks_is_told_apart(tmp_path):
    """By color and by marker, each alone, so that a picture in gray will do as well."""
    names = ["pytorch", "mxnet", "numpy", *NEW]
    config = {"frameworks": names, "devices": ["cpu"]}
    look = looks(Experiment(config, root=made_up.root_with(tmp_path, **NEW))).values()
    assert len({of.color for of in look}) == len({of.marker for of in look}) == len(names)
    for of in look:
        assert mpl.markers.MarkerStyle(of.marker).get_path().vertices.size


def test_a_users_matplotlibrc_changes_nothing(tables, config, tmp_path):
    """LaTeX, say, would be needed for every label, and other settings would move or hide parts."""
    rc = tmp_path / "matplotlibrc"
    rc.write_text("text.usetex: True\nsavefig.bbox: tight\nlines.linewidth: 7\nfont.size: 30\n")
    text = made_up.text("en")
    given = tables, Experiment(config), text, text
    (tmp_path / "given.pickle").write_bytes(pickle.dumps(given))
    program = "import pickle, sys; from pathlib import Path; from evenhand.report import figures\n"
    program += "given = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
    program += "figures.write({'loss': sys.argv[2:]}, *given)"
    written = {
        folder: [tmp_path / f"{folder}-{name}" for name in ("wide.svg", "narrow.svg", "wide.png")]
        for folder in ("theirs", "ours")
    }
    figures.write({"loss": written["ours"]}, *given)
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "given.pickle", *written["theirs"]],
        check=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}/workflow/scripts", "MATPLOTLIBRC": str(rc)},
    )
    ours, theirs = ([path.read_bytes() for path in written[of]] for of in ("ours", "theirs"))
    assert ours == theirs


@pytest.mark.parametrize("name", USUAL)
def test_a_narrow_figure_is_as_wide_as_a_phone_and_shows_as_much(name, tables, config):
    wide, narrow = (plot(name, tables, config, narrow=narrow) for narrow in (False, True))
    assert narrow.get_figwidth() == PANEL < wide.get_figwidth()
    shown = [
        [(axes.get_title(loc="left"), [d.tolist() for d in dots(axes)]) for axes in figure.axes]
        for figure in (wide, narrow)
    ]
    assert shown[0] == shown[1] != []


@pytest.mark.fast
def test_a_narrow_ratio_is_named_above_its_row(tables, config):
    (axes,) = plot("ratio", tables, config, narrow=True).axes
    named = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert named["tutorial · baseline · MXNet / PyTorch"] == pytest.approx(-0.42)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", FIGURES)
def test_all_words_of_a_picture_are_in_its_language(name, tables, config):
    """Names stay: those of frameworks, tracks, scenarios and tiers; and `epoch`, as code has it."""
    figure = plot(name, tables, config, "zh")
    figure.draw_without_rendering()
    names = {look.label for look in looks(Experiment(config)).values()} | {
        "epoch",
        "float64",
        "float32",
    }
    names |= {*config["tracks"], *config["scenarios"]}
    words = " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))
    assert re.search("[\u4e00-\u9fff]", words)
    assert set(re.findall("[A-Za-z][A-Za-z0-9-]*", words)) <= names


def test_the_same_tables_give_the_same_bytes_in_ink_that_follows_a_page(tables, config, tmp_path):
    for copy in ("first", "second"):
        save_svg(plot("loss", tables, config), tmp_path / f"{copy}.svg")
        save_png(plot("loss", tables, config), tmp_path / f"{copy}.png")
    svg = (tmp_path / "first.svg").read_text()
    assert svg == (tmp_path / "second.svg").read_text()
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert "currentColor" in svg and INK not in svg
    assert ">average training loss<" in svg  # text, not outlines


@pytest.mark.fast
def test_many_dots_become_pixels(tables, config):
    copies = range(2 + MANY // len(tables["epochs"].query("competitor == 'mxnet-cpu'")))
    epochs = pd.concat([tables["epochs"].assign(round=copy) for copy in copies for _ in range(9)])
    axes = plot("seconds", tables | {"epochs": epochs}, config).axes[0]
    assert all(c.get_rasterized() for c in axes.collections if c.get_sizes()[0] < 50)


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "left",
    [
        {"track": ["tutorial"], "tier": ["none"]},
        {"track": ["controlled"]},
        {"competitor": ["mxnet-cpu"], "a": ["none"]},
        {"round": [0]},
        {"track": ["none"], "tier": ["none"]},
    ],
    ids=["tutorial", "controlled", "one competitor", "one round", "nothing"],
)
def test_every_figure_is_plotted_from_whatever_is_left(name, left, narrow, tables, config):
    few = only(tables, **left)
    plotted = plot(name, few, config, narrow=narrow)
    plotted.draw_without_rendering()
    assert bool(plotted.axes) == has_data(name, few)
    shown = [text.get_text() for text in plotted.findobj(mpl.text.Text)]
    assert (made_up.text("en")["figure_words"]["nothing"] in shown) != has_data(name, few)


@pytest.mark.fast
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", USUAL)
def test_no_words_of_the_first_round_overlap_or_leave_the_picture(
    name, narrow, language, tables, config, written
):
    """When nobody is ranked yet, and a track may have two competitors alone."""
    first = only(tables, round=[0], track=["controlled"], framework=["numpy", "mxnet"])
    plotted = plot(name, made_up.compared(first, config), config, language, narrow)
    assert_words_fit(plotted, written(plotted))


@pytest.mark.fast
def test_a_pair_that_is_not_ranked_has_a_row_and_no_ratio(tables, config):
    gate = tables["gate"].assign(
        passed=tables["gate"]["competitor"] != "mxnet-cpu", cause="order", detail=""
    )
    failed = made_up.compared(tables | {"gate": gate}, config)
    (axes,) = plot("ratio", failed, config).axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    said = dict(zip(rows, [text.get_text() for text in axes.texts], strict=True))
    assert said["controlled · baseline · MXNet / PyTorch"] == "not comparable"
    assert said["controlled · baseline · NumPy / PyTorch"].startswith("0.8")


@pytest.mark.fast
def test_snakemakes_own_report_has_a_caption_for_every_figure():
    captions = (ROOT / "workflow/report").glob("figure_*.rst")
    assert {path.stem.removeprefix("figure_") for path in captions} == set(FIGURES)


# ---- nine competitors ------------------------------------------------


@pytest.mark.fast
@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", USUAL)
def test_no_words_of_nine_overlap_or_leave_the_picture(name, narrow, many, nine, written):
    plotted = plot(name, many, nine, narrow=narrow)
    words = written(plotted)
    assert len(words) >= 20
    assert_words_fit(plotted, words)


@pytest.mark.fast
@pytest.mark.parametrize("first, last", [(0.32, 0.067), (0.32, 0.006), (0.19, 0.11), (2.3, 0.9)])
def test_no_ticks_of_a_loss_overlap(first, last, tables, config, written):
    epochs = tables["epochs"]
    epochs = epochs[epochs["track"] == "controlled"]
    losses = np.geomspace(first, last, epochs["epoch"].nunique())[epochs["epoch"]]
    plotted = plot("loss", tables | {"epochs": epochs.assign(average_loss=losses)}, config)
    numbers = [box for text, box in written(plotted) if re.fullmatch(r"[\d.]+", text)]
    ticks = [box for box in numbers if box.x1 < plotted.axes[0].bbox.x0]
    assert len(ticks) >= 2
    for box, beside in combinations(ticks, 2):
        assert min(box.y1, beside.y1) < max(box.y0, beside.y0)


@pytest.mark.fast
@pytest.mark.parametrize("name", ["loss", "seconds"])
def test_the_dots_of_nine_stay_with_their_epoch(name, many, nine):
    controlled = plot(name, many, nine).axes[-1]
    columns = [d[:, 0] for d in dots(controlled)]
    assert len(columns) == 9
    middles = [np.median(np.asarray(column - np.round(column))) for column in columns]
    assert middles == sorted(middles) and len({round(middle, 6) for middle in middles}) == 9
    assert max(np.abs(middles)) < 0.45


@pytest.mark.fast
def test_a_slow_competitor_does_not_flatten_the_others(many, nine):
    """Seconds are on a log scale in its panel, and otherwise begin at zero; no value is cut off."""
    panels = plot("seconds", many, nine).axes
    slow = [axes for axes in panels if axes.get_title("left").startswith("controlled")]
    assert 0 < len(slow) < len(panels)
    for axes in panels:
        log = axes in slow
        assert axes.get_yscale() == ("log" if log else "linear")
        assert axes.get_ylabel() == ("seconds, log scale" if log else "seconds")
        low, high = axes.get_ylim()
        assert (low > 0) == log
        assert all(low <= seconds <= high for d in dots(axes) for seconds in d[:, 1])


@pytest.mark.fast
@pytest.mark.parametrize("name", ["loss", "seconds"])
def test_each_panel_is_as_high_as_its_own_values(name, tables, config):
    """The 0.4 s of one track do not lie flat below the seconds of another."""
    for axes in plot(name, tables, config).axes:
        highest = max(d[:, 1].max() for d in dots(axes))
        assert highest <= axes.get_ylim()[1] < 1.6 * highest


@pytest.mark.fast
@pytest.mark.parametrize("name", ["waiting", "phases"])
def test_a_bar_twenty_times_as_long_as_another_ends_early_and_says_how_long_it_is(
    name, tables, config
):
    runs = tables["runs"].copy()
    slow = runs["competitor"] == "mxnet-cpu"
    seconds = runs.filter(regex="_seconds$").columns
    runs.loc[slow, seconds] *= 100
    for axes in plot(name, tables | {"runs": runs}, config).axes:
        widths = {}
        for bar in axes.patches:
            row = round(bar.get_y() + bar.get_height() / 2)
            widths[row] = widths.get(row, 0) + bar.get_width()
        longest = widths.pop(1)
        assert longest > 20 * max(widths.values()) > axes.get_xlim()[1]
        assert [text.get_text() for text in axes.texts] == [f"▸ {longest:.3g}"]
    for axes in plot(name, tables, config).axes:
        assert not axes.texts


@pytest.mark.fast
def test_of_many_pairs_the_ratios_to_the_first_are_plotted(many, nine):
    (axes,) = plot("ratio", many, nine).axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    compared = many["comparison"]
    assert len(compared[compared["track"] == "controlled"]) == 36
    controlled = [row for row in rows if row.startswith("controlled")]
    assert len(controlled) == 8 and all(row.endswith(" / PyTorch") for row in controlled)
    tutorial = compared[compared["track"] == "tutorial"]
    assert len(rows) - 8 == len(tutorial) == 12  # six in each scenario


@pytest.mark.fast
@pytest.mark.parametrize("name", ["loss", "seconds", "gate"])
def test_each_of_nine_lines_has_its_name_beside_it(name, many, nine):
    """From top to bottom as the lines end, led to by a stroke in the line's color."""
    by_color = {to_hex(look.color): look.label for look in looks(Experiment(nine)).values()}
    panels = plot(name, many, nine).axes
    controlled = [axes for axes in panels if axes.get_title("left").startswith("controlled")]
    for axes in controlled:
        beside = [text for text in axes.texts if text.arrow_patch]
        named = {to_hex(text.arrow_patch.get_edgecolor()): text for text in beside}
        ends = {to_hex(line.get_color()): line.get_ydata()[-1] for line in axes.lines}
        assert len(named) == len(beside) == 9
        assert {color: text.get_text() for color, text in named.items()} == by_color
        from_below = sorted(named, key=lambda color: named[color].get_position()[1])
        heights = [ends[color] for color in from_below]
        assert heights == sorted(heights)
