"""What the page says where scenarios vary loader workers and threads, or the size of a step."""

import re

import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from evenhand.core.schemas import ROOT
from evenhand.report import sentences, tables
from evenhand.report.figures import PANEL, figure, style
from evenhand.report.sentences import significant
from support import results as made_up
from support.drawn import OF_GRIDS, assert_words_fit

pytestmark = pytest.mark.fast


def preset(name: str, **changes) -> dict:
    """The default configuration with a preset merged into it, as Snakemake does, completed."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / f"config/presets/{name}.yaml").read_text()))
    return made_up.config(**config | changes)


def section(page: str, name: str) -> str:
    """The words of a section of the page."""
    part = page[page.index(f'<section id="{name}">') :]
    return re.sub(r"<svg.*?</svg>|<[^>]+>", " ", part[: part.index("</section>")], flags=re.DOTALL)


@pytest.fixture(scope="module")
def loader_config():
    return preset("loaders", rounds=3)


@pytest.fixture(scope="module")
def loader_tables(tmp_path_factory, loader_config):
    made = made_up.tables(tmp_path_factory.mktemp("loaders"), loader_config)
    slow = made["loaders"]["competitor"].eq("pytorch-cpu")
    best = slow & made["loaders"]["scenario"].eq("workers-0-one-thread")
    columns = ["seconds", "ratio", "low", "high", "fastest"]
    made["loaders"].loc[slow, columns] = 5.0, 8.0, 7.5, 8.5, False
    made["loaders"].loc[best, columns] = 0.625, 1.0, np.nan, np.nan, True
    return made


@pytest.fixture(scope="module")
def size_config():
    return preset("sizes", rounds=3, frameworks=["pytorch", "numpy"])


@pytest.fixture(scope="module")
def size_tables(tmp_path_factory, size_config):
    return made_up.tables(tmp_path_factory.mktemp("sizes"), size_config)


def test_the_preset_of_loaders_has_all_ways_once(loader_tables):
    own = loader_tables["loaders"].query("competitor == 'pytorch-cpu'")
    ways = own[["loader_workers", "threads"]].astype(str).agg("/".join, axis=1)
    threads = ("default", "1")
    assert sorted(ways) == sorted(f"{count}/{of}" for count in (0, 1, 2, 4) for of in threads)


def test_the_fastest_way_is_advised_beside_the_usual_one(loader_tables, loader_config):
    ((lead, ways),) = sentences.loaders(made_up.results(loader_tables, loader_config))
    assert lead.startswith("On this machine (") and len(ways) == 4
    assert ways[0] == (
        "PyTorch: 0 workers and one thread, 0.62\N{NO-BREAK SPACE}s. With 4 workers and its own"
        " choice of threads, as in the scenario baseline, an epoch takes 8.00 (7.50 to 8.50) times"
        " as long. The slowest way takes 8.00 times as long."
    )


def test_ways_that_rounds_do_not_tell_from_the_fastest_are_counted(loader_tables, loader_config):
    table = loader_tables["loaders"].copy()
    table.loc[table["scenario"].isin(["workers-1", "workers-2"]), "low"] = 0.9
    changed = loader_tables | {"loaders": table}
    ((_, ways),) = sentences.loaders(made_up.results(changed, loader_config))
    said = "These rounds do not tell 2 of the 7 other ways from the fastest."
    assert ways[0].endswith(said)


def test_where_the_usual_way_is_the_fastest_it_is_told_so(loader_tables, loader_config):
    table = loader_tables["loaders"].copy()
    own = table["competitor"] == "pytorch-cpu"
    table.loc[own, "fastest"] = table["scenario"] == "baseline"
    changed = loader_tables | {"loaders": table}
    ((_, ways),) = sentences.loaders(made_up.results(changed, loader_config))
    assert "PyTorch: 4 workers and its own choice of threads, 5.00" in ways[0]
    assert "s. That is the scenario baseline. The slowest way" in ways[0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_a_section_about_loaders(language, loader_tables, loader_config):
    page = made_up.html(made_up.results(loader_tables, loader_config, language))
    words = section(page, "loaders")
    assert not re.search(r"\b(nan|None|inf|undefined)\b|[{}]", words)
    assert "8.00" in words and 'id="sizes"' not in page


def test_of_many_scenarios_the_lead_tells_the_first_alone(loader_tables, loader_config):
    results = made_up.results(loader_tables, loader_config)
    (paragraph, *_) = sentences.summary(results)
    assert paragraph.count("MXNet’s epochs took") == 1
    assert "The verdicts of the other 7 scenarios of the tutorial track are under" in paragraph
    shown = " ".join(sentences.explanation(results))
    assert "each of the other 7 scenarios of the tutorial track changes" in shown
    assert "With one thread each" not in shown


@pytest.mark.parametrize("narrow", [False, True])
def test_the_heat_map_has_a_panel_for_each_and_frames_the_fastest(
    narrow, loader_tables, loader_config
):
    given = loader_tables, made_up.Experiment(loader_config), made_up.text("en")
    with style():
        panels = [of for of in figure("loaders", *given, narrow).axes if of.get_visible()]
    assert [of.get_title(loc="left") for of in panels] == [
        "PyTorch",
        "MXNet",
        "TensorFlow",
        "PaddlePaddle",
    ]
    (frame,) = panels[0].patches
    assert (frame.get_x() // 1, frame.get_y() // 1) == (0, 0), "0 workers, one thread"
    texts = [of.get_text() for of in panels[0].texts]
    assert sorted(texts) == ["0.62", *["5.00"] * 7]


def test_each_framework_has_its_law_on_the_page(size_tables, size_config):
    results = made_up.results(size_tables, size_config)
    ((lead, (first, second)),) = sentences.sizes(results)
    assert lead == "In the controlled track:"
    assert re.match(r"PyTorch: \d+ \(\d+ to \d+\)\N{NO-BREAK SPACE}µs a step", first)
    assert first.endswith("in the network of the scenario baseline).")
    assert second.startswith("NumPy: ")
    table = tables.size_table(results)
    assert [row[:4] for row in table.rows] == [
        ["PyTorch", "controlled", 8, 3],
        ["NumPy", "controlled", 8, 3],
    ]


def test_overhead_that_no_size_shows_or_hides_is_told_so(size_tables, size_config):
    results = made_up.results(size_tables, size_config)
    overhead = ["overhead_seconds", "overhead_seconds_low", "overhead_seconds_high"]
    results.sizes = results.sizes.copy()
    results.sizes.loc[0, [*overhead, "negligible_flop"]] = np.nan
    results.sizes.loc[1, "negligible_flop"] = 1e15
    ((_, (shows_none, hides_all)),) = sentences.sizes(results)
    assert shows_none == "PyTorch: no overhead that these sizes show."
    assert hides_all.endswith("less than a tenth of it only beyond the sizes that were measured.")


def test_one_round_gives_numbers_without_intervals(tmp_path, loader_config, size_config):
    for config, name in ((loader_config, "loaders"), (size_config, "sizes")):
        one = config | {"rounds": 1}
        page = made_up.html(made_up.results(made_up.tables(tmp_path / name, one), one))
        words = section(page, name)
        assert "\N{EN DASH} to" not in words and "factor of \N{EN DASH}" not in words


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_a_section_about_sizes(language, size_tables, size_config):
    page = made_up.html(made_up.results(size_tables, size_config, language))
    words = section(page, "sizes")
    assert not re.search(r"\b(nan|None|inf|undefined)\b|[{}]", words)
    assert 'id="loaders"' not in page


def test_the_picture_of_sizes_has_laws_products_and_the_peak(size_tables, size_config):
    given = size_tables, made_up.Experiment(size_config), made_up.text("en")
    with style():
        (axes,) = figure("sizes", *given).axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["bare products", "at the matmul peak"]
    assert {text.get_text() for text in axes.texts} == {"PyTorch", "NumPy"}
    assert axes.get_xscale() == axes.get_yscale() == "log"


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", OF_GRIDS)
def test_no_words_overlap_or_leave_the_picture(name, narrow, request, written):
    kind = name.removesuffix("s")
    made, config = (request.getfixturevalue(f"{kind}_{of}") for of in ("tables", "config"))
    with style():
        plotted = figure(name, made, made_up.Experiment(config), made_up.text("en"), narrow)
        words = written(plotted)
    assert len(words) >= 13
    assert (plotted.get_figwidth() == PANEL) == narrow
    assert_words_fit(plotted, words)


def test_the_default_page_has_neither(tmp_path):
    config = made_up.config(frameworks=["pytorch", "mxnet"], rounds=2)
    page = made_up.html(made_up.results(made_up.tables(tmp_path, config), config))
    assert 'id="loaders"' not in page and 'id="sizes"' not in page


@pytest.mark.parametrize(
    ("value", "written"),
    [(1234567, "1,200,000"), (26.8, "27"), (3.27, "3.3"), (0.0456, "0.046"), (0, "0.00")],
)
def test_a_number_is_written_to_two_digits(value, written):
    assert significant(value) == written
