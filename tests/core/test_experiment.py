"""What a configuration amounts to: contests, competitors, seeds, turns, trainings."""

import dataclasses
from itertools import pairwise

import pytest

from evenhand.core import experiment
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT

pytestmark = pytest.mark.fast


def of(**changes) -> Experiment:
    """The experiment of the default configuration, three frameworks, with these keys instead."""
    return Experiment(checked({"frameworks": ["pytorch", "mxnet", "numpy"]} | changes))


def test_every_scenario_is_run_in_its_tracks():
    assert of().contests == [
        ("tutorial", "baseline"),
        ("tutorial", "one-thread"),
        ("controlled", "baseline"),
    ]
    assert of(tracks=["controlled"]).contests == [("controlled", "baseline")]


def test_a_framework_takes_part_where_it_has_a_trainer():
    assert of().competitors("tutorial") == ["pytorch-cpu", "mxnet-cpu"]
    assert of().competitors("controlled") == ["pytorch-cpu", "mxnet-cpu", "numpy-cpu"]


def test_a_framework_takes_part_on_the_devices_that_it_has_an_environment_for():
    both = of(frameworks=["numpy", "pytorch"], devices=["cpu", "cuda"])
    assert both.all_competitors == ["numpy-cpu", "pytorch-cpu", "pytorch-cuda"]
    assert both.competitors("controlled") == ["numpy-cpu", "pytorch-cpu", "pytorch-cuda"]
    assert both.competitors("tutorial") == ["pytorch-cpu", "pytorch-cuda"]


def test_a_competitor_that_failed_its_examination_takes_no_part():
    without = dataclasses.replace(of(), excluded={"mxnet-cpu": "training fails"})
    assert without.competitors("controlled") == ["pytorch-cpu", "numpy-cpu"]
    assert without.order("tutorial", "baseline", 0) == ["pytorch-cpu"]
    assert "mxnet-cpu" in without.all_competitors


def test_tracks_are_chosen_by_what_their_files_say():
    assert of().tracks_with("proof", "gate") == ["controlled"]
    assert of().tracks_with("start", "own") == ["tutorial"]
    assert of(tracks=["controlled"]).tracks_with("proof", "distribution") == []


def test_the_random_order_is_fixed_by_the_seed_and_favors_no_competitor():
    def orders_of(seed):
        some = of(seed=seed)
        return [tuple(some.order("controlled", "baseline", n)) for n in range(600)]

    orders = orders_of(seed=2018)
    assert orders == orders_of(seed=2018) != orders_of(seed=2019)
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert min(counts) > 60  # 100 expected of each of the six orders; 60 is 4.4 deviations away


