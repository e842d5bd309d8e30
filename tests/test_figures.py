"""The figures, on made-up results."""

import re

import made_up_results
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from competitors import COLORS, looks
from figures import (
    DRAWN_FROM,
    FIGURES,
    INK,
    MANY,
    PANEL,
    PHASES,
    STYLE,
    nothing,
    save_png,
    save_svg,
)

PUBLISHED = made_up_results.PUBLISHED
FIRST_BAR = {"track": ["tutorial"], "scenario": ["baseline"], "competitor": ["pytorch-cpu"]}


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context(STYLE):
        yield


@pytest.fixture(scope="module")
def config():
    return made_up_results.config(rounds=3)


@pytest.fixture(scope="module")
def tables(tmp_path_factory, config):
    return made_up_results.tables(tmp_path_factory.mktemp("made-up"), config)


def draw(name, tables, config, language="en", narrow=False):
    return FIGURES[name](tables, config, PUBLISHED, made_up_results.text(language), narrow)


def dots(axes):
    """The scattered values that are runs, collection by collection."""
    return [scatter.get_offsets() for scatter in axes.collections if scatter.get_sizes()[0] < 50]


def rings(axes):
    """The published values, which are drawn larger, likewise."""
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


@pytest.mark.parametrize(("name", "column"), [("loss", "average_loss"), ("seconds", "seconds")])
def test_every_epoch_of_every_run_is_a_dot(name, column, tables, config):
    panels = draw(name, tables, config).axes
    drawn = [np.sort(np.concatenate([d[:, 1] for d in dots(axes)])) for axes in panels]
    groups = tables["epochs"].groupby(["track", "scenario"], sort=False)[column]
    for values, (_, expected) in zip(drawn, groups, strict=True):
        np.testing.assert_allclose(values, np.sort(expected))


@pytest.mark.parametrize(
    ("name", "column"), [("waiting", "median_epoch_seconds"), ("limit", "share_of_peak")]
)
def test_every_run_is_a_dot(name, column, tables, config):
    runs = tables["runs"].dropna(subset=["wait_share"]) if name == "waiting" else tables["runs"]
    panels = draw(name, tables, config).axes
    drawn = np.concatenate([d[:, 0] for axes in panels for d in dots(axes)])
    np.testing.assert_allclose(np.sort(drawn), np.sort(runs[column]))


def test_every_round_is_a_dot_of_the_ratios(tables, config):
    (axes,) = draw("ratio", tables, config).axes
    assert sum(map(len, dots(axes))) == tables["comparison"]["rounds"].sum()


def test_a_rejected_run_leaves_the_ratios(tables, config):
    """The figure shows what the verdicts rest on."""
    out = tables["runs"].iloc[[0]][["track", "scenario", "round", "competitor"]]
    audit = out.assign(severity="error", check="seal", finding="edited", file="")
    rejected = made_up_results.compared(tables | {"audit": audit}, config)
    (axes,) = draw("ratio", rejected, config).axes
    assert sum(map(len, dots(axes))) == rejected["comparison"]["rounds"].sum()
    assert rejected["comparison"]["rounds"].sum() == tables["comparison"]["rounds"].sum() - 1


def test_the_interval_of_each_ratio_is_drawn(tables, config):
    (axes,) = draw("ratio", tables, config).axes
    lines = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    for row in tables["comparison"].itertuples():
        assert (row.low, row.high) in lines


def test_an_interval_without_end_is_cut_with_an_arrow(tables, config):
    wide = tables["comparison"].assign(low=1e-5, high=1e6)
    (axes,) = draw("ratio", tables | {"comparison": wide}, config).axes
    assert axes.get_xlim()[1] / axes.get_xlim()[0] < 10_000
    arrows = [line.get_marker() for line in axes.lines if line.get_marker() in ("<", ">")]
    assert arrows == ["<", ">"] * len(wide)


def test_published_values_stand_beside_the_tutorial_track_alone(tables, config):
    tutorial, one_thread, controlled = draw("loss", tables, config).axes
    for axes, expected in ((tutorial, 10), (one_thread, 10), (controlled, 0)):
        assert sum(map(len, rings(axes))) == expected


def test_other_settings_than_the_tutorials_have_no_published_values(tables):
    other = made_up_results.config(rounds=3, data={"train_images": 6000})
    assert not rings(draw("seconds", tables, other).axes[0])


def test_waiting_and_computing_add_up_to_the_epoch(tables, config):
    axes = draw("waiting", tables, config).axes[0]
    runs = only(tables, track=["tutorial"], scenario=["baseline"], competitor=["pytorch-cpu"])[
        "runs"
    ]
    waiting, computing = axes.patches[:2]
    epoch = runs["median_epoch_seconds"].median()
    assert waiting.get_width() + computing.get_width() == pytest.approx(epoch)
    assert waiting.get_width() / epoch == pytest.approx(runs["wait_share"].median())


def test_the_first_step_is_not_counted_twice(tables, config):
    axes = draw("phases", tables, config).axes[0]
    runs = only(tables, track=["tutorial"], scenario=["baseline"], competitor=["pytorch-cpu"])[
        "runs"
    ]
    whole = sum(bar.get_width() for bar in axes.patches[: len(PHASES)])
    assert whole == pytest.approx(runs["process_seconds"].median(), rel=0.02)


