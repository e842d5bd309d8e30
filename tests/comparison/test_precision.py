"""How many rounds a precision asks for, from the records of the first ones."""

import json
import shutil
from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evenhand.comparison import recomputed, whole_audit
from evenhand.comparison.compare import pair
from evenhand.comparison.precision import contest, fixed, in_words
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round
from evenhand.core.tables import read_table
from support import records
from support.comparisons import make_runs
from support.tables import write_tables

FIRST, LIMIT = 4, 7
ASKED = {
    "frameworks": ["pytorch", "mxnet", "numpy"],
    "rounds": FIRST,
    "rounds_at_most": LIMIT,
    "data": {"train_images": 6000, "test_images": 1000},
}


def experiment(precision: float = 0.02, **changes) -> Experiment:
    return Experiment(checked(ASKED | {"precision": precision} | changes))


def fixed_of(asked: Experiment, results: Path) -> dict:
    """What is fixed by the records of the first rounds that lie there."""
    first = recomputed.records(replace(asked, fixed_rounds=()), results)
    return fixed(asked, results, first["runs"], first["rounds"])


def of(found: dict, track: str = "controlled") -> dict:
    return next(of for of in found["contests"] if of["track"] == track)


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Path:
    """The records of as many rounds as there may be, in a folder called as the workflow does."""
    results = tmp_path_factory.mktemp("there") / "results"
    records.make(results, experiment().config)
    return results


@pytest.fixture
def results(there, tmp_path) -> Path:
    return shutil.copytree(there, tmp_path / "results")


# ---- One contest -----------------------------------------------------


@pytest.mark.fast
def test_the_most_scattered_pair_says_how_many_rounds_there_are():
    runs = make_runs({"pytorch-cpu": 0.4, "mxnet-cpu": 0.8, "numpy-cpu": 0.4}, FIRST, noise=0.01)
    asked = experiment(0.005, rounds_at_most=1000)
    found = contest(asked, runs, "controlled", "baseline")
    wanted = []
    for said in found["pairs"]:
        spread = pair(runs, said["a"], said["b"])["d"].std()
        quantile = stats.t.ppf(0.975, FIRST - 1)
        wanted.append(max(FIRST, ceil((quantile * spread / np.log(1.005)) ** 2)))
        assert (said["rounds"], said["wanted"]) == (FIRST, wanted[-1])
        assert said["spread"] == pytest.approx(spread)
    assert len(wanted) == 3 and found["wanted"] == found["all"] == max(wanted) > min(wanted)
    assert in_words(found, FIRST) == (
        f"controlled baseline: {FIRST} rounds, then {max(wanted)} in all"
    )


@pytest.mark.fast
def test_the_limit_cuts_what_is_wanted_and_both_are_said():
    runs = make_runs({"pytorch-cpu": 0.4, "mxnet-cpu": 0.8}, FIRST, noise=0.1)
    found = contest(experiment(0.001), runs, "controlled", "baseline")
    assert found["all"] == LIMIT < found["wanted"]
    assert in_words(found, FIRST).endswith(f"then 7 in all, of {found['wanted']} wanted")


@pytest.mark.fast
def test_a_pair_that_lost_a_first_round_wants_one_more():
    asked = experiment(0.005, rounds_at_most=1000)
    runs = make_runs({"pytorch-cpu": 0.4, "mxnet-cpu": 0.8}, FIRST)
    lost = runs[~(runs["round"].eq(2) & runs["competitor"].eq("mxnet-cpu"))]
    d = pair(lost, "mxnet-cpu", "pytorch-cpu")["d"]
    enough = (stats.t.ppf(0.975, FIRST - 2) * d.std() / np.log(1.005)) ** 2
    assert enough > FIRST
    assert contest(asked, lost, "controlled", "baseline")["all"] == ceil(enough) + 1


