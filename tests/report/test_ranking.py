"""The pictures that the page opens with, on made-up results."""

import re
from html import unescape

import numpy as np
import pytest

from evenhand.core.experiment import Experiment
from evenhand.report.ranking import WIDE, Ranking, Strip
from support import results as made_up

pytestmark = pytest.mark.fast

THREE = ["pytorch", "mxnet", "numpy"]


@pytest.fixture(scope="module")
def config():
    return made_up.config(frameworks=THREE)


@pytest.fixture(scope="module")
def tables(tmp_path_factory, config):
    return made_up.tables(tmp_path_factory.mktemp("made-up"), config)


def panels(tables, config, metric="epoch", scenario="baseline", **changes):
    """The panels of a metric and scenario, by track."""
    ranking = Ranking(made_up.results(tables, config, **changes))
    return {
        track: panel
        for track, _, of_track in ranking.by_track
        for panel in of_track
        if (panel.metric, panel.scenario) == (metric, scenario)
    }


def row_of(panel, competitor):
    (row,) = [row for row in panel.rows if row.competitor == competitor]
    return row


def beside(row, baseline):
    (found,) = [of for of in row.beside if of.baseline == baseline]
    return found


def test_everybody_is_sorted_with_the_best_first(tables, config):
    panel = panels(tables, config)["controlled"]
    assert [row.competitor for row in panel.rows] == ["numpy-cpu", "pytorch-cpu", "mxnet-cpu"]
    assert [row.position for row in panel.rows] == sorted(row.position for row in panel.rows)
    assert beside(panel.rows[0], "numpy-cpu").ratio == "lowest"
    assert all(beside(row, "numpy-cpu").is_lowest for row in panel.rows)


def test_ratio_interval_and_verdict_are_those_of_the_comparison(tables, config):
    pair = tables["comparison"].iloc[0]
    assert (pair.track, pair.a, pair.b) == ("tutorial", "mxnet-cpu", "pytorch-cpu")
    found = beside(row_of(panels(tables, config)["tutorial"], "mxnet-cpu"), "pytorch-cpu")
    assert found.ratio == f"{pair.ratio:.2f}" and found.words == pair.verdict
    assert found.interval == f"{pair.low:.2f} to {pair.high:.2f}"


def test_a_verdict_is_about_epochs_alone(tables, config):
    for row in panels(tables, config, "memory")["tutorial"].rows:
        assert {of.words for of in row.beside} == {""}


def test_every_round_has_a_dot_and_the_interval_starts_from_the_other_ones_mean(tables, config):
    panel = panels(tables, config)["tutorial"]
    row, other = row_of(panel, "pytorch-cpu"), row_of(panel, "mxnet-cpu")
    assert len(row.dots) == 5
    low, high = beside(row, "mxnet-cpu").ends
    assert low <= row.position <= high
    assert other.position < low, "nearer to the other than the ratio says"


def test_what_was_published_is_marked_where_it_would_be(tables, config):
    panel = panels(tables, config)["tutorial"]
    claimed, slower = row_of(panel, "mxnet-cpu"), row_of(panel, "pytorch-cpu")
    (logged,) = tables["claims"].loc[tables["claims"]["scenario"] == "baseline", "logged"]
    assert logged < 0.5 and "0.38" in panel.published
    width = (claimed.position - slower.position) / np.log(
        tables["comparison"].iloc[0].ratio
    )  # of an e-fold
    assert claimed.published - slower.position == pytest.approx(width * np.log(logged), abs=3)
    others = [panels(tables, config)["controlled"], panels(tables, config, "memory")["tutorial"]]
    for panel in others:
        assert not panel.published and all(row.published is None for row in panel.rows)


def test_who_failed_the_gate_is_a_row_with_the_reason(tables, config):
    gate = tables["gate"].copy()
    failed = gate["competitor"].eq("mxnet-cpu") & gate["tier"].eq("float64")
    gate.loc[failed, ["passed", "cause"]] = False, "half_precision"
    changed = made_up.compared(tables | {"gate": gate}, config)
    panel = panels(changed, config)["controlled"]
    assert [row.competitor for row in panel.rows] == ["numpy-cpu", "pytorch-cpu"]
    ((look, reason),) = panel.unranked
    assert look.label == "MXNet" and "failed the gate: half precision" in reason
    page = made_up.html(made_up.results(changed, config))
    assert unescape(re.search(r'class="reason">(.*?)<', page)[1]) == reason


def test_who_cannot_train_here_is_a_row_with_the_reason(tables, config):
    runs = tables["runs"]
    without = made_up.compared(tables | {"runs": runs[runs["competitor"] != "mxnet-cpu"]}, config)
    experiment = Experiment(config, {"mxnet-cpu": "libgomp.so.1 is missing"})
    panel = panels(without, config, experiment=experiment)["tutorial"]
    assert [reason for _, reason in panel.unranked] == ["takes no part: libgomp.so.1 is missing"]


def test_who_has_no_run_that_counts_is_a_row_with_the_reason(tables, config):
    runs = tables["runs"]
    gone = (runs["track"] == "controlled") & (runs["competitor"] == "numpy-cpu")
    without = made_up.compared(tables | {"runs": runs[~gone]}, config)
    panel = panels(without, config)["controlled"]
    assert [(look.label, why) for look, why in panel.unranked] == [
        ("NumPy", "no run that the audit admits")
    ]


