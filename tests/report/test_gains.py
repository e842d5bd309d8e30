"""What the page says of a track that improves another one."""

import re

import numpy as np
import pytest

from evenhand.report import figures, sentences, tables
from evenhand.report.figures import figure, style
from support import results as made_up

pytestmark = pytest.mark.fast

TRACKS = ["tutorial", "cured", "controlled", "tuned"]
FRAMEWORKS = ["pytorch", "mxnet", "numpy", "jax"]


@pytest.fixture(scope="module")
def config():
    scenarios = {"baseline": {}, "one-thread": {"threads": 1, "tracks": ["cured"]}}
    named = {"frameworks": FRAMEWORKS, "tracks": TRACKS, "scenarios": scenarios}
    return made_up.config(rounds=3, **named)


@pytest.fixture(scope="module")
def made(tmp_path_factory, config):
    return made_up.tables(tmp_path_factory.mktemp("gains"), config)


@pytest.fixture
def results(made, config):
    copies = {name: table.copy() for name, table in made.items()}
    return made_up.results(copies, config)


def test_each_framework_with_a_trainer_in_both_tracks_has_a_gain(results):
    found = results.gains.groupby(["track", "improves"])["competitor"].agg(list).to_dict()
    assert found == {
        ("cured", "tutorial"): ["pytorch-cpu", "mxnet-cpu"],
        ("tuned", "controlled"): [f"{name}-cpu" for name in FRAMEWORKS],
    }
    assert set(results.gains["scenario"]) == {"baseline"}, "the tutorial had no other"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_a_section_about_gains_without_a_hole_in_its_words(language, made, config):
    page = made_up.html(made_up.results(made, config, language))
    section = page[page.index('<section id="gains">') :]
    section = section[: section.index("</section>")]
    words = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", section, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|inf)\b|[{}]", words)
    assert 'href="#gains"' in page and 'id="figure-tracks"' in section


def test_without_a_track_that_improves_another_there_is_no_such_section(tmp_path):
    config = made_up.config(rounds=2, frameworks=FRAMEWORKS[:2])
    page = made_up.html(made_up.results(made_up.tables(tmp_path, config), config))
    assert 'id="gains"' not in page and "#gains" not in page
    assert page.count('id="figure-tracks"') == 1, "its picture stands elsewhere then"


def test_ratios_and_the_epoch_from_which_on_it_pays_are_told(results):
    gains = results.gains
    of_tuned = gains["track"] == "tuned"
    gains.loc[of_tuned, ["ratio", "low", "high"]] = 0.5, 0.45, 0.55
    gains.loc[of_tuned, "verdict"] = ["faster", "slower", "faster", "not comparable"]
    gains.loc[of_tuned, "break_even"] = [9.3, np.inf, np.nan, np.nan]
    gains.loc[of_tuned, "break_even_low"] = [7.5, np.inf, np.nan, np.nan]
    gains.loc[of_tuned, "break_even_high"] = [12.0, np.inf, np.nan, np.nan]
    _, tuned = sentences.gains(results)
    assert tuned.startswith(
        "In the tuned track, scenario baseline, an epoch takes this share of its time in the"
        " controlled track: PyTorch 0.50 (0.45 to 0.55), MXNet 0.50 (0.45 to 0.55), NumPy 0.50"
        " (0.45 to 0.55) and JAX not comparable. As a whole process this pays from so many epochs"
        " on: PyTorch 10 (8 to 12), MXNet never and NumPy cannot be told from these rounds."
    )
    table = tables.break_even_table(results)
    rows = [row for row in table.rows if row[1] == "tuned / controlled"]
    assert [row[-2:] for row in rows] == [
        ["10", "8 to 12"],
        ["never", "–"],
        ["not known", "–"],
        ["not known", "–"],
    ]


def test_no_cell_is_minus_zero(results):
    results.gains[["cost_seconds", "saving_seconds"]] = -0.0004
    assert {tuple(row[5:7]) for row in tables.break_even_table(results).rows} == {("0.00", "0.000")}


def test_nothing_to_make_up_for_pays_from_the_first_epoch(results):
    results.gains[["break_even", "break_even_low", "break_even_high"]] = -3.0, -5.0, 0.4
    assert "PyTorch 1 and MXNet 1." in sentences.gains(results)[0]
    results.gains[["break_even", "break_even_low", "break_even_high"]] = 2.4, 2.1, 2.7
    assert "PyTorch 3 and MXNet 3." in sentences.gains(results)[0], "one epoch is no interval"


