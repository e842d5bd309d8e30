"""The plan says what is still to be run, how long that takes, and what the guess rests on."""

import re

import pandas as pd
import pytest

from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.rounds.plan import plan
from toolbox.record import write

pytestmark = pytest.mark.fast


def experiment(excluded=None, **changes) -> Experiment:
    defaults = {"rounds": 3, "tracks": ["controlled"], "frameworks": ["pytorch", "numpy"]}
    return Experiment(checked(defaults | changes), excluded or {})


def run(results, number: int, competitor: str, deployment: str = "conda") -> str:
    path = results / f"runs/controlled/baseline/{number}/{competitor}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, {"environment": {"deployment": deployment}})
    return str(path)


def test_with_nothing_there_it_counts_everything_and_says_that_it_guesses(tmp_path):
    said = plan(experiment(), tmp_path)
    assert "3 rounds, 6 timed runs to do" in said
    assert re.search("^  controlled baseline +pytorch-cpu, numpy-cpu$", said, re.MULTILINE)
    assert "On a cluster: 3 jobs" in said
    assert "rests on guesses" in said and "earlier runs" not in said


def test_names_of_any_length_stand_in_columns(tmp_path):
    named = {"baseline": {}, "workers-2-one-thread": {"threads": 1}}
    said = plan(experiment(scenarios=named), tmp_path).splitlines()
    assert [line.index("pytorch-cpu") for line in said if "pytorch-cpu" in line] == [34, 34]
    assert "  controlled workers-2-one-thread pytorch-cpu, numpy-cpu" in said


def test_scenarios_with_more_threads_than_cores_are_named_where_the_runs_will_be(tmp_path):
    named = {"one": {"threads": 1}, "two": {"threads": 2}, "free": {}}
    said = plan(experiment(scenarios=named), tmp_path, cores=1.5)
    asked = re.findall("^  threads: scenario (.*)$", said, re.MULTILINE)
    assert asked == ["two asks for 2, and 1.5 cores can be used: they take turns"]
    assert "guesses for a machine of 2 cores (here 1.5 can be used)" in said
    for cores in (None, 2.0):
        assert "threads:" not in plan(experiment(scenarios=named), tmp_path, cores=cores)


def test_what_is_there_is_not_counted_again(tmp_path):
    run(tmp_path, 0, "pytorch-cpu")
    run(tmp_path, 0, "numpy-cpu")
    run(tmp_path, 1, "numpy-cpu")
    said = plan(experiment(), tmp_path)
    assert "3 rounds, 3 timed runs to do" in said
    assert "(1 of 3 rounds are there)" in said
    assert "On a cluster: 2 jobs" in said


def test_when_all_is_there_nothing_is_estimated(tmp_path):
    for number in range(3):
        for competitor in ("pytorch-cpu", "numpy-cpu"):
            run(tmp_path, number, competitor)
    assert plan(experiment(), tmp_path).endswith("Every run is there.")


