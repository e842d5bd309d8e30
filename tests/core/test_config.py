"""The configuration: what it refuses, and what it fills in."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from evenhand.core import axes
from evenhand.core.config import ConfigError, checked, saved, shareable
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT, Refused

pytestmark = pytest.mark.fast

DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
PARTS = ("config", "envs", "workflow")  # of the project, that a configuration is checked against


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


TRAINER = (ROOT / "workflow/trainers/controlled/numpy_mlp.py").read_text()


def project(folder: Path) -> Path:
    """A project in which every file is that of this one until a test puts its own there."""
    for part in PARTS:
        for file in (ROOT / part).rglob("*.yaml"):
            link = folder / file.relative_to(ROOT)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
        for file in (ROOT / part).rglob("*_mlp.py"):
            (folder / file.relative_to(ROOT)).symlink_to(file)
    return folder


def write(path: Path, content: str) -> None:
    """Put a file where a link may be."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def refusal(config: dict, root: Path = ROOT) -> str:
    """The one line that refuses it."""
    with pytest.raises(ConfigError) as refused:
        checked(config, root)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"roundz": 3}, "config: unknown key `roundz`; did you mean `rounds`?"),
        (
            {"frameworks": ["numpy@9.9"]},
            "frameworks: numpy@9.9 has no environment; this makes it: python "
            "workflow/scripts/new_version.py numpy@9.9",
        ),
        ({"frameworks": ["nunpy@2"]}, "frameworks: unknown name `nunpy@2`; did you mean"),
        ({"data__mirorrs": []}, "data: unknown key `mirorrs`; did you mean `mirrors`?"),
        ({"scenarios__baseline__epoch": 1}, "scenarios.baseline: unknown key `epoch`"),
        (
            {"scenarios__baseline__hidden_units": 256},
            "scenarios.baseline: unknown key `hidden_units`; did you mean `hidden_layers`?",
        ),
        (
            {"frameworks": ["pytorchh"]},
            "frameworks: unknown name `pytorchh`; did you mean `pytorch`? "
            f"(allowed: {', '.join(axes.names('framework'))})",
        ),
        ({"frameworks": []}, "frameworks: "),
        (
            {"tracks": ["tutorials"]},
            "tracks: unknown name `tutorials`; did you mean `tutorial`? "
            f"(allowed: {', '.join(axes.names('track'))})",
        ),
        ({"tracks": []}, "tracks: "),
        ({"devices": ["tpu"]}, "devices: unknown name `tpu`"),
        (
            {"devices": ["cud"]},
            "devices: unknown name `cud`; did you mean `cuda`? "
            f"(allowed: {', '.join(axes.names('device'))})",
        ),
        (
            {"scenarios__baseline__tracks": ["tutorials"]},
            "scenarios.baseline.tracks: unknown name `tutorials`; did you mean `tutorial`?",
        ),
        (
            {"scenarios__baseline__dataset": "mnst"},
            "scenarios.baseline.dataset: unknown name `mnst`; did you mean `mnist`? "
            f"(allowed: {', '.join(axes.names('dataset'))})",
        ),
        ({"rounds": 0}, "rounds: 0 is less than the minimum of 1"),
        ({"rounds": "five"}, "rounds: 'five' is not of type 'integer'"),
        ({"rounds": 5.5}, "rounds: 5.5 is not of type 'integer'"),
        ({"precision": 0}, "precision: 0 is less than or equal to the minimum of 0"),
        ({"precision": 2}, "precision: 2 is greater than the maximum of 1"),
        ({"precision": "narrow"}, "precision: 'narrow' is not of type 'number', 'null'"),
        ({"rounds_at_most": 0}, "rounds_at_most: 0 is less than the minimum of 1"),
        (
            {"precision": 0.02, "rounds": 2},
            "rounds: 2 tell too little of the spread for a precision; 3 or more are needed",
        ),
        (
            {"precision": 0.02, "rounds_at_most": 4},
            "rounds_at_most: 4 is less than the 5 first rounds",
        ),
        (
            {"scenarios__baseline__epochs": 5.5},
            "scenarios.baseline.epochs: 5.5 is not of type 'integer'",
        ),
        (
            {"scenarios__baseline__hidden_layers": [256, 5.5]},
            "scenarios.baseline.hidden_layers.1: 5.5 is not of type 'integer'",
        ),
        ({"scenarios__baseline__hidden_layers": []}, "scenarios.baseline.hidden_layers: "),
        (
            {"scenarios__baseline__hidden_layers": 256},
            "scenarios.baseline.hidden_layers: 256 is not a list: [256] may be meant",
        ),
        (
            {"data__train_images": 600.5},
            "data.train_images: 600.5 is not of type 'integer', 'null'",
        ),
        (
            {"scenarios__baseline__batch_size": 60_001},
            "60001 is more than the 60000 training images",
        ),
        ({"scenarios__baseline__learning_rate": -0.1}, "scenarios.baseline.learning_rate: -0.1"),
        (
            {"scenarios__baseline__threads": "many"},
            "scenarios.baseline.threads: 'many' is not `default` or a whole number from 1 to 1024",
        ),
        ({"scenarios__baseline__threads": 1.5}, "scenarios.baseline.threads: 1.5"),
        ({"scenarios": {}}, "scenarios: "),
        ({"scenarios": {"With Space": {}}}, "With Space"),
        ({"data__mirrors": []}, "data.mirrors: "),
        ({"data__mirrors": ["ftp://example.org/"]}, "data.mirrors.0: "),
        ({"data__mirrors": ["https://?token=abc"]}, "data.mirrors.0: "),
        ({"data__mirrors": ["https://ada:secret@/mnist"]}, "data.mirrors.0: "),
        ({"data__mirrors": ["https://example.org/my digits"]}, "data.mirrors.0: "),
        ({"data__folder": "/no/such/folder"}, "data.folder: `/no/such/folder` is not a folder"),
        (
            {"data__train_images": 60_001},
            "data.train_images: 60001 is more than the 60000 of mnist",
        ),
        ({"data__test_images": 10_001}, "data.test_images: 10001 is more than the 10000 of mnist"),
        (
            {"comparison__warmup_epochs": 5},
            "comparison.warmup_epochs: 5 leaves none of the 5 epochs",
        ),
        ({"frameworks": ["numpy"], "tracks": ["tutorial"]}, "tracks: none of numpy takes part"),
    ],
)
def test_bad_input_gets_one_line_that_names_the_key(changes, named):
    assert named in refusal(changed(**changes))