def test_compiling_is_told_where_it_is_a_phase(results):
    runs = results.runs
    assert "Compiling" not in " ".join(sentences.gains(results))
    of_jax = (runs["track"] == "tuned") & (runs["competitor"] == "jax-cpu")
    runs.loc[of_jax, "compile_seconds"] = 1.5
    said = sentences.gains(results)[1]
    assert "a phase of its own, took 1.50\N{NO-BREAK SPACE}s in JAX in the tuned track." in said
    row = next(row for row in tables.break_even_table(results).rows if row[0] == "JAX")
    assert row[3] == "1.50"


def test_what_the_shapes_allow_stands_beside_the_epoch(results):
    runs = results.runs
    runs["products_seconds"] = runs["median_epoch_seconds"] * 0.8
    _, tuned = sentences.gains(results)
    assert "80\N{NO-BREAK SPACE}% of NumPy’s epoch" in tuned
    runs["products_seconds"] = None  # a GPU
    assert "bare matrix products" not in " ".join(sentences.gains(results))


def test_a_float64_twin_is_named_beside_the_proof(results):
    of_pytorch = results.gate[results.gate["competitor"] == "pytorch-cpu"].iloc[:1]
    row = of_pytorch.assign(track="tuned", tier="restarted", check="steps", deviation=2e-7)
    results.gate = made_up.pd.concat([results.gate, row.assign(limit=5e-6)])
    severity, said = sentences.gate_sentences(results)[-1]
    assert severity == "note"
    assert "Of PyTorch in the tuned track, this computes in float32 alone: an operation." in said
    assert "each of 2,345 steps restarted" in said


def test_the_picture_has_a_marker_for_each_track_of_each_competitor_and_both_limits(made, config):
    with style():
        axes = figure("tracks", made, made_up.Experiment(config), made_up.text("en")).axes[0]
    medians = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(medians) == 2 * 4 + 2 * 2, "NumPy and JAX have no loader"
    runs = made["runs"].query("scenario == 'baseline'")
    expected = runs.groupby(["competitor", "track"])["median_epoch_seconds"].median()
    assert sorted(line.get_xdata()[0] for line in medians) == pytest.approx(sorted(expected))
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert labels == ["bare products", "at the matmul peak", *TRACKS]


def test_a_third_tier_has_a_panel_of_its_own(made, config):
    steps = made["gate_steps"]
    own = steps[(steps["track"] == "tuned") & (steps["tier"] == "float32")]
    steps = made_up.pd.concat([steps, own.assign(tier="restarted")])
    with style():
        given = made | {"gate_steps": steps}, made_up.Experiment(config), made_up.text("en")
        shown = [axes for axes in figures.figure("gate", *given).axes if axes.get_visible()]
    assert [axes.get_title(loc="left").split(" · ")[-1] for axes in shown] == [
        *("float64", "float32"),
        *("float64", "float32", "restarted"),
    ]


@pytest.mark.parametrize("name", ["loss", "phases", "limit"])
def test_no_panel_is_left_empty_beside_those_of_five_contests(name, made, config):
    with style():
        given = made, made_up.Experiment(config), made_up.text("en")
        shown = [axes for axes in figure(name, *given).axes if axes.get_visible()]
    assert len(shown) == 5 and all(axes.get_title(loc="left") for axes in shown)


def test_the_picture_takes_the_first_scenario_that_was_run(made, config):
    runs = made["runs"]
    late = runs[(runs["scenario"] == "one-thread")]
    with style():
        given = made | {"runs": late}, made_up.Experiment(config), made_up.text("en")
        axes = figure("tracks", *given).axes[0]
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert labels[-1] == "cured"


def test_what_loading_costs_is_told_of_tracks_that_improve_no_other(results):
    assert sentences.loader_and_memory(results) == ("tutorial", "controlled")
    results.config["tracks"] = ["cured", "tuned", "tutorial", "controlled"]
    assert sentences.loader_and_memory(results) == ("tutorial", "controlled")
    results.config["tracks"] = ["tutorial", "tuned"]
    assert sentences.loader_and_memory(results) is None
