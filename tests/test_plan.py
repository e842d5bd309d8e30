"""The plan tells what is still to be run, how long that takes, and what the guess rests on."""

import made_up_results
import pandas as pd
import pytest
from plan import plan


@pytest.fixture
def config():
    tracks = {"tracks": ["controlled"], "frameworks": ["pytorch", "numpy"]}
    return made_up_results.config(rounds=3, **tracks) | {"left_out": {}}


def run(results, number: int, competitor: str) -> None:
    folder = results / f"runs/controlled/baseline/{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{competitor}.json").touch()


def test_with_nothing_there_it_counts_everything_and_says_that_it_guesses(config, tmp_path):
    told = plan(config, tmp_path)
    assert "3 rounds, 6 clocked runs to do" in told
    assert "controlled baseline     pytorch-cpu, numpy-cpu" in told
    assert "On a cluster: 3 jobs" in told
    assert "rests on guesses" in told and "earlier runs" not in told


def test_what_is_there_is_not_counted_again(config, tmp_path):
    run(tmp_path, 0, "pytorch-cpu")
    run(tmp_path, 0, "numpy-cpu")
    run(tmp_path, 1, "numpy-cpu")
    told = plan(config, tmp_path)
    assert "3 rounds, 3 clocked runs to do" in told
    assert "(1 of 3 rounds are there)" in told
    assert "On a cluster: 2 jobs" in told


def test_when_all_is_there_nothing_is_estimated(config, tmp_path):
    for number in range(3):
        for competitor in ("pytorch-cpu", "numpy-cpu"):
            run(tmp_path, number, competitor)
    assert plan(config, tmp_path).endswith("Every run is there.")


def test_earlier_runs_of_the_same_kind_are_what_it_rests_on(config, tmp_path):
    earlier = {"track": "controlled", "scenario": "baseline", "epochs": 5, "train_images": 60_000}
    rows = [
        earlier | {"competitor": name, "process_seconds": seconds}
        for name, seconds in (("pytorch-cpu", 500), ("pytorch-cpu", 700), ("numpy-cpu", 1800))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    told = plan(config, tmp_path)
    assert "About 120 min" in told  # three rounds of 600 s and 1800 s
    assert "2.0 node-hours, 0.0 GPU-hours" in told
    assert f"earlier runs in {tmp_path}/runs.csv" in told and "guesses" not in told


def test_rounds_with_a_gpu_are_counted_in_gpu_hours(tmp_path):
    config = made_up_results.config(
        rounds=720, tracks=["controlled"], frameworks=["pytorch"], devices=["cuda"]
    )
    told = plan(config | {"left_out": {}}, tmp_path)
    assert "720 jobs, 2.0 node-hours, 2.0 GPU-hours" in told  # 10 s each, by the guess


def test_who_is_left_out_is_named_with_the_reason(config, tmp_path):
    config["left_out"] = {"numpy-cpu": "training fails: no kernel image"}
    told = plan(config, tmp_path)
    assert "left out, unfit: numpy-cpu: training fails: no kernel image" in told
    assert "3 clocked runs to do" in told