def test_a_limit_of_rounds_limits_nothing_without_a_precision():
    assert checked(changed(rounds=100))["rounds_at_most"] == 40


def test_a_device_without_an_environment_is_refused():
    refused = refusal(changed(frameworks=["numpy"], devices=["cuda"]))
    assert "devices: none of numpy has an environment for `cuda`" in refused


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("workflow/frameworks/{}.yaml", "frameworks"),
        ("workflow/devices/{}.yaml", "devices"),
        ("workflow/trainers/{}/track.yaml", "tracks"),
        ("workflow/datasets/{}.yaml", "scenarios.baseline.dataset"),
    ],
)
def test_a_name_is_known_once_there_is_a_file_of_it(tmp_path, file, key):
    root = project(tmp_path)
    changes = {key.replace(".", "__"): "plus" if "dataset" in key else ["plus"]}
    assert f"{key}: unknown name `plus`" in refusal(changed(**changes), root)
    usual = {"frameworks": "numpy", "devices": "cpu", "tracks": "controlled"}.get(key, "mnist")
    write(root / file.format("plus"), (ROOT / file.format(usual)).read_text())
    if key == "frameworks":
        write(root / "workflow/trainers/controlled/plus_mlp.py", TRAINER)
        write(root / "envs/plus-cpu.yaml", "")
    if key == "devices":
        write(root / "envs/numpy-plus.yaml", "")
    if key == "tracks":
        write(root / "workflow/trainers/plus/numpy_mlp.py", TRAINER)
    assert checked(changed(**changes), root)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        (
            "workflow/frameworks/numpy.yaml",
            "{label: NumPy, colour: '#009E73'}",
            "unknown key `colour`; did you mean `color`?",
        ),
        (
            "workflow/frameworks/numpy.yaml",
            "{label: NumPy, color: green}",
            "color: 'green' does not match",
        ),
        ("workflow/frameworks/numpy.yaml", "{color: '#009E73'}", "'label' is a"),
        ("workflow/frameworks/numpy.yaml", "label: [", "not YAML: "),
        ("workflow/frameworks/numpy.yaml", "", "None is not of type 'object'"),
        (
            "workflow/devices/cpu.yaml",
            "{gpu: perhaps}",
            "gpu: 'perhaps' is not of type 'boolean'",
        ),
        (
            "workflow/trainers/controlled/track.yaml",
            "{start: protocl, data: memory, proof: gate}",
            "start: unknown name `protocl`; did you mean `protocol`? (allowed: protocol, own)",
        ),
        (
            "workflow/trainers/controlled/track.yaml",
            "{start: own, data: memory, proof: gate}",
            "start: 'protocol' was expected (Where the proof is `gate`)",
        ),
        (
            "workflow/datasets/mnist.yaml",
            "{label: MNIST}",
            "'source' is a required property",
        ),
    ],
)
def test_a_file_of_an_axis_that_breaks_its_schema_is_refused(tmp_path, file, content, named):
    """In one line that names the file, and the key in it."""
    write(project(tmp_path) / file, content)
    assert f"config: {file}: {named}" in refusal(changed(), tmp_path)