def test_earlier_runs_of_the_same_kind_are_what_it_rests_on(tmp_path):
    earlier = {"track": "controlled", "scenario": "baseline", "epochs": 5, "train_images": 60_000}
    rows = [
        earlier | {"competitor": name, "process_seconds": seconds}
        for name, seconds in (("pytorch-cpu", 500), ("pytorch-cpu", 700), ("numpy-cpu", 1800))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    said = plan(experiment(), tmp_path)
    assert "About 120 min" in said  # three rounds of 600 s and 1800 s
    assert "2.0 node-hours, 0.0 GPU-hours" in said
    assert f"earlier runs in {tmp_path}/runs.csv" in said and "guesses" not in said


def test_rounds_with_a_gpu_are_counted_in_gpu_hours(tmp_path):
    on_gpu = experiment(rounds=720, frameworks=["pytorch"], devices=["cuda"])
    said = plan(on_gpu, tmp_path)
    assert "720 jobs, 2.0 node-hours, 2.0 GPU-hours" in said  # 10 s each, by the guess


def test_who_is_excluded_is_named_with_the_reason(tmp_path):
    said = plan(experiment({"numpy-cpu": "training fails: no kernel image"}), tmp_path)
    assert "excluded: numpy-cpu: training fails: no kernel image" in said
    assert "3 timed runs to do" in said


def test_a_round_that_is_made_again_counts_as_a_whole(tmp_path):
    for number in range(3):
        for competitor in ("pytorch-cpu", "numpy-cpu"):
            run(tmp_path, number, competitor)
    again = {f"{tmp_path}/rounds/controlled/baseline/1.json": "its job did not finish the round"}
    assert "3 rounds, 2 timed runs to do" in plan(experiment(), tmp_path, again)


# ---- Records that will be replaced -----------------------------------

KEEP = "To keep them, copy results/ first, or name another --directory and a --configfile."


def test_records_that_will_be_replaced_are_counted_and_how_to_keep_them_is_said(tmp_path):
    again = {run(tmp_path, number, "numpy-cpu") for number in range(2)}
    run(tmp_path, 0, "pytorch-cpu")
    said = plan(experiment(), tmp_path, again, deployments=["conda"]).splitlines()
    reasons = "`snakemake --dry-run` gives the reasons"
    assert said[-1] == f"To be run again and replaced: 2 records in 2 rounds ({reasons}). {KEEP}"


def test_why_is_said_where_they_were_deployed_in_another_way(tmp_path):
    again = {run(tmp_path, 0, name, "virtual environment") for name in ("numpy-cpu", "pytorch-cpu")}
    ways = ["docker", "podman"]  # which records call by the engine
    said = plan(experiment(), tmp_path, again, deployments=ways).splitlines()
    why = "deployed as virtual environment, now docker or podman"
    assert said[-1] == f"To be run again and replaced: 2 records in 1 round ({why}). {KEEP}"
    again = {run(tmp_path, 0, name, "podman") for name in ("numpy-cpu", "pytorch-cpu")}
    assert "gives the reasons" in plan(experiment(), tmp_path, again, deployments=ways)


def test_a_damaged_record_is_replaced_like_any_other(tmp_path):
    path = run(tmp_path, 0, "numpy-cpu")
    with open(path, "w"):
        pass
    said = plan(experiment(), tmp_path, {path}, deployments=["docker"])
    assert "To be run again and replaced: 1 record in 1 round" in said


def test_where_records_are_only_missing_nothing_is_replaced(tmp_path):
    run(tmp_path, 0, "numpy-cpu")
    assert "replaced" not in plan(experiment(), tmp_path, {"results/report.html"})


# ---- With a precision ------------------------------------------------


def to_be_fixed(**changes) -> Experiment:
    return experiment(**{"precision": 0.02, "rounds_at_most": 10} | changes)


def first_rounds(results, asked: Experiment) -> None:
    """The first rounds are there, and by them seven of all are fixed."""
    for number in range(3):
        for competitor in ("pytorch-cpu", "numpy-cpu"):
            run(results, number, competitor)
    contest = {"track": "controlled", "scenario": "baseline", "wanted": 7, "all": 7, "pairs": []}
    write(results / "rounds.json", asked.fixing | {"contests": [contest]})


def test_before_the_rounds_are_fixed_it_says_how_many_there_may_be(tmp_path):
    said = plan(to_be_fixed(), tmp_path).splitlines()
    assert said[0].startswith("The plan: 3 rounds, then up to 10, 6 to 20 timed runs to do")
    assert said[-1] == "On a cluster: 3 to 10 jobs, 0.0 to 0.1 node-hours, 0.0 GPU-hours."
    assert re.match("About 1 to [2-9] min of timed runs; ", said[-2])  # 10 s a run, by the guess


def test_once_they_are_fixed_it_counts_all_of_them(tmp_path):
    first_rounds(tmp_path, to_be_fixed())
    said = plan(to_be_fixed(), tmp_path)
    assert "The plan: 3 rounds, then 7 in all, 8 timed runs to do" in said
    contest = "pytorch-cpu, numpy-cpu  3 rounds, then 7 in all  (3 of 7 rounds are there)"
    assert f"  controlled baseline   {contest}" in said
    assert "On a cluster: 4 jobs" in said


def test_what_was_fixed_for_another_precision_does_not_count(tmp_path):
    first_rounds(tmp_path, to_be_fixed())
    assert "3 rounds, then up to 10, 0 to 14 timed runs" in plan(
        to_be_fixed(precision=0.05), tmp_path
    )
    assert "3 rounds, 0 timed runs to do" in plan(experiment(rounds_at_most=10), tmp_path)


def test_a_first_round_that_is_made_again_may_fix_another_number(tmp_path):
    first_rounds(tmp_path, to_be_fixed())
    again = {f"{tmp_path}/runs/controlled/baseline/1/numpy-cpu.json"}
    assert "3 rounds, then up to 10, 1 to 15 timed runs" in plan(to_be_fixed(), tmp_path, again)


def test_rounds_that_follow_may_be_replaced_with_the_first(tmp_path):
    first_rounds(tmp_path, to_be_fixed())
    run(tmp_path, 3, "numpy-cpu")
    run(tmp_path, 3, "pytorch-cpu")
    again = {f"{tmp_path}/runs/controlled/baseline/{number}/numpy-cpu.json" for number in range(3)}
    said = plan(to_be_fixed(), tmp_path, again)
    assert "3 rounds, then up to 10, 3 to 16 timed runs" in said
    assert "To be run again and replaced: 3 to 4 records in 3 to 4 rounds" in said


def test_a_number_of_rounds_that_will_be_fixed_anew_is_not_known(tmp_path):
    first_rounds(tmp_path, to_be_fixed())
    said = plan(to_be_fixed(), tmp_path, {str(tmp_path / "rounds.json")})
    assert "3 rounds, then up to 10, 0 to 14 timed runs" in said


def test_with_nobody_left_there_is_nothing_to_plan(tmp_path):
    nobody = {"pytorch-cpu": "it cannot train", "numpy-cpu": "it cannot train"}
    assert plan(to_be_fixed(excluded=nobody), tmp_path).endswith("Every run is there.")
