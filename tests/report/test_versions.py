"""Versions of a framework on the page: named, colored, compared with one another."""

import html
import re

import pytest
from matplotlib.colors import to_rgb

from evenhand.report import page as report
from evenhand.report import sentences
from evenhand.report.looks import label, looks
from support import records
from support import results as made_up

FRAMEWORKS = ["pytorch", "pytorch@2.4", "mxnet", "mxnet@2.0.0b1"]
LABELS = ["PyTorch 2.14.1", "PyTorch 2.4.1", "MXNet 1.9.1", "MXNet 2.0.0b1"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four versions of two frameworks, of which PyTorch 2.4 loads its data slowly."""
    config = made_up.config(frameworks=FRAMEWORKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(records.SPEEDS, ("loader", "pytorch@2.4"), (7.8, 0.95))
        tables = made_up.tables(tmp_path_factory.mktemp("versions"), config)
    return made_up.results(tables, config)


@pytest.mark.fast
def test_versions_are_told_apart_by_what_is_installed(results):
    assert [label(results.experiment, name, "cpu") for name in FRAMEWORKS] == LABELS
    assert [look.label for look in results.looks.values()] == LABELS


@pytest.mark.fast
def test_a_version_alone_is_called_by_what_is_installed_too():
    (look,) = looks(made_up.Experiment(made_up.config(frameworks=["pytorch@2.4"]))).values()
    assert (look.label, look.filled) == ("PyTorch 2.4.1", True)


@pytest.mark.fast
def test_a_framework_alone_keeps_its_name():
    (look,) = looks(made_up.Experiment(made_up.config(frameworks=["pytorch"]))).values()
    assert look.label == "PyTorch"


@pytest.mark.fast
def test_each_version_has_a_look_of_its_own_in_its_frameworks_color(results):
    colors = [look.color for look in results.looks.values()]
    markers = [look.marker for look in results.looks.values()]
    assert len(set(colors)) == len(set(markers)) == 4
    for own, older in zip(colors[::2], colors[1::2], strict=True):
        lightness = [sum(to_rgb(color)) for color in (own, older)]
        assert lightness[0] < lightness[1] < 2.6, "lighter, and still no white"
        assert to_rgb(own).index(max(to_rgb(own))) == to_rgb(older).index(max(to_rgb(older)))


@pytest.mark.fast
def test_what_an_upgrade_brought_is_told_for_each_framework(results):
    tutorial, controlled = sentences.between_versions(results)
    lead = "From one version to another (tutorial track, scenario baseline), "
    assert tutorial.startswith(f"{lead}PyTorch 2.4.1’s epochs took 1.")
    assert re.search(r"times PyTorch 2.14.1’s time \(.*?, 5 rounds\): slower; MXNet 2", tutorial)
    assert "scenario one-thread" in tutorial and "(controlled track" in controlled
    assert not re.search(r"PyTorch[^;.(]* time[^;]*MXNet 1", controlled), "no other pairs"


@pytest.mark.fast
def test_what_versions_of_one_framework_are_to_one_another_is_told_once(results):
    lead = "\n".join(sentences.summary(results))
    assert lead.count("PyTorch 2.4.1’s epochs took") == 3, "two scenarios of one track, one of one"
    assert lead.count("From one version to another") == 3
    assert lead.startswith("As a reader of the tutorial would run it, MXNet 1.9.1’s epochs took")


def test_a_trainer_that_versions_share_is_shown_once_under_both_names(results):
    (of,) = [of for of in report.code(results) if of["track"] == "controlled"]
    shared, *others = of["trainers"]
    assert [look.label for look in shared["looks"]] == LABELS[:2] and shared["is_what_ran"]
    assert [trainer["file"].rpartition("/")[2] for trainer in others] == [
        "mxnet_mlp.py",
        "mxnet@2.0.0b1_mlp.py",
    ]


def test_the_page_of_versions_is_whole(results):
    page = html.unescape(re.sub(r"<[^>]+>", " ", made_up.html(results)))
    assert all(name in page for name in LABELS)
    assert not re.search(r"\bPyTorch(?! [2(])’s\b", page)
