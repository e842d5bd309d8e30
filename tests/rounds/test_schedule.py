"""Turns: rounds one after another, their members in the order that the seed gives."""

import pytest

from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round
from evenhand.rounds.schedule import Schedule
from toolbox.record import write

pytestmark = pytest.mark.fast


@pytest.fixture
def schedule(tmp_path) -> Schedule:
    return Schedule(Experiment(checked({"rounds": 3})), tmp_path, "here", {})


def test_rounds_come_one_after_another_and_each_is_opened_before_its_runs(schedule):
    turns = [
        (number, track, scenario, competitor)
        for number in range(3)
        for track, scenario in schedule.experiment.contests
        for competitor in [None, *schedule.order(Round(track, scenario, number))]
    ]
    by_priority = sorted(
        turns, key=lambda turn: -schedule.priority(Round(*turn[1:3], turn[0]), turn[3])
    )
    assert by_priority == turns


def test_rounds_that_a_precision_adds_come_after_all_first_ones(tmp_path):
    experiment = Experiment(checked({"rounds": 3, "precision": 0.02, "rounds_at_most": 4}))
    schedule = Schedule(experiment, tmp_path, "here", {})
    *first, added = (
        [schedule.priority(Round(*contest, number), None) for contest in experiment.contests]
        for number in range(4)
    )
    assert 0 < max(added) < min(map(min, first))


def test_a_round_keeps_the_order_it_was_opened_with(schedule, tmp_path):
    round_ = Round("controlled", "baseline", 1)
    names = schedule.experiment.competitors("controlled")
    order = schedule.experiment.order("controlled", "baseline", 1)[::-1]
    round_.path(tmp_path).parent.mkdir(parents=True)
    opened = {"id": "0", "order": order, "machine": {}, "nodes": "a100"}
    write(round_.path(tmp_path), opened)
    (tmp_path / "environments").mkdir()
    for name in names:
        (tmp_path / f"environments/{name}.json").touch()
    assert schedule.order(round_) == order
    assert schedule.nodes_of(round_) == "a100"


def test_a_round_that_lacks_a_competitor_of_today_is_opened_with_a_new_order(schedule, tmp_path):
    round_ = Round("controlled", "baseline", 1)
    round_.path(tmp_path).parent.mkdir(parents=True)
    opened = {"id": "0", "order": ["numpy-cpu"], "machine": {}, "nodes": "here"}
    write(round_.path(tmp_path), opened)
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/numpy-cpu.json").touch()
    assert schedule.order(round_) == schedule.experiment.order("controlled", "baseline", 1)
