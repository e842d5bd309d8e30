"""What the configuration asks for: checked, completed, and spelled out as runs."""

import copy
import difflib
import json
import random
import re
from itertools import product
from pathlib import Path

import container
import yaml
from jsonschema import Draft202012Validator, validators

ROOT = Path(__file__).parents[2]
# Tables with rows for more runs than this are Parquet: nobody reads so much text.
MOST_RUNS_IN_CSV = 10_000


class ConfigError(ValueError):
    """The configuration cannot be used; the message is one line that names the key."""


def checked(config: dict, root: Path = ROOT) -> dict:
    """The configuration with every default filled in, or a ConfigError.

    The schema says what each key may be. What it cannot say is checked here: that frameworks and
    devices exist as files, and that numbers fit together.
    """
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())
    for error in completing_validator(schema).iter_errors(config):
        raise ConfigError(f"config: {in_words(error)}")

    tracks = [path.name for path in (root / "workflow/trainers").iterdir() if path.is_dir()]
    known = {path.stem.removesuffix("_mlp") for t in tracks for path in trainers(root, t)}
    for framework in config["frameworks"]:
        if framework not in known:
            raise ConfigError(f"config: frameworks: {suggestion(framework, sorted(known))}")
    for device in config["devices"]:
        if not any((root / f"envs/{f}-{device}.yaml").exists() for f in config["frameworks"]):
            raise ConfigError(
                f"config: devices: none of {', '.join(config['frameworks'])} has an environment "
                f"for `{device}` (envs/FRAMEWORK-{device}.yaml)"
            )
    folder = config["data"]["folder"]
    if folder is not None and not Path(folder).is_dir():
        raise ConfigError(f"config: data.folder: `{folder}` is not a folder")
    for name, scenario in config["scenarios"].items():
        if scenario["batch_size"] > config["data"]["train_images"]:
            raise ConfigError(
                f"config: scenarios.{name}.batch_size: {scenario['batch_size']} is more than the "
                f"{config['data']['train_images']} training images"
            )
        if config["comparison"]["warmup_epochs"] >= scenario["epochs"]:
            raise ConfigError(
                f"config: comparison.warmup_epochs: {config['comparison']['warmup_epochs']} leaves "
                f"none of the {scenario['epochs']} epochs of scenario {name} to measure"
            )
    if not any(competitors(config, track, root) for track, _ in contests(config)):
        raise ConfigError(
            f"config: tracks: none of {', '.join(config['frameworks'])} takes part in "
            f"{', '.join(config['tracks'])} with these scenarios"
        )
    return config


