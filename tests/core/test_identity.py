"""Names and paths of results are taken apart as they are put together."""

from pathlib import Path

import pytest

from evenhand.core.identity import Competitor, Rehearsal, Round, Run, losses_path

pytestmark = pytest.mark.fast

RESULTS = Path("some/results")
NAMES = [
    ("numpy-cpu", "numpy", "cpu"),
    ("pytorch-cuda", "pytorch", "cuda"),
    ("pytorch@1.13.1-cpu", "pytorch@1.13.1", "cpu"),
    ("my-own_framework@2.0-rc1-cpu", "my-own_framework@2.0-rc1", "cpu"),
]
names = pytest.mark.parametrize("name", [name for name, *_ in NAMES])


@pytest.mark.parametrize(("name", "framework", "device"), NAMES)
def test_a_competitors_name_is_its_framework_and_its_device(name, framework, device):
    competitor = Competitor.parse(name)
    assert competitor == (framework, device)
    assert str(competitor) == name


def test_a_round_is_known_by_the_path_of_its_file():
    opened = Round("controlled", "one-thread", 12)
    path = opened.path(RESULTS)
    assert path == RESULTS / "rounds/controlled/one-thread/12.json"
    assert Round.from_path(path) == opened


@names
def test_a_run_is_known_by_the_path_of_its_record(name):
    run = Round("tutorial", "one-thread", 12).run(name)
    path = run.path(RESULTS)
    assert path == RESULTS / f"runs/tutorial/one-thread/12/{name}.json"
    assert Run.from_path(path) == run
    assert Run.from_path(path.resolve()) == run


@names
def test_a_rehearsal_is_known_by_the_path_of_its_record(name):
    round_ = Round("controlled", "baseline", 3)
    rehearsal = round_.rehearsal(name)
    path = rehearsal.path(RESULTS)
    assert path == RESULTS / f"rehearsals/controlled/baseline/3/{name}.json"
    assert Rehearsal.from_path(path) == rehearsal
    assert rehearsal.of == round_
    assert rehearsal != round_.run(name), "though both are of this round and competitor"


@names
def test_step_losses_lie_beside_their_record(name):
    path = Round("tutorial", "baseline", 0).run(name).path(RESULTS)
    assert losses_path(path) == path.parent / f"{name}.losses.npy"


def test_rounds_and_runs_are_sorted_by_number():
    rounds = [Round("t", "s", number) for number in (10, 9, 2)]
    assert [of.number for of in sorted(rounds)] == [2, 9, 10]
    assert sorted(of.run("a-cpu") for of in rounds)[-1].of.number == 10