def test_who_never_reaches_the_accuracy_is_a_row_with_the_reason(tables, config):
    runs = tables["runs"]
    reached = runs["seconds_to_accuracy"].mask(runs["competitor"] == "numpy-cpu")
    changed = made_up.compared(tables | {"runs": runs.assign(seconds_to_accuracy=reached)}, config)
    panel = panels(changed, config, "accuracy")["controlled"]
    ((look, reason),) = panel.unranked
    assert (
        look.label == "NumPy"
        and reason == "time to 97\N{NO-BREAK SPACE}% accuracy: not in every round"
    )
    assert len(panel.rows) == 2


def test_the_size_of_an_environment_is_one_value_without_interval(tables, config):
    for row in panels(tables, config, "environment")["controlled"].rows:
        assert row.value.endswith("GiB") and not row.dots
        assert all(of.ends is None and not of.interval for of in row.beside)


def test_a_metric_that_nobody_has_is_no_choice(tables, config):
    runs = tables["runs"].assign(seconds_to_accuracy=np.nan)
    changed = made_up.compared(tables | {"runs": runs}, config)
    assert "accuracy" not in Ranking(made_up.results(changed, config)).metrics
    assert 'value="accuracy"' not in made_up.html(made_up.results(changed, config))


def test_one_round_has_a_ratio_and_no_interval(tmp_path):
    one = made_up.config(frameworks=THREE, rounds=1)
    panel = panels(made_up.tables(tmp_path, one), one)["tutorial"]
    found = beside(row_of(panel, "pytorch-cpu"), "mxnet-cpu")
    assert found.ends is None and found.interval == "" and found.words == "too few rounds"
    assert float(found.ratio) > 1


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.36, 28], ["0.3", "1", "3", "10", "30"]),
        ([0.36, 1.05], ["0.5", "0.7", "1"]),
        ([1.03, 5.3], ["1", "2", "5"]),
        ([4.1, 5.4], ["4.5", "5", "5.5"]),
        ([0.3, 300], ["1", "10", "100"]),
    ],
)
def test_a_scale_has_a_few_round_ticks_whatever_it_spans(values, ticks):
    found = [tick for _, tick in Strip.of(values).ticks(1)]
    assert found == ticks


def test_what_lies_beyond_a_strip_is_at_its_end():
    strip = Strip.of([1, 10])
    assert (strip.position(1e-9), strip.position(1e9)) == (0, WIDE)
    assert 0 < strip.position(1) < strip.position(3) < strip.position(10) < WIDE


def test_equal_values_have_a_strip_too():
    strip = Strip.of([2.0, 2.0])
    assert strip.position(2) == WIDE / 2 and strip.ticks(1)


@pytest.mark.parametrize("lacking", ["proofs", "runs"])
def test_a_page_on_which_nobody_is_ranked_says_why(lacking, tables, config):
    if lacking == "proofs":
        proofs = {name: tables[name].iloc[:0] for name in ("gate", "tutorial_check")}
        changed = made_up.compared(tables | proofs, config)
        expected = "has no result of the"
    else:
        rows = tables["runs"][["track", "scenario", "round", "competitor"]]
        audit = rows.assign(severity="error", check="seal", finding="edited", file="")
        changed = made_up.compared(tables | {"audit": audit}, config)
        expected = "no run that the audit admits"
    for panel in panels(changed, config).values():
        assert not panel.rows and len(panel.unranked) >= 2
        assert all(expected in reason for _, reason in panel.unranked)
    assert expected in made_up.html(made_up.results(changed, config))


def test_an_interval_that_a_strip_cannot_hold_ends_in_an_arrow(tables, config):
    ranking = tables["ranking"].copy()
    wide = ranking["metric"].eq("epoch") & ranking["competitor"].eq("pytorch-cpu")
    ranking.loc[wide & ranking["low"].notna(), ["low", "high"]] = 1e-3, 1e3
    changed = tables | {"ranking": ranking}
    row = row_of(panels(changed, config)["tutorial"], "pytorch-cpu")
    assert beside(row, "mxnet-cpu").ends == (0, WIDE)
    assert made_up.html(made_up.results(changed, config)).count('class="beyond') >= 2
    assert 'class="beyond' not in made_up.html(made_up.results(tables, config))


def test_a_page_opens_with_a_scenario_that_all_tracks_have(tmp_path):
    scenarios = {"one-thread": {"threads": 1, "tracks": ["tutorial"]}, "baseline": {}}
    two = made_up.config(frameworks=THREE, rounds=2, scenarios=scenarios)
    ranking = Ranking(made_up.results(made_up.tables(tmp_path, two), two))
    assert ranking.opening == "baseline"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_opens_with_the_ranking(language, tables, config):
    page = made_up.html(made_up.results(tables, config, language))
    order = ["<h1>", '<ol class="ranking"', '<dl class="facts">', 'id="verdicts"', 'id="why"']
    order += ['id="gate"', 'id="limits"', 'id="code"', 'id="statements"', 'id="runs"', 'id="data"']
    places = [page.index(part) for part in order]
    assert places == sorted(places)
