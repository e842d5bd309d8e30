"""Claims and their logs stand beside runs of the same settings, on the same device."""

import dataclasses
import shutil

import numpy as np
import pytest
import yaml

from evenhand.core import axes
from evenhand.core.claims import claims_about, published_logs, published_ratio
from evenhand.core.config import ConfigError, checked
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT

pytestmark = pytest.mark.fast

NAME = "mxnet-twice-as-fast"
LOGS = {f"{name}-cpu": log for name, log in axes.claim(NAME)["logs"].items()}


def logs(track: str = "tutorial", scenario: str = "baseline", **changes) -> dict:
    return published_logs(Experiment(checked(changes)), track, scenario)


def test_a_claim_is_about_a_scenario_with_its_settings():
    experiment = Experiment(checked({}))
    assert list(claims_about(experiment, "tutorial", "baseline")) == [NAME]
    assert logs() == LOGS


def test_a_claim_is_about_no_track_but_its_own_and_no_other_scenario():
    experiment = Experiment(checked({}))
    assert claims_about(experiment, "controlled", "baseline") == {}
    assert claims_about(experiment, "tutorial", "one-thread") == {}
    assert logs("controlled") == logs(scenario="one-thread") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"train_images": 6000}},
        {"scenarios": {"baseline": {"hidden_layers": [256, 256]}}},
        {"scenarios": {"baseline": {"learning_rate": 0.2}}},
        {"scenarios": {"baseline": {"batch_size": 64}}},
        {"scenarios": {"baseline": {"loader_workers": 0}}},
        {"scenarios": {"baseline": {"threads": 4}}},
        {"scenarios": {"baseline": {"pixel_mean": 0}}},
        {"scenarios": {"baseline": {"dataset": "fashion-mnist"}}},
        {"scenarios": {"baseline": {"dataset": "kmnist", "pixel_mean": 0.13, "pixel_std": 0.31}}},
    ],
)
def test_a_claim_is_not_about_other_settings_or_data(changes):
    assert logs(**changes) == {}


def test_epochs_are_no_settings_of_what_each_has():
    assert logs(scenarios={"baseline": {"epochs": 9}}) == LOGS


def test_logs_of_a_framework_that_takes_no_part_are_still_logs():
    experiment = dataclasses.replace(Experiment(checked({})), excluded={"mxnet-cpu": "broken"})
    assert published_logs(experiment, "tutorial", "baseline") == LOGS


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


# ---- claims of one's own ---------------------------------------------


@pytest.fixture
def root(tmp_path):
    """A project whose configuration and axes can be changed."""
    for part in ("config", "envs", "workflow"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def claim(root, name, **changes):
    """A further claim: that NumPy takes at most 0.9 of JAX's time in the controlled track."""
    content = {
        "text": {"en": "NumPy is faster"},
        "source": "https://example.org/numpy",
        "published": "2026-11-01",
        "device": "cpu",
        "tracks": ["controlled"],
        "settings": {"dataset": "mnist", "threads": "default"},
        "ratio": {"faster": "numpy", "slower": "jax", "at_most": 0.9},
    }
    path = root / f"config/claims/{name}.yaml"
    path.write_text(yaml.safe_dump(content | changes))


def test_a_claim_is_a_file(root):
    claim(root, "numpy-first", logs={"numpy": {"average_loss": [0.3], "seconds": [2.5]}})
    experiment = Experiment(checked({}, root), root=root)
    assert list(claims_about(experiment, "controlled", "baseline")) == ["numpy-first"]
    assert published_logs(experiment, "controlled", "baseline")["numpy-cpu"]["seconds"] == [2.5]
    assert list(claims_about(experiment, "tutorial", "baseline")) == [NAME]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tracks": ["contrlled"]}, "claim mine, track: unknown name `contrlled`; did you mean"),
        ({"device": "tpu"}, "claim mine, device: unknown name `tpu`"),
        ({"settings": {"dataset": "minst"}}, "claim mine, dataset: unknown name `minst`"),
        (
            {"ratio": {"faster": "nunpy", "slower": "jax", "at_most": 0.9}},
            "claim mine, framework: unknown name `nunpy`; did you mean `numpy`?",
        ),
        (
            {"ratio": {"faster": "numpy", "slower": "jax", "at_most": 1.2}},
            "config/claims/mine.yaml: ratio.at_most: 1.2 is greater than or equal",
        ),
        ({"source": "a book"}, "config/claims/mine.yaml: source: "),
        ({"sorce": "x"}, "config/claims/mine.yaml: unknown key `sorce`; did you mean `source`?"),
        ({"settings": {"dataset": "mnist", "lr": 1}}, "settings: unknown key `lr`"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused_in_one_line(root, changes, said):
    claim(root, "mine", **changes)
    with pytest.raises(ConfigError) as refusal:
        checked({}, root)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
