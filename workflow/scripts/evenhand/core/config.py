"""The configuration: checked and completed, and as results keep it."""

import copy
import re
from pathlib import Path

import yaml

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.files import read_json
from evenhand.core.identity import Competitor
from evenhand.core.schemas import ROOT, Refused, completed, schema, suggestion

# With a precision: of two rounds the interval would be twelve standard errors wide, either way.
FEWEST_FIRST = 3
# The keys that list members of an axis.
AXES = {"frameworks": "framework", "devices": "device", "tracks": "track"}

# What is said of each contest whose number of rounds is fixed.
FIXED = {"track": str, "scenario": str, "wanted": int, "all": int}

# What follows the scheme of a URL: user and password, host and path, query and fragment.
URL = re.compile(r"(?<=://)(?:[^/?#\s]*@)?([^?#\s]*)(?:[?#]\S*)?")


class ConfigError(Refused):
    """The configuration cannot be used; the message is one line that names the key."""


def checked(config: dict, root: Path = ROOT) -> dict:
    """The configuration with every default filled in, in place, or a ConfigError.

    The schema says what each key may be. What it cannot say is checked here: that the members of
    each axis exist as files, and that numbers fit together.
    """
    try:
        _complete(config, root)
        _check(config, root)
    except Refused as error:
        raise ConfigError(f"config: {error}") from None
    return config


def shareable(config: dict) -> dict:
    """A completed configuration without what is its user's alone.

    That is the path of a local folder, and credentials in a mirror's address. What is computed from
    the runs depends on neither. Sections come in the schema's order.
    """
    config = {key: copy.deepcopy(config[key]) for key in schema("config")["properties"]}
    data = config["data"]
    data["folder"] = None
    data["mirrors"] = data["mirrors"] and list(map(without_credentials, data["mirrors"]))
    return config


def without_credentials(text: str) -> str:
    """The text with scheme, host and path alone of its URLs.

    User, password, query (tokens are in it) and fragment go. No parser of URLs: any text will do.
    """
    return URL.sub(r"\1", text)


def saved(path: Path, root: Path = ROOT) -> Experiment:
    """What results/configuration.json says that was compared; Refused, in one line, if it cannot.

    Its keys are `config`, a shareable configuration, `excluded`, reasons by competitor,
    `unknown_images`, names of data sets, and `fixed_rounds`, those of results/rounds.json.
    """
    if not path.exists():
        raise Refused("it is missing")
    kinds = {"config": dict, "excluded": dict, "unknown_images": list, "fixed_rounds": list}
    content = read_json(path, kinds)
    if content is None:
        raise Refused(f"not whole JSON with the keys {', '.join(kinds)}")
    for key, kind in kinds.items():
        if not isinstance(content[key], kind):
            raise Refused(f"{key} is not {'a list' if kind is list else 'an object'}")
    for of in content["fixed_rounds"]:
        _check_fixed(of)
    config = checked(content["config"], root)
    return Experiment(config, root=root, **{key: content[key] for key in kinds if key != "config"})


def _check_fixed(contest) -> None:
    """What is saved of the rounds of a contest can be used."""
    if not isinstance(contest, dict) or not FIXED.keys() <= contest.keys():
        raise Refused(f"fixed_rounds: a contest lacks one of {', '.join(FIXED)}")
    for key, kind in FIXED.items():
        if not isinstance(contest[key], kind):
            raise Refused(f"fixed_rounds: a contest has {contest[key]!r} for {key}")


def _complete(config: dict, root: Path) -> None:
    # Which frameworks and tracks take part by default, and in which scenarios, is written in
    # config/config.yaml: the schema knows no names.
    usual = yaml.safe_load((root / "config/config.yaml").read_text())
    for key in ("frameworks", "tracks", "scenarios"):
        if key not in config and key in usual:
            config[key] = usual[key]
    for key in ("frameworks", "tracks"):
        if key not in config:
            raise Refused(f"{key}: neither given nor in config/config.yaml")
    completed(config, "config")
    for scenario in config["scenarios"].values():
        scenario["tracks"] = scenario["tracks"] or list(config["tracks"])


def _check(config: dict, root: Path) -> None:
    for key, axis in AXES.items():
        for name in config[key]:
            _check_member(axis, name, key, root)
    for name in config["frameworks"]:
        _check_framework(name, root)
    for device in config["devices"]:
        if not any((root / f"envs/{f}-{device}.yaml").exists() for f in config["frameworks"]):
            raise Refused(
                f"devices: none of {', '.join(config['frameworks'])} has an environment "
                f"for `{device}` (envs/FRAMEWORK-{device}.yaml)"
            )
    for device in config["gate"]["devices"]:
        _check_member("device", device, "gate.devices", root)
    folder = config["data"]["folder"]
    if folder is not None and not Path(folder).is_dir():
        raise Refused(f"data.folder: `{folder}` is not a folder")
    for name, scenario in config["scenarios"].items():
        for track in scenario["tracks"]:
            _check_member("track", track, f"scenarios.{name}.tracks", root)
        _check_member("dataset", scenario["dataset"], f"scenarios.{name}.dataset", root)
        _check_sizes(config, name, root)
    for name in axes.names("claim", root):
        _check_claim(name, root)
    experiment = Experiment(config, root=root)
    if not any(experiment.competitors(track) for track, _ in experiment.contests):
        raise Refused(
            f"tracks: none of {', '.join(config['frameworks'])} takes part in "
            f"{', '.join(config['tracks'])} with these scenarios"
        )
    _check_tracks(experiment)
    _check_sources(experiment)
    if config["precision"]:
        _check_precision(config["rounds"], config["rounds_at_most"])