def test_every_default_written_out_is_the_schemas():
    assert checked(copy.deepcopy(DEFAULT)) == checked({})


@pytest.mark.parametrize("preset", sorted((ROOT / "config/presets").glob("*.yaml")))
def test_presets_are_accepted(preset):
    config = copy.deepcopy(DEFAULT)
    for key, value in yaml.safe_load(preset.read_text()).items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    assert Experiment(checked(config)).contests


def test_the_configuration_that_the_report_prints_is_accepted_as_it_is():
    completed = checked(changed(rounds=7, scenarios__baseline__hidden_layers=[32, 16]))
    printed = yaml.safe_dump(completed, sort_keys=False, allow_unicode=True)
    assert checked(yaml.safe_load(printed)) == completed


def test_numbers_inside_a_section_may_come_from_the_command_line_as_text():
    numbers = {"epochs": 3, "threads": 2, "hidden_layers": [32, 16], "learning_rate": 0.2}
    asked = {"epochs": "3", "threads": "2", "hidden_layers": ["32", "16"], "learning_rate": "0.2"}
    config = checked(changed(scenarios={"baseline": asked}, data={"train_images": "600"}))
    scenario = config["scenarios"]["baseline"]
    assert {key: scenario[key] for key in numbers} == numbers
    assert config["data"]["train_images"] == 600


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("rounds", 5.0),
        ("seed", 2018.0),
        ("scenarios__baseline__epochs", 5.0),
        ("scenarios__baseline__batch_size", 128.0),
        ("scenarios__baseline__threads", 1.0),
        ("scenarios__baseline__hidden_layers", [256.0]),
        ("scenarios__baseline__hidden_layers", ["256.0", 16.0]),
        ("data__train_images", 600.0),
        ("data__test_images", "200.0"),
        ("comparison__warmup_epochs", 1.0),
    ],
)
def test_a_whole_number_may_be_written_as_a_decimal(path, number):
    value = checked(changed(**{path: number}))
    for key in path.split("__"):
        value = value[key]
    values = value if isinstance(value, list) else [value]
    numbers = number if isinstance(number, list) else [number]
    assert [type(v) for v in values] == [int] * len(numbers)
    assert values == [float(n) for n in numbers]


def test_a_scenario_takes_part_in_all_tracks_unless_it_names_some():
    config = checked(changed(tracks=["controlled"], scenarios={"baseline": {}}))
    assert config["scenarios"]["baseline"]["tracks"] == ["controlled"]


def test_a_configuration_needs_to_name_no_axis_of_its_own():
    assert checked({"rounds": 1})["frameworks"] == DEFAULT["frameworks"]


@pytest.mark.parametrize("key", ["frameworks", "tracks"])
def test_an_axis_that_no_configuration_names_is_refused(tmp_path, key):
    usual = {name: value for name, value in DEFAULT.items() if name != key}
    write(project(tmp_path) / "config/config.yaml", yaml.safe_dump(usual))
    assert f"config: {key}: " in refusal(copy.deepcopy(usual), tmp_path)


def test_without_devices_and_scenarios_the_cpu_and_the_tutorials_settings_are_meant(tmp_path):
    usual = {key: DEFAULT[key] for key in ("frameworks", "tracks")}
    write(project(tmp_path) / "config/config.yaml", yaml.safe_dump(usual))
    config = checked({}, tmp_path)
    assert config["devices"] == ["cpu"]
    assert list(config["scenarios"]) == ["baseline"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("workflow/trainers/*/numpy_mlp.py", "numpy has no trainer in any track"),
        ("envs/numpy-cpu.yaml", "numpy has no environment (envs/numpy-DEVICE.yaml)"),
    ],
)
def test_a_framework_that_lacks_a_file_is_refused_and_does_not_vanish(tmp_path, path, found):
    for file in project(tmp_path).glob(path):
        file.unlink()
    assert f"config: frameworks: {found}" in refusal(changed(), tmp_path)


# Addresses with passwords and tokens, and what is left of each for others to see.
MIRRORS = {
    "https://ada:secret@example.org/a@b/": "https://example.org/a@b/",
    "https://ada:sec@ret@example.org": "https://example.org",
    "http://ada:secret@[::1]:8080/mnist?token=abc#ada": "http://[::1]:8080/mnist",
    "https://example.org?mail=ada@host": "https://example.org",
    "https://example.org/get?from=https://ada:secret@host/": "https://example.org/get",
    "https://example.org/#a/b@c": "https://example.org/",
    "https://[example.org/mnist": "https://[example.org/mnist",
    "https://example.org/mnist/": "https://example.org/mnist/",
    "package-index:mnist==1.0": "package-index:mnist==1.0",
}


