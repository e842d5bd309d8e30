"""What the page says of a precision that was asked for: what was reached, and what stopped."""

import re
from dataclasses import replace

import numpy as np
import pytest

from evenhand.comparison.compare import of_scenario
from evenhand.core.experiment import Experiment
from evenhand.report import sentences
from support import results as made_up

pytestmark = pytest.mark.fast

REACHED = {"track": "tutorial", "scenario": "baseline", "wanted": 12, "all": 12}
STOPPED = {"track": "controlled", "scenario": "baseline", "wanted": 57, "all": 40}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[dict, dict]:
    """Tables, and the configuration that they are of."""
    config = made_up.config(rounds=3, frameworks=["pytorch", "mxnet", "numpy"])
    return made_up.tables(tmp_path_factory.mktemp("precision"), config), config


def results(made, language="en"):
    tables, config = made
    asked = Experiment(config | {"precision": 0.02, "language": language})
    experiment = replace(asked, fixed_rounds=[REACHED, STOPPED])
    return made_up.results(tables, config, language, experiment=experiment)


def test_it_says_what_each_contest_reached_and_which_the_limit_stopped(made):
    tables, _ = made
    (said,) = sentences.precision(results(made))
    assert said.startswith(
        "A precision of ±2\N{NO-BREAK SPACE}% was asked for: the spread of the first 3 rounds "
    )
    for of, words in (
        (REACHED, "In the tutorial track, scenario baseline: 12 rounds; "),
        (
            STOPPED,
            "In the controlled track, scenario baseline: stopped at the limit of 40 rounds, "
            "where 57 were wanted; ",
        ),
    ):
        pairs = of_scenario(tables["comparison"], of["track"], of["scenario"])
        widest = 100 * (np.sqrt(pairs["high"] / pairs["low"]).max() - 1)
        reached = f"the widest interval of a pair reaches ±{widest:.1f}\N{NO-BREAK SPACE}%."
        assert words + reached in said


def test_a_contest_without_an_interval_is_not_spoken_of(made):
    tables, config = made
    alone = tables["comparison"][tables["comparison"]["track"] == "controlled"]
    said = sentences.precision(results((tables | {"comparison": alone}, config)))
    assert "controlled track" in said[0] and "tutorial track" not in said[0]


def test_without_a_precision_nothing_is_said(made):
    assert sentences.precision(made_up.results(*made)) == []


@pytest.mark.parametrize(("language", "words"), [("en", "stopped at the limit"), ("zh", "到上限")])
def test_it_stands_among_the_verdicts_in_either_language(made, language, words):
    page = made_up.html(results(made, language))
    section = page[page.index('<section id="verdicts">') :]
    section = section[: section.index("</section>")]
    assert words in section
    assert not re.search(r"\b(nan|None|inf)\b|[{}]", re.sub(r"<svg.*?</svg>", "", section))
