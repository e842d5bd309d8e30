"""The report's sentences and tables, and the page as a whole, on made-up results."""

import base64
import copy
import dataclasses
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from string import Formatter

import numpy as np
import pandas as pd
import pytest
import yaml

from evenhand.checks import causes
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT
from evenhand.environments import containers
from evenhand.environments.deployments import DEPLOYMENTS
from evenhand.report import page as report
from evenhand.report import sentences
from evenhand.report import tables as report_tables
from evenhand.report.results import Results, scientific, times
from evenhand.report.sentences import loader_and_memory
from support import records
from support import results as made_up
from toolbox.record import Record

LANGUAGES = {name: made_up.text(name) for name in ("en", "zh")}
NINE = ["pytorch", "mxnet", "numpy", "jax", "tensorflow", "paddle", "keras", "tinygrad", "autograd"]


def three(**changes):
    """The configuration of the three frameworks that most of the tests are about."""
    return made_up.config(frameworks=NINE[:3], **changes)


@pytest.fixture(scope="module")
def config():
    return three()


@pytest.fixture(scope="module")
def made(tmp_path_factory, config):
    return made_up.tables(tmp_path_factory.mktemp("made-up"), config)


@pytest.fixture
def results(made, config):
    tables = {name: table.copy() for name, table in made.items()}
    return made_up.results(tables, copy.deepcopy(config))


@pytest.fixture(scope="module")
def nine():
    """Nine frameworks, all of them in two scenarios of the controlled track, too."""
    scenarios = {"baseline": {"threads": "default"}, "one-thread": {"threads": 1}}
    return made_up.config(rounds=3, frameworks=NINE, scenarios=scenarios)


@pytest.fixture(scope="module")
def many(tmp_path_factory, nine):
    """Their tables; three of them are as fast as they are elsewhere, and tinygrad is slow."""
    with pytest.MonkeyPatch.context() as patch:
        for framework, seconds in {"tinygrad": 8.1, "jax": 0.3, "keras": 0.44}.items():
            patch.setitem(records.SPEEDS, ("memory", framework), (seconds, None))
        return made_up.tables(tmp_path_factory.mktemp("many"), nine)


def first_pair(results, **values):
    """The results with these values in the row of MXNet beside PyTorch, tutorial, baseline."""
    for column, value in values.items():
        results.comparison.loc[0, column] = value
    return results


def text_of(page):
    """What a reader sees: the page without its style, its script and its tags."""
    unseen = r"<(style|script)>.*?</\1>|<[^>]+>"
    return html.unescape(re.sub(unseen, " ", page, flags=re.DOTALL))


# ---- the catalogues --------------------------------------------------


def leaves(tree, path=()):
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def fields(text):
    return {field for _, field, _, _ in Formatter().parse(text) if field}


@pytest.mark.fast
def test_every_text_is_there_in_both_languages_with_the_same_fields():
    english, chinese = (dict(leaves(LANGUAGES[name])) for name in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        # Chinese has no plural, and so may spell out a single round or leave out the number
        assert fields(text) == fields(chinese[key]), key
        assert text and (chinese[key] or key == ("space",)), key


def test_the_chinese_page_speaks_chinese(made, config):
    results = made_up.results(made, config, "zh")
    page = made_up.html(results)
    assert '<html lang="zh-Hans">' in page
    assert "MXNet 每个 epoch 的用时是 PyTorch 的" in sentences.headline(results)
    seen = text_of(page)
    untranslated = [text for _, text in leaves(LANGUAGES["en"]) if len(text) > 25 and text in seen]
    assert untranslated == []
    prose = text_of(re.sub(r"<(pre|code)\b.*?</\1>", "", page, flags=re.DOTALL))
    assert re.findall(r"(?<![\w/])(?:the|of|to|and|is|are|not|by|with)(?![\w/])", prose) == []


@pytest.mark.fast
def test_every_cause_that_the_gate_can_name_has_words():
    codes = {value for name, value in vars(causes).items() if name.isupper()}
    assert len(codes) > 10
    for language in LANGUAGES.values():
        assert set(language["gate"]["causes"]) == codes


@pytest.mark.fast
def test_every_setting_and_way_to_deploy_has_words(results):
    """The same in every language, so one will do."""
    words = LANGUAGES["en"]["setup"]["deployments"]
    assert set(words) == {*DEPLOYMENTS, *containers.ENGINES}
    identity = {"track", "scenario", "round", "framework", "device", "seed", "dtype"}
    requested = dataclasses.asdict(results.records[0].requested)
    assert set(LANGUAGES["en"]["again"]["settings"]) == set(requested) - identity


@pytest.mark.fast
def test_the_source_and_license_of_the_data_set_are_named(results):
    (sentence,) = sentences.sources(results)
    assert sentence.startswith("MNIST: source http://yann.lecun.com/exdb/mnist/; license: ")
    assert sentence in html.unescape(made_up.html(results))


# ---- sentences and verdicts ------------------------------------------


@pytest.mark.fast
@pytest.mark.parametrize(
    ("verdict", "ratio", "expected"),
    [
        ("faster", 0.6, "MXNet’s epochs took 0.60 of PyTorch’s time on MNIST"),
        ("slower", 1.67, "MXNet’s epochs took 1.67 times PyTorch’s time on MNIST"),
        (
            "same",
            1.01,
            "MXNet and PyTorch took the same time on MNIST, within 3\N{NO-BREAK SPACE}%",
        ),
        ("undecided", 0.8, "MXNet or PyTorch: undecided which is faster on MNIST"),
        ("not comparable", np.nan, "MXNet and PyTorch are not comparable on MNIST"),
        ("not ranked", np.nan, "MXNet and PyTorch cannot be ranked yet on MNIST"),
    ],
)
def test_the_headline_says_what_the_verdict_allows(verdict, ratio, expected, results):
    values = {"verdict": verdict, "ratio": ratio, "rounds_needed": 4}
    assert sentences.headline(first_pair(results, **values)) == expected


@pytest.mark.fast
def test_a_claim_names_ratio_interval_and_rounds(results):
    first_pair(results, verdict="faster", ratio=0.6, low=0.55, high=0.66)
    assert sentences.summary(results)[0].startswith(
        "As a reader of the tutorial would run it, MXNet’s epochs took 0.60 of PyTorch’s time"
        " (95\N{NO-BREAK SPACE}% interval 0.55 to 0.66, 5 rounds): faster."
    )


@pytest.mark.fast
@pytest.mark.parametrize(
    ("needed", "words"),
    [
        (4.0, "undecided, about 4 more rounds needed"),
        (1.0, "undecided, about 1 more round needed"),
        (np.inf, "undecided, more than 1,000 further rounds needed"),
    ],
)
def test_an_undecided_claim_says_how_many_rounds_are_missing(needed, words, results):
    row = first_pair(results, verdict="undecided", rounds_needed=needed).comparison.iloc[0]
    claim = sentences.claim(results, row)
    assert claim.endswith(f": {words}")
    assert not re.search("faster|slower|the same", claim)


@pytest.mark.fast
def test_the_page_says_at_a_glance_what_was_checked(results):
    seen = {name: value for name, value, _ in sentences.facts(results)}
    assert seen["Rounds"] == "5 (35 runs)" and seen["Measured"] == "2026-11-23"
    assert (seen["Same computation"], seen["Audit"]) == ("3 of 3 proved", "nothing found")
    results.gate.loc[results.gate["competitor"] == "mxnet-cpu", "passed"] = False
    results.audit = pd.DataFrame({"severity": ["error", "note", "note"]})
    seen = {name: value for name, value, _ in sentences.facts(results)}
    assert (seen["Same computation"], seen["Audit"]) == ("2 of 3 proved", "1 error, 2 notes")
    results.gate = results.gate.head(0)
    assert ("Same computation", "not checked", "gate") in sentences.facts(results)


@pytest.mark.fast
@pytest.mark.parametrize("verdict", ["not comparable", "not ranked"])
def test_without_a_ranking_no_number_is_given(verdict, results):
    row = first_pair(results, verdict=verdict).comparison.iloc[0]
    assert not re.search(r"\d\.\d|faster|slower|took", sentences.claim(results, row))
    matrix = report_tables.matrices(results)[0]
    assert matrix.cells[1][0]["ratio"] == "–" and matrix.cells[1][0]["range"] == ""


@pytest.mark.fast
@pytest.mark.parametrize(
    ("low", "high", "place"),
    [(0.35, 0.4, "inside"), (0.5, 0.6, "below"), (0.2, 0.3, "above")],
)
def test_the_ratio_of_a_claims_own_logs_is_placed_beside_the_interval(low, high, place, results):
    """Median epochs after the first: MXNet 1.485 s, PyTorch 3.885 s."""
    results.claims = results.claims.assign(low=low, high=high)
    ((_, claim),) = sentences.claims(results)
    assert re.search(rf"Its own logs say 0\.38, {place} this", claim)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("holds", "Here that holds: with the same settings (tutorial track, scenario baseline)"),
        ("changed", "Here MXNet is faster, but not by so much: with the same settings"),
        ("no longer", "Here that does not hold: with the same settings"),
        ("undecided", "Here these rounds do not decide it: with the same settings"),
    ],
)
def test_what_became_of_a_claim_is_said_with_its_source(status, said, results):
    results.claims = results.claims.assign(status=status)
    ((source, claim),) = sentences.claims(results)
    assert claim.startswith("“MXNet is twice as fast as PyTorch in this example” (published 2018, ")
    assert said in claim and "5 rounds" in claim
    assert f'<a href="{source}">Source</a>' in made_up.html(results)


