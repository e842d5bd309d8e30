"""The configuration: what it refuses, what it fills in, and what it spells out."""

import copy

import pytest
import settings
import yaml

DEFAULT = yaml.safe_load((settings.ROOT / "config/config.yaml").read_text())


def changed(**changes) -> dict:
    """The default configuration with some keys replaced; `a__b=1` reaches into sections."""
    config = copy.deepcopy(DEFAULT)
    for path, value in changes.items():
        *sections, key = path.split("__")
        section = config
        for name in sections:
            section = section.setdefault(name, {})
        section[key] = value
    return config


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"roundz": 3}, "unknown key `roundz`; did you mean `rounds`?"),
        ({"data__mirorrs": []}, "data: unknown key `mirorrs`; did you mean `mirrors`?"),
        ({"scenarios__baseline__epoch": 1}, "scenarios.baseline: unknown key `epoch`"),
        (
            {"frameworks": ["pytorchh"]},
            "frameworks: unknown name `pytorchh`; did you mean `pytorch`?",
        ),
        ({"frameworks": []}, "frameworks: "),
        ({"tracks": ["tutorials"]}, "unknown name `tutorials`; did you mean `tutorial`?"),
        ({"tracks": []}, "tracks: "),
        ({"devices": ["tpu"]}, "unknown name `tpu`"),
        ({"rounds": 0}, "rounds: 0 is less than the minimum of 1"),
        ({"rounds": "five"}, "rounds: 'five' is not of type 'integer'"),
        (
            {"scenarios__baseline__batch_size": 60_001},
            "60001 is more than the 60000 training images",
        ),
        ({"scenarios__baseline__learning_rate": -0.1}, "scenarios.baseline.learning_rate: -0.1"),
        ({"scenarios__baseline__threads": "many"}, "scenarios.baseline.threads: 'many'"),
        ({"scenarios": {}}, "scenarios: "),
        ({"scenarios": {"With Space": {}}}, "With Space"),
        ({"data__mirrors": []}, "data.mirrors: "),
        ({"data__mirrors": ["ftp://example.org/"]}, "data.mirrors.0: "),
        ({"data__folder": "/no/such/folder"}, "data.folder: `/no/such/folder` is not a folder"),
        ({"data__train_images": 60_001}, "data.train_images: 60001"),
        (
            {"comparison__warmup_epochs": 5},
            "comparison.warmup_epochs: 5 leaves none of the 5 epochs",
        ),
        ({"frameworks": ["numpy"], "tracks": ["tutorial"]}, "tracks: none of numpy takes part"),
    ],
)
def test_bad_input_gets_one_line_that_names_the_key(changes, named):
    with pytest.raises(settings.ConfigError) as refusal:
        settings.checked(changed(**changes))
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_device_without_an_environment_is_refused(tmp_path):
    for folder in ("workflow", "envs"):
        (tmp_path / folder).symlink_to(settings.ROOT / folder)
    with pytest.raises(settings.ConfigError, match=r"none of numpy has an environment for `cuda`"):
        settings.checked(changed(frameworks=["numpy"], devices=["cuda"]), tmp_path)


def test_every_default_written_out_is_the_schemas():
    assert settings.checked(copy.deepcopy(DEFAULT)) == settings.checked({})


@pytest.mark.parametrize("preset", sorted((settings.ROOT / "config/presets").glob("*.yaml")))
def test_presets_are_accepted(preset):
    config = copy.deepcopy(DEFAULT)
    for key, value in yaml.safe_load(preset.read_text()).items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    assert settings.contests(settings.checked(config))


def test_numbers_inside_a_section_may_come_from_the_command_line_as_text():
    config = settings.checked(changed(scenarios={"baseline": {"epochs": "3", "threads": "2"}}))
    assert config["scenarios"]["baseline"]["epochs"] == 3
    assert config["scenarios"]["baseline"]["threads"] == 2


def test_a_framework_takes_part_where_it_has_a_trainer():
    config = settings.checked({})
    assert settings.competitors(config, "tutorial") == ["pytorch-cpu", "mxnet-cpu"]
    assert settings.competitors(config, "controlled") == ["pytorch-cpu", "mxnet-cpu", "numpy-cpu"]


def test_the_drawn_order_is_fixed_by_the_seed_and_favors_nobody():
    def orders_of(seed):
        draws = (settings.draw(["a", "b", "c"], seed, "track", "scenario", n) for n in range(600))
        return [tuple(order) for order in draws]

    orders = orders_of(seed=2018)
    assert orders == orders_of(seed=2018) != orders_of(seed=2019)
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert min(counts) > 60  # 100 expected of each of the six orders; 60 is 4.4 deviations away


def test_every_round_has_a_seed_of_its_own():
    config = settings.checked({})
    seeds = [settings.seed(config, n) for n in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_scenarios_that_train_alike_share_what_depends_on_training_alone():
    config = settings.checked(changed(scenarios__wide={"hidden_units": 512}))
    assert settings.same_training(config, "one-thread") == "baseline"
    assert settings.same_training(config, "wide") == "wide"