def test_every_round_has_a_seed_of_its_own():
    some = of()
    seeds = [some.seed(n) for n in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_seeds_and_orders_never_change():
    """Rounds that were opened long ago go on: these values are for ever."""
    default, other = of(), of(seed=7)
    assert [default.seed(n) for n in (0, 1, 2, 999)] == [
        1186099858,
        1370774158,
        1962955108,
        428846928,
    ]
    assert [other.seed(n) for n in (0, 1)] == [1521721297, 236563028]
    p, m, n = "pytorch-cpu", "mxnet-cpu", "numpy-cpu"
    assert [default.order("controlled", "baseline", number) for number in range(6)] == [
        [p, m, n],
        [n, p, m],
        [p, m, n],
        [m, p, n],
        [p, n, m],
        [p, n, m],
    ]
    assert [default.order("tutorial", "one-thread", number) for number in range(6)] == [
        [p, m],
        [p, m],
        [m, p],
        [m, p],
        [p, m],
        [m, p],
    ]
    assert other.order("controlled", "baseline", 0) == [n, m, p]


def rehearsed(config: dict, scenario: str = "baseline", **changes) -> int:
    return Experiment(config | changes).rehearsed("controlled", scenario)


def test_every_round_is_as_likely_to_be_rehearsed():
    """Each track and scenario has its own; who is to be rehearsed has no say."""
    config = of(rounds=3).config
    rounds = [rehearsed(config, seed=seed) for seed in range(300)]
    assert all(70 < rounds.count(number) < 130 for number in range(3))  # 3.7 deviations
    assert {rehearsed(config, scenario) for scenario in "abcdefgh"} == {0, 1, 2}
    without = Experiment(config, excluded={"mxnet-cpu": "training fails"})
    assert without.rehearsed("controlled", "baseline") == rehearsed(config)


def test_more_rounds_change_the_rehearsed_one_only_for_a_new_one():
    config = of().config
    for seed in range(20):
        numbers = [rehearsed(config, seed=seed, rounds=rounds) for rounds in range(1, 12)]
        assert numbers[0] == 0
        assert all(
            after in (before, rounds)
            for rounds, (before, after) in enumerate(pairwise(numbers), start=1)
        )


FIXED = [
    {"track": "tutorial", "scenario": "baseline", "wanted": 7, "all": 7},
    {"track": "tutorial", "scenario": "one-thread", "wanted": 5, "all": 5},
    {"track": "controlled", "scenario": "baseline", "wanted": 57, "all": 40},
]


def test_with_a_precision_each_contest_has_rounds_of_its_own():
    before = of(precision=0.02)
    after = dataclasses.replace(before, fixed_rounds=FIXED)
    assert [before.rounds(*contest) for contest in before.contests] == [5, 5, 5]
    assert [after.rounds(*contest) for contest in after.contests] == [7, 5, 40]
    paths = after.files_of_all("results/rounds/{track}/{scenario}/{round}.json")
    assert len(paths) == 7 + 5 + 40
    assert "results/rounds/tutorial/baseline/6.json" in paths
    assert "results/rounds/tutorial/baseline/7.json" not in paths


def test_more_rounds_for_a_precision_rehearse_the_same_one():
    for seed in range(20):
        before = of(precision=0.02, seed=seed)
        after = dataclasses.replace(before, fixed_rounds=FIXED)
        contest = ("controlled", "baseline")
        assert after.rehearsed(*contest) == before.rehearsed(*contest) < 5


def test_all_rounds_tell_the_spread_unless_a_precision_is_asked():
    assert of().first_rounds is None
    assert of(precision=0.02, rounds=8).first_rounds == 8


def test_a_training_has_everything_that_its_data_set_adds():
    training = of().training("baseline")
    assert training == {
        "threads": "default",
        "tracks": ["tutorial", "controlled"],
        "dataset": "mnist",
        "epochs": 5,
        "batch_size": 128,
        "learning_rate": 0.1,
        "hidden_layers": [256],
        "pixel_mean": 0.13,
        "pixel_std": 0.31,
        "loader_workers": 4,
        "train_images": 60_000,
        "test_images": 10_000,
        "layers": [784, 256, 10],
    }


def test_what_a_scenario_says_goes_before_its_data_set():
    scenario = {"hidden_layers": [128, 64], "pixel_mean": 0, "pixel_std": 1}
    training = of(scenarios={"deep": scenario}, data={"train_images": 600}).training("deep")
    assert training["layers"] == [784, 128, 64, 10]
    assert (training["pixel_mean"], training["pixel_std"]) == (0, 1)
    assert (training["train_images"], training["test_images"]) == (600, 10_000)


def test_scenarios_that_train_alike_share_what_depends_on_training_alone():
    usual = of().config["scenarios"]
    more = of(scenarios=usual | {"wide": {"hidden_layers": [512]}, "deep": {"epochs": 9}})
    assert more.same_training("one-thread") == "baseline"
    assert more.same_training("wide") == "wide"
    assert more.same_training("deep") == "deep"


def test_frameworks_with_the_same_rules_share_what_depends_on_them_and_the_training_alone():
    versions = of(frameworks=["mxnet", "pytorch@2.4", "pytorch"])
    pattern = "results/distribution/{training}/{rules}.csv"
    assert versions.files_of_all(pattern, ["tutorial"]) == [
        "results/distribution/baseline/mxnet.csv",
        "results/distribution/baseline/pytorch@2.4.csv",
    ]


def test_the_number_of_runs_decides_the_form_of_tables():
    a_round = 2 + 2 + 3  # tutorial in two scenarios, controlled in one
    most = experiment.MOST_RUNS_IN_CSV // a_round
    assert of(rounds=most).table_form == "csv"
    assert of(rounds=most + 1).table_form == "parquet"
    assert of(rounds_at_most=most + 1).table_form == "csv"
    assert of(precision=0.02, rounds_at_most=most + 1).table_form == "parquet"


def test_an_experiment_of_another_project_asks_that_projects_files(tmp_path):
    for part in ("config", "envs"):
        (tmp_path / part).symlink_to(ROOT / part)
    (tmp_path / "workflow/trainers/controlled").mkdir(parents=True)
    (tmp_path / "workflow/trainers/controlled/numpy_mlp.py").touch()
    elsewhere = Experiment(checked({}), root=tmp_path)
    assert elsewhere.competitors("controlled") == ["numpy-cpu"]