@pytest.mark.fast
def test_a_claim_about_a_pair_that_is_not_comparable_is_not_judged(results):
    results.claims = results.claims.assign(verdict="not comparable", status="undecided")
    ((_, claim),) = sentences.claims(results)
    assert "Here it cannot be judged" in claim and "MXNet and PyTorch are not comparable" in claim
    assert not re.search(r"\d\.\d", claim)


@pytest.mark.fast
def test_published_logs_are_left_out_where_the_settings_are_others(made):
    other = three(data={"train_images": 6000})
    results = made_up.results(made, other)
    assert sentences.claims(made_up.results(made_up.compared(made, other), other)) == []
    assert "rings" not in text_of(made_up.html(results))
    assert "Published" not in report_tables.epoch_tables(results)[0].head


@pytest.mark.fast
def test_threads_are_said_to_matter_only_if_the_rounds_show_it(results):
    shown = "\n".join(sentences.explanation(results))
    assert re.search(r"With one thread each, .* a change by a factor of 1\.\d\d", shown)
    # the interval alone is not enough: it is not adjusted for what else the page tests
    assert results.thread_effect.loc[0, "low"] > 1
    for verdict in ("undecided", "not tested"):
        results.thread_effect["verdict"] = verdict
        hidden = "\n".join(sentences.explanation(results))
        assert "cannot tell from noise" in hidden and "by a factor" not in hidden


@pytest.mark.fast
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_how_often_it_errs(language, made, config):
    config = copy.deepcopy(config)
    config["comparison"] |= {"confidence": 0.975, "margin": 0.02}
    results = made_up.results(made, config, language)
    said = sentences.error_rates(results)
    rates = re.findall(r"[\d.]+(?=\N{NO-BREAK SPACE}%)", said)
    # each kind of error, the margin, the other kind, both; then the simulations' at 95 %
    simulated = ["5", "11", "13", "27"]
    assert sorted(rates) == sorted(["2.5", "2", "2.5", "5", *simulated])
    assert re.search(r"[ 共]6\b", said)  # tests: five pairs and a change
    assert said in text_of(made_up.html(results))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("tutorial", "from_memory", "words"),
    [
        ("faster", "slower", "the other way round"),
        ("slower", "faster", "the other way round"),
        ("faster", "faster", "the same as in the tutorial"),
        ("faster", "same", "take the same time"),
        ("faster", "undecided", None),
        ("faster", "not comparable", None),
        ("undecided", "slower", None),
        ("same", "slower", None),
    ],
)
def test_a_cause_is_named_only_if_both_tracks_decided(tutorial, from_memory, words, results):
    first_pair(results, verdict=tutorial)
    other = results.comparison.eval("track == 'controlled' and a == 'mxnet-cpu'")
    results.comparison.loc[other, "verdict"] = from_memory
    said = sentences.without_loader(results)
    assert said == [] if words is None else words in said[0]


@pytest.mark.fast
def test_the_matrix_tells_each_pair_from_both_sides(results):
    first_pair(results, verdict="faster", ratio=0.5, low=0.4, high=0.625)
    matrix = report_tables.matrices(results)[0]
    assert [look.label for look in matrix.looks] == ["PyTorch", "MXNet"]
    (_, upper), (lower, _) = matrix.cells
    assert (lower["words"], lower["ratio"], lower["range"]) == ("faster", "0.50", "0.40 to 0.62")
    assert (upper["words"], upper["ratio"], upper["range"]) == ("slower", "2.00", "1.60 to 2.50")


def test_remarks_name_what_a_verdict_rests_on(made, config):
    """They are those of results/remarks.csv, which comparison.csv and comparison.md have too."""
    results = made_up.results(made, config)
    assert report_tables.matrices(results)[2].remarks == []
    first = made["comparison"].iloc[0][["track", "scenario", "a", "b"]].to_dict()
    rows = [
        first | {"remark": "outliers", "details": '{"rounds": [1, 3]}'},
        first | {"remark": "adjusted", "details": '{"tests": 6}'},
    ]
    spread = json.dumps({"name": "mxnet-cpu", "spread": 0.2, "limit": 0.1})
    rows += 2 * [first | {"remark": "spread", "details": spread}]
    results.remarks = pd.DataFrame(rows)
    outliers, adjusted, spread = report_tables.matrices(results)[0].remarks
    assert outliers.startswith("MXNet and PyTorch: ") and "1, 3" in outliers
    assert adjusted.startswith("MXNet and PyTorch: the interval excludes 1")
    assert "the 6 tests of this page" in adjusted
    assert spread.startswith("MXNet var") and "20\N{NO-BREAK SPACE}%" in spread
    assert not any(matrix.remarks for matrix in report_tables.matrices(results)[1:])
    seen = text_of(made_up.html(results))
    assert all(remark in seen for remark in (outliers, adjusted, spread))


# ---- many competitors ------------------------------------------------


@pytest.mark.fast
@pytest.mark.parametrize(
    ("frameworks", "words"),
    [
        (["pytorch", "mxnet"], []),
        (
            ["pytorch", "mxnet", "numpy"],
            ["NumPy takes no part in the tutorial track: .* data loader"],
        ),
        (
            ["pytorch", "mxnet", "numpy", "jax", "tinygrad"],
            ["NumPy, JAX and tinygrad take no part in the tutorial track: .* data loaders"],
        ),
    ],
    ids=["two", "three", "five"],
)
def test_who_has_no_trainer_in_a_track_is_named_with_the_reason(frameworks, words, made, config):
    results = made_up.results(made, config)
    results.experiment = Experiment(config | {"frameworks": frameworks})
    said = sentences.no_part(results)
    assert len(said) == len(words)
    assert all(re.match(pattern, sentence) for pattern, sentence in zip(words, said, strict=True))


@pytest.mark.fast
def test_a_trainer_that_is_missing_with_the_data_in_memory_is_not_for_want_of_a_loader(
    made, config, tmp_path
):
    root = made_up.root_with(tmp_path)
    (root / "workflow/trainers/controlled/mxnet_mlp.py").unlink()
    results = made_up.results(made, config, experiment=Experiment(config, root=root))
    _, said = sentences.no_part(results)
    assert said.startswith("MXNet takes no part in the controlled track: ")
    assert "memory" in said and "loader" not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_nine_says_who_takes_no_part_and_is_whole(language, many, nine):
    results = made_up.results(many, nine, language)
    results.statements = []  # of which one says that a gradient is None
    page = made_up.html(results)
    (said,) = sentences.no_part(results)
    verdicts = page[page.index('id="verdicts"') : page.index('id="why"')]
    assert said in text_of(verdicts)
    assert all(name in said for name in ("NumPy", "JAX", "tinygrad")) and "PyTorch" not in said
    words = text_of(re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL))
    assert not re.search(r"\b(nan|None|NaN|inf|undefined)\b|[{}]", words)
    outline = Outline(page)
    assert has_its_own_script_alone(page) and len(set(outline.ids)) == len(outline.ids)