def private(folder: Path) -> dict:
    """A completed configuration with a folder of its user's and mirrors that want a password."""
    return checked(changed(data__folder=str(folder), data__mirrors=list(MIRRORS)))


def test_what_is_shared_of_a_configuration_has_no_path_and_no_password(tmp_path):
    config = private(tmp_path)
    before, shared = copy.deepcopy(config), shareable(config)
    assert config == before
    assert shared["data"].pop("folder") is None
    assert shared["data"].pop("mirrors") == list(MIRRORS.values())
    del config["data"]["folder"], config["data"]["mirrors"]
    assert shared == config


def test_what_is_shared_is_the_same_in_whatever_order_sections_were_given():
    config = checked(changed())
    turned = dict(reversed(config.items()))
    assert json.dumps(shareable(config)) == json.dumps(shareable(turned))


SAVED = "config, excluded, unknown_images, fixed_rounds"


def sections(**changes) -> str:
    """What results/configuration.json holds, of which these sections are wrong."""
    usual = {"config": {}, "excluded": {}, "unknown_images": [], "fixed_rounds": []}
    return json.dumps(usual | changes)


FIXED = {"track": "controlled", "scenario": "baseline", "wanted": 57, "all": 40, "pairs": []}


def test_a_saved_configuration_is_the_experiment_again(tmp_path):
    shared, excluded = shareable(private(tmp_path)), {"mxnet-cpu": "training fails"}
    path = tmp_path / "configuration.json"
    path.write_text(
        sections(config=shared, excluded=excluded, unknown_images=["mnist"], fixed_rounds=[FIXED])
    )
    again = saved(path)
    assert again.config == shared and again.config["data"]["folder"] is None
    assert again.competitors("tutorial") == ["pytorch-cpu"]
    assert not again.has_own_images("baseline")
    assert again.rounds("controlled", "baseline") == 40
    assert again.rounds("tutorial", "baseline") == 5
    assert list(again.config["scenarios"]) == list(shared["scenarios"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "it is missing"),
        ("{", f"not whole JSON with the keys {SAVED}"),
        ('{"config": {}}', f"not whole JSON with the keys {SAVED}"),
        (sections(config=[]), "config is not an object"),
        (sections(unknown_images="mnist"), "unknown_images is not a list"),
        (sections(fixed_rounds={}), "fixed_rounds is not a list"),
        (
            sections(fixed_rounds=[{"track": "controlled"}]),
            "fixed_rounds: a contest lacks one of track, scenario, wanted, all",
        ),
        (
            sections(fixed_rounds=[FIXED | {"all": "40"}]),
            "fixed_rounds: a contest has '40' for all",
        ),
        (sections(config={"round": 1}), "config: unknown key `round`"),
    ],
)
def test_a_saved_configuration_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, reason):
    path = tmp_path / "configuration.json"
    if text:
        path.write_text(text)
    with pytest.raises(Refused) as refused:
        saved(path)
    assert str(refused.value).startswith(reason) and "\n" not in str(refused.value)


def test_a_trainer_without_its_four_banners_is_refused(tmp_path):
    trainer = project(tmp_path) / "workflow/trainers/controlled/numpy_mlp.py"
    text = trainer.read_text()
    trainer.unlink()  # which may be a link to the project's own
    trainer.write_text(text.replace("# ---- 2. Model ---", "# 2. Model"))
    found = "workflow/trainers/controlled/numpy_mlp.py: 3 banners such as `# ---- 1. Data ----`"
    assert f"config: {found}, 4 are needed" in refusal(changed(), tmp_path)


TWO_DATA_SETS = {"scenarios": {"baseline": {}, "clothes": {"dataset": "fashion-mnist"}}}


def test_of_several_data_sets_each_has_a_folder_of_its_name(tmp_path):
    config = TWO_DATA_SETS | {"data": {"folder": str(tmp_path)}}
    assert f"there is no `{tmp_path}/fashion-mnist`" in refusal(copy.deepcopy(config))
    for name in ("mnist", "fashion-mnist"):
        (tmp_path / name).mkdir()
    assert checked(copy.deepcopy(config))["data"]["folder"] == str(tmp_path)


def test_mirrors_of_one_data_set_are_refused_where_several_run():
    mirrors = {"data": {"mirrors": ["https://example.org/mnist/"]}}
    assert "data.mirrors: they are one data set's" in refusal(
        copy.deepcopy(TWO_DATA_SETS) | mirrors
    )
    checked(mirrors | {"scenarios": {"clothes": {"dataset": "fashion-mnist"}}})