@pytest.mark.fast
@pytest.mark.parametrize("kept", [{"pytorch-cpu": 0.4}, {}])
def test_without_a_pair_the_first_rounds_are_all(kept):
    runs = make_runs(kept or {"other-cpu": 0.4}, FIRST)
    found = contest(experiment(), runs, "controlled", "baseline")
    assert found["pairs"] == [] and found["wanted"] == found["all"] == FIRST


# ---- From records ----------------------------------------------------


def test_the_first_rounds_alone_decide(results):
    before = fixed_of(experiment(), results)
    assert before["rounds"] == FIRST and before["precision"] == 0.02
    assert [(of["track"], of["scenario"]) for of in before["contests"]] == experiment().contests
    again = replace(experiment(), fixed_rounds=before["contests"])
    for path in results.glob(f"runs/*/*/{FIRST}/*.json"):
        path.unlink()
    assert fixed_of(again, results) == before


def test_a_run_that_the_audit_rejects_has_no_say(results):
    path = Round("controlled", "baseline", 1).run("numpy-cpu").path(results)
    content = json.loads(path.read_text())
    content["measured"]["epochs"][1]["seconds"] *= 3  # the seal does not fit
    records.write(path, content)
    found = of(fixed_of(experiment(), results))
    counts = {(pair["a"], pair["b"]): pair["rounds"] for pair in found["pairs"]}
    assert counts == {
        ("mxnet-cpu", "pytorch-cpu"): FIRST,
        ("numpy-cpu", "pytorch-cpu"): FIRST - 1,
        ("numpy-cpu", "mxnet-cpu"): FIRST - 1,
    }


# ---- All that follows ------------------------------------------------


@pytest.fixture
def finished(results) -> Experiment:
    """The experiment after its last round, all tables written."""
    whole = replace(experiment(), fixed_rounds=fixed_of(experiment(), results)["contests"])
    assert {whole.rounds(*contest) for contest in whole.contests} != {FIRST}
    write_tables(results, whole)
    return whole


def audited(results: Path, capsys) -> tuple[int, list[str]]:
    status = whole_audit.main([str(results)])
    return status, capsys.readouterr().out.splitlines()


def test_all_tables_have_each_contests_rounds_and_are_computed_again(finished, results, capsys):
    runs = read_table(results / "runs.csv")
    counts = runs.groupby(["track", "scenario"])["round"].nunique().to_dict()
    assert counts == {contest: finished.rounds(*contest) for contest in finished.contests}
    status, lines = audited(results, capsys)
    assert status == 0 and lines[-1] == "0 errors, 0 notes, 0 tables differ"


def test_every_interval_is_as_narrow_as_asked_unless_the_limit_cut(finished, results):
    table = read_table(results / "comparison.csv")
    width = np.sqrt(table["high"] / table["low"]) - 1
    cut = {
        (of["track"], of["scenario"]) for of in finished.fixed_rounds if of["all"] < of["wanted"]
    }
    narrow = [row not in cut for row in zip(table["track"], table["scenario"], strict=True)]
    assert any(narrow) and (width[narrow] <= 0.02 * (1 + 1e-9)).all()


def test_another_number_than_the_first_rounds_give_is_named(finished, results, capsys):
    first = finished.fixed_rounds[0]
    more = first | {"all": first["all"] - 1}
    write_tables(results, replace(finished, fixed_rounds=[more, *finished.fixed_rounds[1:]]))
    status, lines = audited(results, capsys)
    assert status == 3
    said = f"{more['all']} rounds in all, by the first it is {first['all']}"
    named = [line for line in lines if line.startswith("results/configuration.json: ")]
    assert named == [f"results/configuration.json: {first['track']} {first['scenario']}: {said}"]


def test_markdown_says_how_the_number_was_fixed(finished, results):
    said = (results / "comparison.md").read_text()
    assert f"The first {FIRST} rounds fixed how many there are" in said
    assert pd.read_csv(results / "comparison.csv")["rounds"].max() <= LIMIT