@pytest.mark.fast
def test_of_two_nobody_is_said_to_take_no_part(made, config):
    tables, two = without(made, config, framework=["pytorch", "mxnet"])
    seen = text_of(made_up.html(made_up.results(tables, two)))
    assert "no part" not in seen and "Evenhand has no" not in seen


@pytest.mark.fast
def test_of_many_pairs_all_but_the_headlines_are_told_by_their_verdicts(many, nine):
    results = made_up.results(many, nine)
    assert sentences.headline(results).startswith("MXNet’s epochs took 0.")
    tutorial, controlled, intervals = sentences.summary(results)
    assert "under “Verdicts”" in intervals
    few = ["MXNet", "TensorFlow", "PaddlePaddle"]
    for paragraph, names in ((tutorial, few), (controlled, few[:1])):  # of two scenarios each
        told = re.findall(r"([A-Z]\w+)’s epochs took", paragraph)
        assert told == 2 * names and paragraph.count("% interval") == len(told)
    assert sum("“MXNet is twice as fast" in claim for _, claim in sentences.claims(results)) == 1
    rows = results.comparison.query("track == 'controlled' and b == 'pytorch-cpu'")
    others = rows[rows["a"] != "mxnet-cpu"]
    assert len(others) == 14
    for row in others.itertuples():
        assert f"{results.label(row.a)} {times(row.ratio)}" in controlled


@pytest.mark.fast
def test_ratios_are_grouped_by_verdict_from_the_fastest_to_those_without_one(many, nine):
    results = made_up.results(many, nine)
    verdicts = {
        "tinygrad": (18.88, "slower"),
        "jax": (0.96, "faster"),
        "keras": (np.nan, "not comparable"),
        "paddle": (1.01, "same"),
        "numpy": (0.06, "faster"),
        "tensorflow": (1.1, "undecided"),
    }
    rows = [(f"{name}-cpu", "pytorch-cpu", *of) for name, of in verdicts.items()]
    pairs = pd.DataFrame(rows, columns=["a", "b", "ratio", "verdict"])
    assert sentences.by_verdict(results, pairs) == [
        "The ratios of the others to PyTorch: NumPy 0.060 and JAX 0.96, faster; PaddlePaddle 1.01,"
        " the same within 3\N{NO-BREAK SPACE}%; TensorFlow 1.10, undecided; tinygrad 18.88, slower;"
        " Keras on JAX, not comparable."
    ]


@pytest.mark.fast
@pytest.mark.parametrize("language", LANGUAGES)
def test_nine_competitors_make_no_wall_of_words(language, many, nine):
    results = made_up.results(many, nine, language)
    assert len(results.thread_effect) == 6 + 36
    paragraphs = [*sentences.summary(results), *sentences.explanation(results)]
    assert len(paragraphs) < 18 and max(map(len, paragraphs)) < 800
    text = LANGUAGES[language]["why"]
    for count in (6, 36):
        assert any(text["all_effects"].format(count=count) in said for said in paragraphs)


@pytest.mark.fast
def test_of_many_changes_those_of_the_first_are_told_and_how_many_there_are(many, nine):
    results = made_up.results(many, nine)
    rows = results.thread_effect.query("track == 'tutorial'").reset_index(drop=True)
    rows["verdict"] = ["rises", "undecided", "not tested", *["rises"] * 3]
    rows[["change", "low", "high"]] = 1.5, 1.4, 1.6
    assert sentences.many_effects(results, rows) == (
        "With one thread each, the time relative to PyTorch changes by these factors"
        " (95\N{NO-BREAK SPACE}% intervals in parentheses): MXNet 1.50 (1.40 to 1.60)."
        " With one thread each, these rounds do not show whether the time relative to PyTorch"
        " changes: TensorFlow and PaddlePaddle. All 6 pairs are in results/thread_effect.csv."
    )


@pytest.mark.fast
def test_what_the_same_outcome_says_of_many_pairs_is_said_once(many, nine):
    results = made_up.results(many, nine)
    compared = results.comparison
    compared["verdict"] = "faster"
    compared.loc[compared["track"] == "controlled", "verdict"] = "slower"
    same = (compared["track"] == "controlled") & (compared["a"] == "paddle-cpu")
    compared.loc[same, "verdict"] = "same"
    opposite, vanishes = sentences.without_loader(results)
    assert opposite.startswith(
        "With the data in memory the order of PyTorch and each of MXNet and TensorFlow is the other"
    )
    assert vanishes.startswith("With the data in memory PaddlePaddle and PyTorch take the same")


@pytest.mark.fast
def test_a_remark_on_many_pairs_is_made_once(many, nine):
    results = made_up.results(many, nine)
    for matrix, count in zip(report_tables.matrices(results), (6, 6, 36, 36), strict=True):
        (few,) = (said for said in matrix.remarks if "PAIRED" in said)
        assert few.startswith(f"All {count} pairs: ONLY 3 PAIRED ROUNDS")
    pairs = results.comparison.query("track == 'controlled' and scenario == 'baseline'").head(2)
    unpaired = pairs[["track", "scenario", "a", "b"]].assign(remark="unpaired")
    results.remarks = unpaired.assign(details='{"rounds": [1]}')
    told = [matrix.remarks for matrix in report_tables.matrices(results)]
    assert told[0] == told[1] == told[3] == []
    assert re.match(r"MXNet / PyTorch, NumPy / PyTorch: not paired.*: round 1\.", *told[2])


@pytest.mark.fast
@pytest.mark.parametrize(("name", "left_out"), [("made", False), ("many", True)])
def test_the_caption_says_where_pairs_are_left_out_of_the_picture(name, left_out, request):
    config = request.getfixturevalue({"made": "config", "many": "nine"}[name])
    page = made_up.html(made_up.results(request.getfixturevalue(name), config))
    words = LANGUAGES["en"]["left_out"].format(most=6)
    assert (words in text_of(page)) == left_out


@pytest.mark.fast
def test_a_package_that_is_not_called_as_its_module_is_found(many, nine):
    table = report_tables.environment_table(made_up.results(many, nine))
    told = dict(
        zip(table.head, next(row for row in table.rows if "Imported" in row[0]), strict=True)
    )
    assert "tensorflow-cpu 2." in told["TensorFlow"] and "paddlepaddle 3." in told["PaddlePaddle"]
    assert told["JAX"].startswith("jax 0.") and "jaxlib" not in told["JAX"]