def _check_framework(name: str, root: Path) -> None:
    """It has an environment and a trainer somewhere, and its trainers have the four sections."""
    if not list(root.glob(f"envs/{name}-*.yaml")):
        raise Refused(f"frameworks: {name} has no environment (envs/{name}-DEVICE.yaml)")
    trainers = [axes.trainer(track, name, root) for track in axes.names("track", root)]
    trainers = [trainer for trainer in trainers if trainer.exists()]
    if not trainers:
        path = f"workflow/trainers/TRACK/{name}_mlp.py"
        raise Refused(f"frameworks: {name} has no trainer in any track ({path})")
    for trainer in trainers:
        sections = len(axes.trainer_parts(trainer.read_text(encoding="utf-8"))) - 1
        if sections != axes.SECTIONS:
            raise Refused(
                f"{trainer.relative_to(root)}: {sections} banners such as "
                f"`# ---- 1. Data ----`, {axes.SECTIONS} are needed"
            )


def _check_tracks(experiment: Experiment) -> None:
    """Each framework says what a track that it takes part in must know of it."""
    for track in experiment.tracks_with("proof", "distribution"):
        for name in experiment.competitors(track):
            framework = Competitor.parse(name).framework
            facts = axes.framework(framework, experiment.root)
            if missing := [key for key in ("initializer", "last_batch") if key not in facts]:
                file = axes.member_file("framework", framework, experiment.root)
                raise Refused(
                    f"frameworks: {file.relative_to(experiment.root)} lacks "
                    f"{' and '.join(missing)}, with which the track {track} is checked"
                )


def _check_precision(first: int, most: int) -> None:
    """The first rounds tell a spread, and may be all."""
    if first < FEWEST_FIRST:
        raise Refused(
            f"rounds: {first} tell too little of the spread for a precision; "
            f"{FEWEST_FIRST} or more are needed, 8 are better"
        )
    if most < first:
        raise Refused(f"rounds_at_most: {most} is less than the {first} first rounds")


def _check_sources(experiment: Experiment) -> None:
    """What says where images come from says it of one data set, or of each."""
    data = experiment.config["data"]
    names = {experiment.training(scenario)["dataset"] for _, scenario in experiment.contests}
    if len(names) < 2:
        return
    if data["mirrors"]:
        raise Refused(f"data.mirrors: they are one data set's, and {', '.join(sorted(names))} run")
    for name in sorted(names):
        if data["folder"] and not Path(data["folder"], name).is_dir():
            raise Refused(
                f"data.folder: of several data sets, each has a folder of its name in it, and "
                f"there is no `{Path(data['folder'], name)}`"
            )


def _check_member(axis: str, name: str, key: str, root: Path) -> None:
    """The member's file must be there and fit its schema."""
    known = axes.names(axis, root)
    if name not in known:
        if axis == "framework" and axes.version(name) and axes.unversioned(name) in known:
            command = f"python workflow/scripts/new_version.py {name}"
            raise Refused(f"{key}: {name} has no environment; this makes it: {command}")
        raise Refused(f"{key}: {suggestion(name, known)}")
    axes.member(axis, name, root)


def _check_claim(name: str, root: Path) -> None:
    """What a claim speaks of is there, whether or not the configuration asks for it."""
    claim = axes.claim(name, root)
    named = {
        "device": [claim["device"]],
        "track": claim["tracks"],
        "dataset": [claim["settings"]["dataset"]],
        "framework": [claim["ratio"]["faster"], claim["ratio"]["slower"], *claim["logs"]],
    }
    for axis, members in named.items():
        for member in members:
            _check_member(axis, member, f"claim {name}, {axis}", root)


def _check_sizes(config: dict, name: str, root: Path) -> None:
    """The numbers of a scenario fit one another and its data set."""
    training = Experiment(config, root=root).training(name)
    for part in ("train", "test"):
        key, whole = f"{part}_images", axes.image_count(training["dataset"], part, root)
        if training[key] > whole:
            raise Refused(
                f"data.{key}: {training[key]} is more than the {whole} of {training['dataset']}"
            )
    if training["batch_size"] > training["train_images"]:
        raise Refused(
            f"scenarios.{name}.batch_size: {training['batch_size']} is more than the "
            f"{training['train_images']} training images"
        )
    if config["comparison"]["warmup_epochs"] >= training["epochs"]:
        raise Refused(
            f"comparison.warmup_epochs: {config['comparison']['warmup_epochs']} leaves "
            f"none of the {training['epochs']} epochs of scenario {name} to measure"
        )
