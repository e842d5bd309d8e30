"""Published logs stand beside runs of the same settings, on the same device."""

import dataclasses
import shutil

import numpy as np
import pytest
import yaml

from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.published import published_logs, published_ratio
from evenhand.core.schemas import ROOT

pytestmark = pytest.mark.fast

PUBLISHED = yaml.safe_load((ROOT / "config/published.yaml").read_text())
LOGS = {f"{name}-cpu": log for name, log in PUBLISHED.items()}


def logs(track: str = "tutorial", scenario: str = "baseline", **changes) -> dict:
    return published_logs(Experiment(checked(changes)), PUBLISHED, track, scenario)


def test_logs_stand_beside_a_scenario_with_their_settings():
    assert logs() == logs(scenario="one-thread") == LOGS


def test_logs_stand_beside_no_track_but_their_own():
    assert logs("controlled") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"train_images": 6000}},
        {"scenarios": {"baseline": {"hidden_layers": [256, 256]}}},
        {"scenarios": {"baseline": {"learning_rate": 0.2}}},
        {"scenarios": {"baseline": {"batch_size": 64}}},
    ],
)
def test_logs_do_not_stand_beside_other_settings(changes):
    assert logs(**changes) == {}


def test_logs_do_not_stand_beside_another_data_set(tmp_path):
    for part in ("config", "envs", "workflow"):
        shutil.copytree(ROOT / part, tmp_path / part)
    datasets = tmp_path / "workflow/datasets"
    shutil.copyfile(datasets / "mnist.yaml", datasets / "other.yaml")
    config = checked({"scenarios": {"baseline": {"dataset": "other"}}}, tmp_path)
    experiment = Experiment(config, root=tmp_path)
    assert published_logs(experiment, PUBLISHED, "tutorial", "baseline") == {}


def test_epochs_are_no_settings_of_an_average_that_each_has():
    assert logs(scenarios={"baseline": {"epochs": 9}}) == LOGS


def test_logs_of_a_framework_that_takes_no_part_are_still_logs():
    experiment = dataclasses.replace(Experiment(checked({})), excluded={"mxnet-cpu": "broken"})
    assert published_logs(experiment, PUBLISHED, "tutorial", "baseline") == LOGS


def test_the_published_ratio_follows_the_rule_for_runs():
    """Medians of the epochs after the warm-up: 3.70 to 4.07 s, and 1.46 to 1.75 s."""
    ratio = published_ratio(LOGS, "mxnet-cpu", "pytorch-cpu", warmup_epochs=1)
    assert ratio == pytest.approx(1.485 / 3.875)
    assert published_ratio(LOGS, "pytorch-cpu", "mxnet-cpu", 1) == pytest.approx(3.875 / 1.485)


@pytest.mark.parametrize(
    ("a", "b", "warmup"), [("numpy-cpu", "mxnet-cpu", 1), ("pytorch-cpu", "mxnet-cpu", 5)]
)
def test_without_a_log_or_an_epoch_of_it_there_is_no_ratio(a, b, warmup):
    assert np.isnan(published_ratio(LOGS, a, b, warmup))