@pytest.mark.fast
def test_a_table_too_long_to_read_past_is_folded(made, config, monkeypatch):
    runs = made["runs"].copy()
    runs.loc[runs["round"] >= config["rounds"] // 2, ["fingerprint", "node"]] = ["f" * 64, "other"]
    results = made_up.results(made_up.compared(made | {"runs": runs}, config), config)
    results.records.append(on_machine(results.records[0], fingerprint="f" * 64))
    nodes = report_tables.node_table(results)
    folded = f"<summary>{html.escape(nodes.caption)}</summary>"
    assert folded not in made_up.html(results)
    monkeypatch.setattr(report_tables, "MOST_ROWS", len(nodes.rows) - 1)
    assert folded in made_up.html(results)


def test_every_check_of_the_gate_is_folded_whatever_their_number(results):
    (gate,) = report_tables.gate_tables(results)
    assert f"<summary>{html.escape(gate.caption)}</summary>" in made_up.html(results)


@pytest.mark.fast
def test_a_frameworks_color_can_be_seen_on_light_and_on_dark_paper():
    """Dark paper gets them brighter, as the style sheet says."""
    style = (made_up.REPORT / "style.css").read_text()
    light, dark = re.findall(r"--paper: (#\w{6})", style)
    brighter = float(re.search(r"\.name::before, .* brightness\((.*?)\)", style)[1])
    for name in axes.names("framework"):
        color = axes.framework(name)["color"]
        parts = (min(255, round(brighter * int(color[at : at + 2], 16))) for at in (1, 3, 5))
        assert contrast(color, light) > 2, name
        assert contrast("#{:02x}{:02x}{:02x}".format(*parts), dark) > 3, name


# ---- checks that fail ------------------------------------------------


def test_losses_that_were_copied_are_named_without_a_step(made, config):
    gate = made["gate"]
    copied = gate[gate["check"] == "steps"].iloc[:1].assign(check="identical_steps")
    copied = copied.assign(deviation=1, limit=0.95, passed=False, cause="reference_copied")
    gate = pd.concat([gate, copied], ignore_index=True)
    results = made_up.results(made | {"gate": gate}, config)
    (_, failed), _ = sentences.gate_sentences(results)
    assert "deviates by 1.00 where 0.95 is allowed. Likely cause: copied losses" in failed
    assert failed in html.unescape(made_up.html(results))


def test_a_framework_outside_the_gate_is_red_and_unranked(made, config):
    gate = made["gate"].copy()
    failed = gate["competitor"].eq("mxnet-cpu") & gate["check"].eq("steps")
    cause = "last_update_of_epoch"
    gate.loc[failed, ["passed", "deviation", "step", "cause"]] = [False, 2e-3, 470, cause]
    tables = made_up.compared(made | {"gate": gate}, config)
    results = made_up.results(tables, config)
    page = made_up.html(results)
    assert dict(sentences.alerts(results))["error"].startswith(
        "MXNet: not comparable in the controlled"
    )
    (kind, failed), (other, proved) = sentences.gate_sentences(results)
    assert (kind, other) == ("error", "note")
    assert failed.startswith("MXNet is not comparable") and html.escape(failed) in page
    cause = LANGUAGES["en"]["gate"]["causes"][cause]
    assert failed.endswith(f"first at step 470. Likely cause: {cause}.")
    assert re.search(r"PyTorch and NumPy gave in float64 .* within 10⁻¹² \(largest .* 9\W", proved)
    controlled = sentences.summary(results)[1]
    assert "MXNet and PyTorch are not comparable" in controlled
    assert not re.search("MXNet’s epochs", controlled)
    assert sentences.without_loader(results) == []


def set_epoch_seconds(results, seconds: dict[tuple[str, str, str], float]) -> None:
    """Let all runs of a track, scenario and competitor have taken so long."""
    for where, value in seconds.items():
        there = results.runs[["track", "scenario", "competitor"]].eq(list(where)).all(axis=1)
        results.runs.loc[there, "median_epoch_seconds"] = value


@pytest.mark.fast
def test_what_loading_costs_is_told_from_the_same_training_in_memory(results):
    seconds = {
        ("tutorial", "baseline", "pytorch-cpu"): 5.0,
        ("tutorial", "baseline", "mxnet-cpu"): 3.0,
        ("controlled", "baseline", "pytorch-cpu"): 0.4,
        ("controlled", "baseline", "mxnet-cpu"): 3.1,  # not less than with a loader
    }
    set_epoch_seconds(results, seconds)
    (told,) = sentences.loading_share(results)
    assert "takes 0.40\N{NO-BREAK SPACE}s in PyTorch. So" in told
    assert "makes up 92\N{NO-BREAK SPACE}% of PyTorch’s epochs in" in told
    results.runs = results.runs[results.runs["track"] == "tutorial"]
    assert sentences.loading_share(results) == []


@pytest.mark.fast
def test_each_competitors_own_change_stands_before_that_of_the_ratio(results):
    seconds = {
        ("tutorial", "baseline", "pytorch-cpu"): 5.0,
        ("tutorial", "baseline", "mxnet-cpu"): 3.0,
        ("tutorial", "one-thread", "pytorch-cpu"): 2.5,
        ("tutorial", "one-thread", "mxnet-cpu"): 3.1,
    }
    set_epoch_seconds(results, seconds)
    said = [text.replace("\N{NO-BREAK SPACE}", " ") for text in sentences.explanation(results)]
    own = "With one thread each, the median epoch goes from 5.00 s to 2.50 s in PyTorch and from"
    place = next(place for place, text in enumerate(said) if text.startswith(own))
    assert said[place].endswith("from 3.00 s to 3.10 s in MXNet.")
    assert "the ratio of MXNet to PyTorch goes from" in said[place + 1]


@pytest.mark.fast
def test_a_run_that_the_seeds_make_unlikely_is_named(results):
    mxnet = results.tutorial_check["framework"] == "mxnet"
    results.tutorial_check.loc[mxnet, "consistency"] = "inconsistent"
    severity, sentence = sentences.alerts(results)[0]
    assert severity == "error"
    assert sentence.startswith("MXNet: not comparable in the tutorial track")
    rows = {
        tuple(row[1:3]): row[6:] for row in report_tables.check_table(results).rows if row[4] == 4
    }
    pytorch, mxnet = rows["baseline", "PyTorch"], rows["baseline", "MXNet"]
    assert (*pytorch[:2], pytorch[-1]) == ("0.0666", "likely", "5 / 5")
    assert (*mxnet[:2], mxnet[-1]) == ("0.0674", "not likely", "0 / 5")
    said = " ".join(sentences.check_sentences(results))
    assert "0.0674, is not a likely value" in said
    assert said.count("Of the log’s 5 epochs, 0 have a likely value.") == 1  # MXNet's
    assert "means of PyTorch over the rounds are likely values in 10 of 10 cases" in said
    assert "means of MXNet over the rounds are likely values in 0 of 10 cases" in said


def test_findings_of_the_audit_are_shown_errors_first(made, config):
    run = {"track": "tutorial", "scenario": "baseline", "round": 2, "competitor": "mxnet-cpu"}
    findings = [
        run | {"severity": "note", "check": "load", "finding": "busy", "file": "a.json"},
        run | {"severity": "error", "check": "seal", "finding": "edited by hand", "file": "b.json"},
        run | {"competitor": None, "severity": "error", "check": "missing", "finding": "half"},
    ]
    tables = made_up.compared(made | {"audit": pd.DataFrame(findings)}, config)
    results = made_up.results(tables, config)
    assert "2 errors and kept 2 of 35 runs" in dict(sentences.alerts(results))["error"]
    rows = report_tables.audit_table(results).rows
    assert [row[0] for row in rows] == ["error", "error", "note"]
    assert rows[1][4] == "whole round"
    assert "edited by hand" in text_of(made_up.html(results))


@pytest.mark.fast
def test_few_rounds_are_said_loudly(made, config):
    tables, config = without(made, config, round=[0, 1])
    results = made_up.results(tables, config)
    assert dict(sentences.alerts(results))["warning"].startswith("Only 2 rounds.")


def of_unknown_images(results):
    """The same results of images that are not known as MNIST's own."""
    experiment = Experiment(results.config, unknown_images=["mnist"])
    return dataclasses.replace(results, experiment=experiment)


@pytest.mark.fast
def test_images_that_are_not_known_as_the_data_sets_own_are_named_wherever_data_are(results):
    assert not any("own files" in sentence for _, sentence in sentences.alerts(results))
    results = of_unknown_images(results)
    severity, alert = sentences.alerts(results)[0]
    assert severity == "warning" and "are not known as MNIST’s own files" in alert
    assert sentences.headline(results).endswith("on other images than MNIST’s")
    page = text_of(made_up.html(results))
    assert "not known as MNIST’s own: name their folder as data: folder" in page
    assert "the classification of other images than MNIST’s" in page


@pytest.fixture(scope="module")
def two_data_sets(tmp_path_factory):
    """Results of two scenarios that differ in their data alone."""
    scenarios = {"clothes": {"dataset": "fashion-mnist"}, "digits": {}}
    config = made_up.config(frameworks=["pytorch", "mxnet"], scenarios=scenarios)
    tables = made_up.tables(tmp_path_factory.mktemp("two"), config)
    return made_up.results(tables, config)


def test_headline_tables_and_facts_speak_of_the_data_that_were_used(two_data_sets):
    results = two_data_sets
    assert sentences.headline(results).endswith(" on Fashion-MNIST")
    seen = {name: value for name, value, _ in sentences.facts(results)}
    assert seen["Data"].replace("\N{NO-BREAK SPACE}", " ") == (
        "Fashion-MNIST: 60,000 images and 10,000 to test, 28 × 28 pixels, 10 classes; "
        "MNIST: 60,000 images and 10,000 to test, 28 × 28 pixels, 10 classes"
    )
    clothes, digits = report_tables.run_tables(results)[:2]
    assert clothes.caption == "tutorial track, scenario clothes, Fashion-MNIST"
    assert digits.caption == "tutorial track, scenario digits, MNIST"
    assert report_tables.scenario_table(results).rows[0] == ["data set", "Fashion-MNIST", "MNIST"]
    assert "In the scenario digits, on MNIST, MXNet’s epochs" in sentences.summary(results)[0]
    assert "articles of clothing and handwritten digits" in text_of(made_up.html(results))


def test_a_claim_is_not_judged_on_images_that_are_not_known(results):
    results = of_unknown_images(results)
    ((_, claim),) = sentences.claims(results)
    assert "Here it cannot be judged: the tutorial track, scenario baseline was trained on" in claim
    assert not re.search(r"\d\.\d", claim)
    assert "Published" not in report_tables.epoch_tables(results)[0].head


def test_a_scenario_that_no_track_runs_needs_no_data(tmp_path):
    scenarios = {"baseline": {"dataset": "fashion-mnist"}, "idle": {"tracks": ["tutorial"]}}
    config = made_up.config(
        frameworks=["pytorch", "mxnet"], tracks=["controlled"], scenarios=scenarios, rounds=2
    )
    results = made_up.results(made_up.tables(tmp_path, config), config)
    del results.datasets["mnist"]
    seen = text_of(made_up.html(results))
    assert "the classification of articles of clothing;" in seen
    assert "controlled track, scenario baseline, " not in seen, "there is one data set"


def test_a_claim_is_judged_beside_its_own_data_alone(two_data_sets):
    ((_, claim),) = sentences.claims(two_data_sets)
    assert "(tutorial track, scenario digits, MNIST)" in claim
    clothes, digits = report_tables.epoch_tables(two_data_sets)[:2]
    assert "Published" in digits.head and "Published" not in clothes.head


def test_what_the_images_show_comes_from_the_data_sets_file(made, config, tmp_path):
    root = made_up.root_with(tmp_path)
    file = root / "workflow/datasets/mnist.yaml"
    content = yaml.safe_load(file.read_text())
    content |= {"shows": {"en": "garments", "zh": "衣物"}, "classes": 12}
    (root / "workflow/datasets/garments.yaml").write_text(yaml.safe_dump(content))
    config = copy.deepcopy(config)
    for scenario in config["scenarios"].values():
        scenario["dataset"] = "garments"
    experiment = Experiment(config, root=root)
    garments = {"garments": made_up.facts(experiment, "garments")}
    results = made_up.results(
        made, three(), experiment=experiment, datasets=garments, claims=made["claims"].head(0)
    )
    seen = text_of(made_up.html(results))
    assert "the classification of garments" in seen and "12 classes (garments)" in seen
    assert "handwritten digits" not in seen


def changed(record: Record, section: str, **values) -> Record:
    """The record with these values in its `requested` or `environment`."""
    section_value = dataclasses.replace(getattr(record, section), **values)
    return dataclasses.replace(record, **{section: section_value})


def on_machine(record: Record, **values) -> Record:
    """The record as if a machine with these values had made it."""
    return changed(record, "environment", machine=record.environment.machine | values)


@pytest.mark.fast
def test_machines_are_told_apart(made, config):
    runs = made["runs"].copy()
    runs.loc[runs["round"] == 1, ["fingerprint", "node"]] = ["f" * 64, "other"]
    results = made_up.results(made | {"runs": runs}, config)
    other = {"processor": "Other Processor", "usable_memory_gib": 1.4}
    elsewhere = on_machine(results.records[0], fingerprint="f" * 64, **other)
    results.records = [results.records[0], elsewhere]
    table = report_tables.machine_table(results)
    assert table.head[1:] == ["Machine 1", "Machine 2"]
    assert ["Processor", "Imagined Processor 2 @ 2.60GHz", "Other Processor"] in table.rows
    assert ["Memory (usable)", "24 GiB (24)", "24 GiB (1.4)"] in table.rows
    assert "2 kinds of machine" in dict(sentences.alerts(results))["warning"]


@pytest.mark.fast
def test_a_quota_of_cores_and_a_gpu_are_told_of_a_machine(results):
    rows = {row[0]: row[1:] for row in report_tables.machine_table(results).rows}
    assert rows["Cores (usable)"] == ["2 (2)"] and "GPU" not in rows
    machine = {"cores": 4, "usable_cores": 1.5, "gpu": "Imagined GPU"}
    results.records = [on_machine(results.records[0], **machine)]
    rows = {row[0]: row[1:] for row in report_tables.machine_table(results).rows}
    assert (rows["Cores (usable)"], rows["GPU"]) == (["4 (1.5)"], ["Imagined GPU"])


@pytest.mark.fast
def test_the_best_peak_is_told_for_each_number_of_threads(results):
    runs = results.runs
    runs.loc[runs["scenario"] == "one-thread", ["peak_threads", "peak_flop_per_second"]] = [1, 9e10]
    second = runs["round"] == 1
    runs.loc[second, ["peak_kernel", "peak_flop_per_second"]] = ["Haswell", 5e11]
    runs.loc[runs["round"] == 2, ["peak_kernel", "peak_library"]] = None
    rows = [row for row in report_tables.machine_table(results).rows if "peak" in row[0]]
    best = "500 GFLOP/s (Haswell, openblas 0.3.29)"
    assert rows == [["Matmul peak, 1 thread", best], ["Matmul peak, 2 threads", best]]
    runs.loc[runs["peak_threads"] == 1, ["peak_threads", "peak_flop_per_second"]] = None
    results.records.append(on_machine(results.records[0], fingerprint="f" * 64, gpu="A GPU"))
    runs.loc[runs["peak_threads"].isna(), "fingerprint"] = "f" * 64
    rows = [row for row in report_tables.machine_table(results).rows if "peak" in row[0]]
    assert rows == [["Matmul peak, 2 threads", best, "–"]]


def test_ratios_are_told_by_machine_where_there_are_several(made, config):
    assert report_tables.node_table(made_up.results(made, config)) is None
    runs = made["runs"].copy()
    other = runs["round"] >= config["rounds"] // 2
    runs.loc[other, ["fingerprint", "node"]] = ["f" * 64, "other"]
    slow = other & (runs["competitor"] == "numpy-cpu")
    runs.loc[slow, "median_epoch_seconds"] *= 10
    results = made_up.results(made_up.compared(made | {"runs": runs}, config), config)
    results.records.append(on_machine(results.records[0], fingerprint="f" * 64))
    table = report_tables.node_table(results)
    by_pair = {(*row[:3], row[3]): row[5] for row in table.rows}
    pair = ("controlled", "baseline", "NumPy / PyTorch")
    assert all(by_pair[*pair, f"Machine {number}"].endswith(" ≠") for number in (1, 2))
    same = ("tutorial", "baseline", "MXNet / PyTorch")
    assert not any(by_pair[*same, f"Machine {number}"].endswith("≠") for number in (1, 2))
    assert table.caption in made_up.html(results)


@pytest.mark.fast
def test_a_machine_with_a_gpu_is_one_kind_though_not_all_use_the_gpu(made, config):
    runs = made["runs"].copy()
    with_gpu = runs["competitor"] == "mxnet-cpu"
    runs.loc[with_gpu, "fingerprint"] = "f" * 64
    results = made_up.results(made_up.compared(made | {"runs": runs}, config), config)
    assert report_tables.node_table(results) is None
    assert sentences.alerts(results) == []

    runs.loc[with_gpu & (runs["round"] >= config["rounds"] // 2), "fingerprint"] = "e" * 64
    results = made_up.results(made_up.compared(made | {"runs": runs}, config), config)
    results.records += [on_machine(results.records[0], fingerprint=of * 64) for of in "fe"]
    kinds = [row[3] for row in report_tables.node_table(results).rows if row[2].startswith("MXNet")]
    assert set(kinds) == {"Machine 2 / Machine 1", "Machine 3 / Machine 1"}
    assert "2 kinds of machine" in dict(sentences.alerts(results))["warning"]


@pytest.mark.fast
def test_an_excluded_competitor_is_shown_without_a_track(made, config):
    note = {
        "competitor": "mxnet-cpu",
        "severity": "note",
        "check": "excluded",
        "finding": "it failed",
    }
    audit = pd.DataFrame([note], columns=made["audit"].columns)
    (row,) = report_tables.audit_table(made_up.results(made | {"audit": audit}, config)).rows
    assert row == ["note", "–", "–", "–", "MXNet", "excluded", "it failed", "–"]


# ---- the page --------------------------------------------------------


class Outline(HTMLParser):
    """Tags, identifiers, headings and addresses of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.headings, self.addresses, self.open = set(), [], [], [], []
        self.scripts = []  # attributes and content of each
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append((attributes, ""))
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "action", "data", "poster", "srcset"):
                self.addresses.append(value)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = attributes, before + data


def has_its_own_script_alone(page):
    """Whether one script is there, the report's, and no other one would be let run."""
    source = (made_up.REPORT / "page.js").read_text()
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)[1]
    allowed = [part.strip() for part in policy.split(";") if "script-src" in part]
    handlers = re.search(
        r"<[^>]*\son\w+=", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    )
    ours = Outline(page).scripts == [([], source)] and allowed == [f"script-src 'sha256-{digest}'"]
    return ours and handlers is None


@pytest.fixture(scope="module")
def page(made, config):
    return made_up.html(made_up.results(made, config))


def test_the_page_asks_nobody_for_anything(page):
    outline = Outline(page)
    assert has_its_own_script_alone(page) and "iframe" not in outline.tags
    sources = {axes.claim(name)["source"] for name in axes.names("claim")}  # if a reader goes there
    elsewhere = {of for of in outline.addresses if not of.startswith(("#", "data:"))}
    assert elsewhere <= sources | {"../CONTRIBUTING.md"}  # which lies beside the results
    assert "default-src 'none'" in page and "url(http" not in page and "@import" not in page


def test_headings_descend_one_by_one_and_every_anchor_leads_somewhere(page):
    outline = Outline(page)
    assert outline.headings[0] == 1 and outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(below <= above + 1 for above, below in steps)
    assert len(set(outline.ids)) == len(outline.ids)
    anchors = {address[1:] for address in outline.addresses if address.startswith("#")}
    assert anchors <= set(outline.ids) and "verdicts" in anchors


def test_what_is_shown_is_what_ran(results):
    for track in report.code(results):
        for trainer in track["trainers"]:
            source = (ROOT / trainer["file"]).read_text()
            assert trainer["is_what_ran"] and len(trainer["parts"]) == 5
            shown = html.unescape(re.sub(r"<[^>]+>", "", "".join(trainer["parts"])))
            code = [line for line in source.splitlines() if line and "# ----" not in line]
            assert [line for line in shown.splitlines() if line] == code


def test_a_trainer_that_changed_since_is_marked(results):
    results.sources["tutorial"]["mxnet"] += "# later\n"
    pytorch, mxnet = report.code(results)[0]["trainers"]
    assert pytorch["is_what_ran"] and not mxnet["is_what_ran"]
    assert LANGUAGES["en"]["code"]["changed"] in text_of(made_up.html(results))


@pytest.mark.fast
def test_published_values_stand_beside_ours_epoch_by_epoch(results):
    table = report_tables.epoch_tables(results)[0]
    assert table.head[:5] == ["Epoch", "PyTorch: loss", "Published", "PyTorch: s", "Published"]
    assert [row[2] for row in table.rows] == ["0.3251", "0.1509", "0.1057", "0.0820", "0.0666"]
    assert [row[8] for row in table.rows] == ["1.59", "1.49", "1.46", "1.48", "1.75"]
    ours = results.epochs.query("track == 'tutorial' and scenario == 'baseline' and epoch == 0")
    losses = ours.query("framework == 'pytorch'")["average_loss"]
    assert table.rows[0][1] == f"{losses.mean():.4f} ± {losses.std():.4f}"


@pytest.mark.fast
def test_lines_where_environments_differ_are_marked(results):
    rows = {row[0]: row[1:] for row in report_tables.environment_table(results).rows}
    assert rows["Python"] == ["3.11.7"] * 3
    assert rows["Imported by the trainers ≠"][0].startswith("torch ")


@pytest.mark.fast
def test_threads_that_were_asked_for_stand_beside_those_at_work(results):
    rows = {tuple(row[:3]): row[3:] for row in report_tables.thread_table(results).rows}
    asked, reported, openmp, blas, at_work, helpers = rows["controlled", "baseline", "NumPy"]
    assert (asked, reported, openmp, blas, at_work, helpers) == (
        *("default", "2", "2", "2", "1.80", "0.00"),
    )
    assert rows["tutorial", "one-thread", "MXNet"] == ["1", "1", "1", "1", "0.90", "0.80"]
    assert ("tutorial", "one-thread", "NumPy") not in rows
    numpy = results.runs["competitor"] == "numpy-cpu"
    results.runs.loc[numpy, "threads_openmp"] = np.nan
    results.runs.loc[numpy & (results.runs["round"] == 1), "threads_blas"] = 1
    rows = {tuple(row[:3]): row[3:] for row in report_tables.thread_table(results).rows}
    assert rows["controlled", "baseline", "NumPy"][2:4] == ["–", "1, 2"]


@pytest.mark.fast
def test_where_libraries_chose_it_is_told_how_many_threads_really_worked(results):
    tutorial, controlled = sentences.own_threads(results)
    assert "(tutorial track, baseline)" in tutorial and "(controlled track, base" in controlled
    assert "0.9 cores in PyTorch (and 0.8 in its helper processes)" in tutorial
    assert controlled.endswith("1.8 cores in PyTorch, 1.8 cores in MXNet and 1.8 cores in NumPy.")
    assert {tutorial, controlled} <= {*sentences.explanation(results)}


@pytest.mark.fast
def test_what_the_user_had_set_is_told_with_whom_it_concerns(results):
    assert report_tables.variable_table(results) is None
    theirs = {"OPENBLAS_CORETYPE": "Haswell", "MXNET_ENGINE_TYPE": "NaiveEngine"}
    in_force = theirs | {"OMP_NUM_THREADS": "1"}  # by the workflow
    results.records = [
        changed(
            record,
            "environment",
            variables=in_force,
            user_variables=["OPENBLAS_CORETYPE"]
            + ["MXNET_ENGINE_TYPE"] * (record.requested.framework == "mxnet"),
        )
        for record in results.records
    ]
    table = report_tables.variable_table(results)
    assert table.rows == [
        ["MXNET_ENGINE_TYPE", "NaiveEngine", "MXNet"],
        ["OPENBLAS_CORETYPE", "Haswell", "PyTorch, MXNet, NumPy"],
    ]
    seen = text_of(made_up.html(results))
    assert table.caption in seen and "NaiveEngine" in seen and "OMP_NUM_THREADS" not in seen


@pytest.mark.fast
def test_a_gpu_has_a_line_where_there_is_one(results):
    assert "GPU" not in {row[0] for row in report_tables.environment_table(results).rows}
    gpu = {"name": "Imagined GPU", "driver": "555.1"}
    results.records = [
        changed(record, "environment", gpu=gpu) if record.requested.framework == "mxnet" else record
        for record in results.records
    ]
    rows = {row[0]: row[1:] for row in report_tables.environment_table(results).rows}
    assert rows["GPU"] == ["–", "Imagined GPU, driver 555.1", "–"]


@pytest.mark.fast
def test_every_way_in_which_runs_were_deployed_is_told(results):
    def told():
        rows = {row[0]: row[1:] for row in report_tables.environment_table(results).rows}
        return rows.get("Deployed as") or rows["Deployed as ≠"]

    assert told() == ["virtual environment"] * 3
    second = (results.runs["competitor"] == "mxnet-cpu") & (results.runs["round"] == 1)
    results.runs.loc[second, "deployment"] = "conda"
    assert told() == ["virtual environment", "conda, virtual environment", "virtual environment"]


@pytest.mark.fast
def test_an_image_and_its_base_have_lines_where_one_was_used(results):
    def told():
        rows = report_tables.environment_table(results).rows
        return {row[0].removesuffix(" ≠"): row[1:] for row in rows}

    assert not {"Image: id, or SHA-256 of the .sif", "Digest of the image’s base"} & {*told()}
    results.records = [
        changed(record, "environment", image=f"sha256:{'ab' * 32}")
        if record.requested.framework == "mxnet"
        else record
        for record in results.records
    ]
    results.receipts["mxnet-cpu"]["base"] = f"sha256:{'cd' * 32}"
    rows = told()
    assert rows["Image: id, or SHA-256 of the .sif"] == ["–", "ab" * 6, "–"]
    assert rows["Digest of the image’s base"] == ["–", "cd" * 6, "–"]


PIP, SNAKEMAKE = "pip install -r requirements.txt && ", "snakemake --cores 4"
BUILD, CONFIGURATION = "python containers/build.py", " --configfile again.yaml"
NAMES = "pytorch-cpu mxnet-cpu numpy-cpu"
DOCKER = f"{PIP}{BUILD} --prefix evenhand- {NAMES} && {SNAKEMAKE}{CONFIGURATION}"
AGAIN = {
    "virtual environment": PIP + SNAKEMAKE + CONFIGURATION,
    "conda": f"{PIP}{SNAKEMAKE} --sdm conda{CONFIGURATION}",
    "apptainer": f"{PIP}{BUILD} --archive results/images {NAMES} && "
    f"{SNAKEMAKE} --sdm apptainer{CONFIGURATION}",
    "docker": DOCKER,
    "podman": DOCKER,
    "workflow image": f"{PIP}cp again.yaml config/config.yaml && {BUILD} workflow && mkdir -p out"
    ' && docker run --rm --hostname "$(hostname)" --user "$(id -u):$(id -g)"'
    ' --volume "$PWD/out:/evenhand" evenhand-workflow:latest',
}


@pytest.mark.fast
@pytest.mark.parametrize("way", [*DEPLOYMENTS, "podman"])
def test_the_line_to_run_again_deploys_as_the_runs_were(way, results):
    results.config["runtime"] = "docker" if way in containers.ENGINES else "environment"
    results.runs["deployment"] = way
    assert report.again(results) == AGAIN[way]
    page = made_up.html(results)
    assert f"<code>{html.escape(AGAIN[way], quote=False)}</code>" in page.replace("&#34;", '"')
    assert LANGUAGES["en"]["again"]["one_way"] not in page


@pytest.mark.fast
def test_of_several_ways_the_most_frequent_is_run_again_and_said_to_be_one_of_them(results):
    """Whatever the configuration says, which is that of the last start."""
    results.runs["deployment"] = "virtual environment"
    results.runs.loc[results.runs["round"] == 1, "deployment"] = "podman"
    assert report.again(results) == AGAIN["virtual environment"]
    assert LANGUAGES["en"]["again"]["one_way"] in made_up.html(results)
    results.config["runtime"] = "docker"
    assert report.again(results) == AGAIN["virtual environment"] + " --config runtime=environment"
    results.config["runtime"] = "environment"
    results.runs.loc[results.runs["round"] > 0, "deployment"] = "podman"
    assert report.again(results) == DOCKER + " --config runtime=docker"


@pytest.mark.fast
def test_apptainer_is_to_pass_gpus_on_where_some_are_configured(results):
    results.runs["deployment"] = "apptainer"
    results.experiment = Experiment(results.config | {"devices": ["cpu", "cuda"]})
    said = report.again(results)
    assert "pytorch-cuda" in said
    assert f"{SNAKEMAKE} --sdm apptainer --apptainer-args=--nv{CONFIGURATION}" in said


def configuration_on(page):
    *_, last = re.finditer(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    return yaml.safe_load(html.unescape(last[1]))


def test_the_configuration_on_the_page_is_the_one_that_ran(page, config):
    assert configuration_on(page) == config


def test_the_configuration_on_the_page_can_be_run_again(page, made, config):
    """Also where a competitor was excluded: that is no key of the configuration."""
    assert checked(configuration_on(page)) == config
    experiment = Experiment(config, excluded={"numpy-cpu": "it cannot train"})
    excluding = made_up.html(made_up.results(made, config, experiment=experiment))
    assert checked(configuration_on(excluding)) == config


@pytest.mark.fast
def test_a_picture_without_data_is_not_on_the_page(made, config):
    kept = {"track": ["controlled"], "scenario": ["baseline"], "framework": ["numpy", "mxnet"]}
    tables, smaller = without(made, config, **kept)
    results = made_up.results(tables, smaller)
    page = made_up.html(results)
    assert 'id="why"' in page, "which has sentences"
    assert 'id="figure-waiting"' not in page and 'data-name="waiting"' not in page
    assert LANGUAGES["en"]["figures"]["waiting"] not in page
    shown = re.findall(r'<figure id="figure-(\w+)"', page)
    assert sorted(shown) == ["gate", "limit", "loss", "phases", "ratio", "seconds", "tracks"]
    results.runs["threads_asked"] = 1
    results.config["scenarios"]["baseline"]["threads"] = 1
    page = made_up.html(results)
    assert sentences.explanation(results) == []
    assert "why" not in Outline(page).ids and "#why" not in Outline(page).addresses


@pytest.mark.fast
def test_tables_to_save_are_told_with_their_size(results):
    results.comparison = results.comparison.head(0)
    (_, _, size), *_ = report.files(results)
    assert size == "1 KiB"
    listed = made_up.html(results).partition('<ul class="files">')[2].partition("</ul>")[0]
    assert listed.count("</li>") == 3 and ";</li>" not in listed.replace(" ", "")


@pytest.mark.fast
def test_seconds_of_runs_have_as_many_digits_whatever_their_size(results):
    runs = results.runs
    runs.loc[runs["competitor"] == "numpy-cpu", "median_epoch_seconds"] = 0.04213
    runs["process_seconds"] = 61.27
    of_numpy = [row for table in report_tables.run_tables(results) for row in table.rows][-1]
    assert of_numpy[0] == "NumPy"
    assert (of_numpy[2], of_numpy[3], of_numpy[5]) == ("0.0421", "0.0421 to 0.0421", "61.3")
    *_, last = report_tables.every_run(results).rows
    assert "61.3" in last
    assert any("0.0421" in row for row in report_tables.every_run(results).rows)


def test_many_runs_are_left_to_the_table(made, config):
    runs = pd.concat([made["runs"].assign(round=number) for number in range(5, 205)])
    results = made_up.results(made | {"runs": runs}, config)
    assert report_tables.every_run(results) is None
    page = made_up.html(results)
    assert "All 7000 runs are in results/runs.csv" in text_of(page)
    assert page.count("<tr>") < 300


def test_what_comes_from_the_results_is_escaped(results):
    hostile = "<script>alert(1)</script>"
    results.audit = pd.DataFrame(
        [{"track": hostile, "scenario": "baseline", "round": 1, "competitor": "mxnet-cpu"}]
    ).assign(severity="note", check="load", finding=hostile, file=hostile)
    results.runs["node"] = hostile
    results.receipts["mxnet-cpu"]["packages"] = {hostile: hostile}
    page = made_up.html(results)
    assert has_its_own_script_alone(page) and "&lt;script&gt;" in page


def test_the_statements_are_a_page_of_their_own_if_there_are_any(results):
    results.statements = []
    assert 'id="statements"' not in made_up.html(results)
    answer = {"framework": "mxnet", "device": "cpu", "status": "no longer"}
    answer |= {"versions": {"python": "3.11.7", "mxnet": "1.9.1"}}
    answer |= {"status_words": "no longer", "observed": "It prints twos & more.", "code": "1 + 1"}
    results.statements = [
        {
            "id": 2,
            "slug": "ones",
            "text": "Ones and one are twos.",
            "then": {"mxnet": "<NDArray 5x3 @cpu(0)>"},
            "answers": [answer | {"output": "[[2. 2.]]"}],
        }
    ]
    page = made_up.html(results)
    seen = text_of(page)
    assert "3.11.7" not in seen[seen.index("Ones and one") : seen.index("[[2. 2.]]")]
    for words in (
        "Now · mxnet 1.9.1",
        "2. Ones and one are twos.",
        "<NDArray 5x3",
        "[[2. 2.]]",
        "twos & more",
    ):
        assert words in seen
    assert 'href="#statements"' in page and '<span class="status no-longer">' in page


def without(made, config, **kept):
    """Tables and config of a smaller experiment: only these tracks, frameworks, scenarios."""
    config = copy.deepcopy(config)
    config["tracks"] = kept.get("track", config["tracks"])
    config["frameworks"] = kept.get("framework", config["frameworks"])
    names = kept.get("scenario", config["scenarios"])
    config["scenarios"] = {name: config["scenarios"][name] for name in names}
    tables = {}
    for name, table in made.items():
        for column, values in kept.items():
            if column in table:
                table = table[table[column].isin(values)]
        tables[name] = table
    return made_up.compared(tables, config), config


@pytest.mark.parametrize(
    "kept",
    [
        {"track": ["tutorial"]},
        {"track": ["controlled"], "scenario": ["baseline"]},
        {"framework": ["mxnet"]},
        {"framework": ["numpy"], "track": ["controlled"], "scenario": ["baseline"]},
        {"scenario": ["baseline"]},
        {"scenario": ["one-thread"], "track": ["tutorial"]},
        {"round": [0]},
        {"round": [0, 1]},
    ],
    ids=lambda kept: " ".join(str(value) for values in kept.values() for value in values),
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_whatever_is_missing(kept, language, made, config):
    tables, smaller = without(made, config, **kept)
    page = made_up.html(made_up.results(tables, smaller, language))
    words = text_of(re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL))
    assert not re.search(r"\b(nan|None|NaN|inf|undefined)\b|[{}]", words)
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n")


def test_frameworks_never_seen_before_and_two_devices_need_no_code(made, config, tmp_path):
    def renamed(value):
        return value.replace("numpy", "never_seen") if isinstance(value, str) else value

    root = made_up.root_with(tmp_path, never_seen={"label": "Never Seen", "color": "#123456"})
    config = copy.deepcopy(config)
    config |= {"frameworks": ["pytorch", "mxnet", "never_seen"], "devices": ["cpu", "cuda"]}
    names = ["framework", "competitor", "baseline", "a", "b"]
    tables = {
        name: table.assign(**{c: table[c].map(renamed) for c in names if c in table})
        for name, table in made.items()
    }
    real = made_up.results(made, three())
    other = {
        "receipts": {renamed(name): receipt for name, receipt in real.receipts.items()},
        "sources": {t: {renamed(n): s for n, s in of.items()} for t, of in real.sources.items()},
        "records": [
            changed(record, "requested", framework=renamed(record.requested.framework))
            for record in real.records
        ],
        "statements": [
            statement
            | {"answers": [{k: renamed(v) for k, v in a.items()} for a in statement["answers"]]}
            for statement in real.statements
        ],
        "experiment": Experiment(config, root=root),
    }
    results = Results(**vars(real) | tables_of(tables) | other)
    page = made_up.html(results)
    assert "Never Seen (cpu)" in text_of(page) and "PyTorch (cpu)" in text_of(page)
    assert "--color: #123456" in page


def test_tracks_never_seen_before_need_no_code(made, config, tmp_path):
    """The track's file says that a loader feeds it; no claim is about it."""
    root = made_up.root_with(tmp_path)
    for old, new in (("tutorial", "fed"), ("controlled", "resident")):
        (root / "workflow/trainers" / old).rename(root / "workflow/trainers" / new)

    def renamed(value):
        return {"tutorial": "fed", "controlled": "resident"}.get(value, value)

    config = copy.deepcopy(config) | {"tracks": ["fed", "resident"]}
    for scenario in config["scenarios"].values():
        scenario["tracks"] = [renamed(track) for track in scenario["tracks"]]
    real = made_up.results(made, three())
    tables = {
        name: table.assign(track=table["track"].map(renamed)) if "track" in table else table
        for name, table in made.items()
    }
    other = {
        "experiment": Experiment(config, root=root),
        "sources": {renamed(track): of for track, of in real.sources.items()},
        "records": [
            changed(record, "requested", track=renamed(record.requested.track))
            for record in real.records
        ],
    }
    results = Results(**vars(real) | tables_of(tables) | other)
    assert loader_and_memory(results) == ("fed", "resident")
    assert any("(resident track, baseline)" in text for text in sentences.loading_share(results))
    assert "Published" not in report_tables.epoch_tables(results)[0].head
    assert sentences.summary(results)[0].startswith("In the fed track, ")
    assert "workflow/trainers/fed/mxnet_mlp.py" in made_up.html(results)


def test_a_trainer_without_a_record_is_not_among_the_programs_that_ran(results):
    results.records = [r for r in results.records if r.requested.framework != "mxnet"]
    shown = [
        look.label
        for track in report.code(results)
        for trainer in track["trainers"]
        for look in trainer["looks"]
    ]
    assert shown == ["PyTorch", "PyTorch", "NumPy"]
    assert "workflow/trainers/tutorial/mxnet_mlp.py" not in made_up.html(results)


def tables_of(tables):
    return {name: table for name, table in tables.items() if name != "gate_steps"}


@pytest.mark.fast
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (9.1e-16, "9.1 × 10⁻¹⁶"),
        (1e-12, "10⁻¹²"),
        (5e-6, "5 × 10⁻⁶"),
        (0, "0"),
        (np.inf, "∞"),
        (np.nan, "–"),
    ],
)
def test_small_numbers_are_written_as_a_reader_writes_them(value, words):
    assert scientific(value).replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.fast
def test_an_interval_over_many_powers_of_ten_is_readable():
    assert [times(v) for v in (0.014, 0.1, 999.0)] == ["0.014", "0.10", "999.00"]
    assert times(1.6e6).startswith("1.6\N{NO-BREAK SPACE}") and times(1e-5) == "10⁻⁵"


def luminance(color):
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def contrast(color, other):
    darker, lighter = sorted(map(luminance, (color, other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.fast
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_color_stands_out_from_its_ground(scheme):
    """A contrast of 4.5 or more, as WCAG 2.2 asks for (success criterion 1.4.3)."""
    roots = re.findall(r":root \{(.*?)\}", (made_up.REPORT / "style.css").read_text(), re.DOTALL)
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", roots[scheme == "dark"]))
    pairs = [(ink, "paper") for ink in ("ink", "muted", "link")]
    pairs += [(ink, "tint") for ink in ("ink", "muted", "keyword", "string", "number")]
    pairs += [(ink, ground) for ink in ("ink", "muted") for ground in ("good", "bad")]
    pairs += [("error", "error-tint"), ("warning", "warning-tint")]
    for ink, ground in pairs:
        assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)