def test_a_deviation_of_zero_is_shown(tables, config):
    figure = draw("gate", tables, config)
    numpy_line = figure.axes[0].get_legend_handles_labels()[0][-1]
    assert not numpy_line.get_ydata().any()
    assert figure.axes[0].get_ylim()[0] < 0


@pytest.mark.parametrize(("panel", "limit", "until"), [(0, 1e-12, 2345), (1, 5e-6, 10)])
def test_the_gates_limits_are_drawn_as_far_as_they_hold(panel, limit, until, tables, config):
    axes = draw("gate", tables, config).axes[panel]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [tuple(line.get_xydata()[:, 0]) for line in dashed] == [(1, until)]
    assert (dashed[0].get_ydata() == limit).all()


def test_a_missing_loss_is_at_the_top_of_the_gate(tables, config):
    steps = tables["gate_steps"]
    missing = steps.assign(deviation=steps["deviation"].mask(steps["step"] > 50, np.inf))
    axes = draw("gate", tables | {"gate_steps": missing}, config).axes[0]
    assert axes.get_legend_handles_labels()[0][0].get_ydata()[-1] == axes.get_ylim()[1]


def test_a_framework_keeps_its_color_and_a_new_one_gets_the_next():
    config = {"frameworks": ["pytorch", "mxnet", "never_seen"], "devices": ["cpu", "cuda"]}
    look = looks(config)
    assert [look[f"{name}-cpu"].color for name in config["frameworks"]] == COLORS[:3]
    assert look["mxnet-cuda"].color == look["mxnet-cpu"].color
    assert look["mxnet-cuda"].filled != look["mxnet-cpu"].filled
    assert look["never_seen-cpu"].label == "never_seen (cpu)"
    assert len({of.marker for of in look.values()}) == 3


@pytest.mark.parametrize("name", FIGURES)
def test_a_narrow_figure_is_as_wide_as_a_phone_and_shows_as_much(name, tables, config):
    wide, narrow = (draw(name, tables, config, narrow=narrow) for narrow in (False, True))
    assert narrow.get_figwidth() == PANEL < wide.get_figwidth()
    shown = [
        [(axes.get_title(loc="left"), [d.tolist() for d in dots(axes)]) for axes in figure.axes]
        for figure in (wide, narrow)
    ]
    assert shown[0] == shown[1] != []


def test_a_narrow_ratio_is_named_above_its_row(tables, config):
    (axes,) = draw("ratio", tables, config, narrow=True).axes
    named = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert named["tutorial · baseline · MXNet / PyTorch"] == pytest.approx(-0.36)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", FIGURES)
def test_all_words_of_a_picture_are_in_its_language(name, tables, config):
    """Names stay: those of frameworks, tracks, scenarios and tiers; and `epoch`, as code has it."""
    figure = draw(name, tables, config, "zh")
    figure.draw_without_rendering()
    names = {look.label for look in looks(config).values()} | {"epoch", "float64", "float32"}
    names |= {*config["tracks"], *config["scenarios"]}
    words = " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))
    assert re.search("[\u4e00-\u9fff]", words)
    assert set(re.findall("[A-Za-z][A-Za-z0-9-]*", words)) <= names


def test_the_same_tables_give_the_same_bytes_in_ink_that_follows_a_page(tables, config, tmp_path):
    for copy in ("first", "second"):
        save_svg(draw("loss", tables, config), tmp_path / f"{copy}.svg")
        save_png(draw("loss", tables, config), tmp_path / f"{copy}.png")
    svg = (tmp_path / "first.svg").read_text()
    assert svg == (tmp_path / "second.svg").read_text()
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert "currentColor" in svg and INK not in svg
    assert ">average training loss<" in svg  # text, not outlines


def test_many_dots_become_pixels(tables, config):
    copies = range(2 + MANY // len(tables["epochs"].query("competitor == 'mxnet-cpu'")))
    epochs = pd.concat([tables["epochs"].assign(round=copy) for copy in copies for _ in range(9)])
    axes = draw("seconds", tables | {"epochs": epochs}, config).axes[0]
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
def test_every_figure_is_drawn_from_whatever_is_left(name, left, narrow, tables, config):
    few = only(tables, **left)
    empty = DRAWN_FROM[FIGURES[name]](few).empty
    figure = (
        nothing(made_up_results.text("en")) if empty else draw(name, few, config, narrow=narrow)
    )
    figure.draw_without_rendering()
    assert bool(figure.axes) != empty


def test_a_pair_that_is_not_ranked_has_a_row_and_no_ratio(tables, config):
    gate = tables["gate"].assign(passed=tables["gate"]["competitor"] != "mxnet-cpu", cause="order")
    failed = made_up_results.compared(tables | {"gate": gate}, config)
    (axes,) = draw("ratio", failed, config).axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    said = dict(zip(rows, [text.get_text() for text in axes.texts], strict=True))
    assert said["controlled · baseline · MXNet / PyTorch"] == "not comparable"
    assert said["controlled · baseline · NumPy / PyTorch"].startswith("0.8")