def completing_validator(schema: dict):
    """A validator that fills in the schema's defaults on its way down.

    Snakemake hands the numbers inside a `--config key={...}` over as text; they are read here.
    """

    def complete(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if isinstance(instance.get(key), str) and "string" not in subschema.get("type", ()):
                    instance[key] = yaml.safe_load(instance[key])
                if "default" in subschema:
                    instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from Draft202012Validator.VALIDATORS["properties"](
            validator, properties, instance, schema
        )

    return validators.extend(Draft202012Validator, {"properties": complete})(schema)


def in_words(error) -> str:
    """One line for a schema error: the key, what is wrong with it, what is allowed."""
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        unknown = next(k for k in error.instance if k not in error.schema["properties"])
        where = f"{key}: " if key else ""
        return f"{where}{suggestion(unknown, list(error.schema['properties']), 'key')}"
    if error.validator == "enum":
        return f"{key}: {suggestion(error.instance, error.validator_value)}"
    if error.validator == "anyOf":
        return f"{key}: {error.instance!r} is neither `default` nor a whole number from 1 to 1024"
    about = error.schema.get("description", "")
    return f"{key}: {error.message}" + (f" ({about.strip().rstrip('.')})" if about else "")


def suggestion(wrong, allowed: list, what: str = "name") -> str:
    """`wrong` is unknown; what may have been meant, and what is allowed."""
    near = difflib.get_close_matches(str(wrong), allowed, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"unknown {what} `{wrong}`{hint} (allowed: {', '.join(map(str, allowed))})"


def deployment(methods: list[str], runtime: str) -> str:
    """How environments are deployed, or a ConfigError.

    `methods` are those of Snakemake's --software-deployment-method, `runtime` is the config's. In
    the image of the whole workflow the environments have been made already.
    """
    ways = [*sorted(methods), *([] if runtime == "environment" else [runtime])]
    if len(ways) > 1:
        raise ConfigError(f"config: runtime: choose one of {', '.join(ways)}, not all at once")
    made = Path(container.ENVIRONMENTS).is_dir()
    return ways[0] if ways else "workflow image" if made else "virtual environment"


def trainers(root: Path, track: str) -> list[Path]:
    return sorted((root / "workflow/trainers" / track).glob("*_mlp.py"))


def contests(config: dict) -> list[tuple[str, str]]:
    """Every (track, scenario) that is to be run."""
    return [
        (track, scenario)
        for track, scenario in product(config["tracks"], config["scenarios"])
        if track in config["scenarios"][scenario]["tracks"]
    ]


def competitors(config: dict, track: str, root: Path = ROOT) -> list[str]:
    """`framework-device` of everybody who takes part in a track, in the configuration's order.

    A framework takes part if it has a trainer for the track, on each device that it has an
    environment for, unless the doctor found it unfit there.
    """
    return [
        f"{framework}-{device}"
        for framework, device in product(config["frameworks"], config["devices"])
        if (root / f"workflow/trainers/{track}/{framework}_mlp.py").exists()
        and (root / f"envs/{framework}-{device}.yaml").exists()
        and f"{framework}-{device}" not in config.get("left_out", {})
    ]


def table_form(config: dict) -> str:
    """The ending of tables with rows for every run: csv, or parquet where there are many."""
    a_round = sum(len(competitors(config, track)) for track, _ in contests(config))
    return "csv" if config["rounds"] * a_round <= MOST_RUNS_IN_CSV else "parquet"


def environments(config: dict, root: Path = ROOT) -> list[Path]:
    """The files of the environments that the configuration can ask for."""
    names = product(config["frameworks"], config["devices"])
    paths = [root / f"envs/{framework}-{device}.yaml" for framework, device in names]
    return [path for path in paths if path.exists()]


def node_class(resources: list[str]) -> str:
    """A folder's name for the kind of machines that a cluster is asked for by default, or `here`.

    `resources`: Snakemake's --default-resources, "name=value" each. What is fit on one kind of
    node may be unfit on another.
    """
    asked = dict(resource.split("=", 1) for resource in resources)
    kind = [asked[name] for name in ("slurm_partition", "constraint", "gpu_model") if name in asked]
    return re.sub(r"[^\w.-]+", "-", "-".join(kind)).strip("-") or "here"


def verdicts(folder: Path) -> dict[Path, dict]:
    """The doctor's verdicts on those who are unfit, by file."""
    told = {path: json.loads(path.read_text()) for path in sorted(folder.glob("*.verdict.json"))}
    return {path: verdict for path, verdict in told.items() if not verdict["fit"]}


def mended(folder: Path, root: Path = ROOT) -> list[Path]:
    """The verdicts on unfit competitors whose lock or trainer has changed since."""
    return [
        path
        for path, verdict in verdicts(folder).items()
        for framework in [verdict["competitor"].rpartition("-")[0]]
        if any(
            file.exists() and file.stat().st_mtime > path.stat().st_mtime
            for file in [
                root / f"envs/{verdict['competitor']}.lock",
                *root.glob(f"workflow/trainers/*/{framework}_mlp.py"),
            ]
        )
    ]


def unfit(folder: Path, root: Path = ROOT) -> dict[str, str]:
    """The competitors that the doctor found unfit, with the reason; not those since mended."""
    reasons, stale = {}, mended(folder, root)
    for path, verdict in verdicts(folder).items():
        if path not in stale:
            what, _, words = next(finding for finding in verdict["findings"] if not finding[1])
            reasons[verdict["competitor"]] = f"{what} {words}"
    return reasons


def torn_rounds(config: dict, results: Path) -> list[Path]:
    """The files of rounds that a cluster's job opened and never finished.

    The members of a round belong into one job, so such a round can only be run again as a whole.
    """
    torn = []
    for path in sorted(results.glob("rounds/*/*/*.json")):
        opened = json.loads(path.read_text())
        runs = results / "runs" / path.relative_to(results / "rounds").with_suffix("")
        asked = [n for n in opened["order"] if n in competitors(config, opened["track"])]
        if opened["machine"].get("job") and not all((runs / f"{n}.json").exists() for n in asked):
            torn.append(path)
    return torn


def draw(names: list[str], seed: int, track: str, scenario: str, round_: int) -> list[str]:
    """The competitors of a round in the random order in which they take their turns."""
    return random.Random(f"{seed}/{track}/{scenario}/{round_}").sample(names, len(names))


def seed(config: dict, round_: int) -> int:
    """The seed of a round, the same for every competitor; below 2**31, as MXNet wants it."""
    return random.Random(f"{config['seed']}/{round_}").randrange(2**31)


def same_training(config: dict, scenario: str) -> str:
    """The first scenario with the same training as this one, threads and loader aside.

    What depends on the training alone is computed once for all of them, under that name.
    """

    def training(name: str) -> dict:
        apart = ("threads", "tracks", "loader_workers")
        return {k: v for k, v in config["scenarios"][name].items() if k not in apart}

    return next(n for n in config["scenarios"] if training(n) == training(scenario))
