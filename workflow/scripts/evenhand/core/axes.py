"""What can be extended by adding files: frameworks, devices, tracks, data sets, claims.

Each member of an axis is a YAML file that a closed schema in workflow/schemas describes. No code
knows a member's name. A version of a framework, `name@version`, is an environment and nothing else,
unless it has a file or trainers of its own.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import yaml

from evenhand.core.schemas import ROOT, Refused, completed, suggestion

FILES = {  # where the members of each axis lie, seen from the project's root
    "framework": "workflow/frameworks/{}.yaml",
    "device": "workflow/devices/{}.yaml",
    "track": "workflow/trainers/{}/track.yaml",
    "dataset": "workflow/datasets/{}.yaml",
    "claim": "config/claims/{}.yaml",
}
AT = "@"  # between a framework and its version
# What begins each of a trainer's sections.
BANNER = re.compile(r"^# ---- \d\. .+ -+\n", re.MULTILINE)
SECTIONS = 4
# How a trainer declares that an operation has no float64, see toolbox.run.Run.twin.
TWIN = re.compile(r"\brun\.twin\(")


def names(axis: str, root: Path = ROOT) -> list[str]:
    """The members of an axis, sorted; of frameworks, the versions that have environments, too."""
    before, after = FILES[axis].split("{}")
    found = {
        str(path.relative_to(root))[len(before) : -len(after)]
        for path in root.glob(FILES[axis].format("*"))
    }
    if axis == "framework":
        versions = {path.stem.rpartition("-")[0] for path in root.glob(f"envs/*{AT}*-*.yaml")}
        found |= {name for name in versions if unversioned(name) in found}
    return sorted(found)


def unversioned(framework_name: str) -> str:
    """The framework that a version is of, or the framework itself."""
    return framework_name.partition(AT)[0]


def version(framework_name: str) -> str:
    """Which version a name asks for; empty if it asks for none."""
    return framework_name.partition(AT)[2]


def path(axis: str, name: str, root: Path = ROOT) -> Path:
    """Where a member's own file lies."""
    return root / FILES[axis].format(name)


def member_file(axis: str, name: str, root: Path = ROOT) -> Path:
    """The file that speaks of a member: its own, or of a version its framework's."""
    inherits = axis == "framework" and shares_file(name, root)
    return path(axis, unversioned(name) if inherits else name, root)


@cache
def member(axis: str, name: str, root: Path = ROOT) -> Mapping:
    """What a member's file says, with the schema's defaults; Refused, in one line, if it cannot."""
    file = member_file(axis, name, root)
    if not file.is_file():
        raise Refused(suggestion(name, names(axis, root)))
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Refused(
            f"{file.relative_to(root)}: not YAML: {' '.join(str(error).split())}"
        ) from None
    try:
        return MappingProxyType(completed(content, axis))
    except Refused as error:
        raise Refused(f"{file.relative_to(root)}: {error}") from None


def framework(name: str, root: Path = ROOT) -> Mapping:
    """What is known of a framework, or of one of its versions, whose label names the version."""
    facts = member("framework", name, root)
    if not shares_file(name, root):
        return facts
    return MappingProxyType(facts | {"label": f"{facts['label']} {version(name)}"})


def shares_file(framework_name: str, root: Path = ROOT) -> bool:
    """Whether it is a version of which its framework's file speaks, since it has no own."""
    own = path("framework", framework_name, root)
    return bool(version(framework_name)) and not own.is_file()


def device(name: str, root: Path = ROOT) -> Mapping:
    return member("device", name, root)


def track(name: str, root: Path = ROOT) -> Mapping:
    return member("track", name, root)


def dataset(name: str, root: Path = ROOT) -> Mapping:
    return member("dataset", name, root)


def claim(name: str, root: Path = ROOT) -> Mapping:
    return member("claim", name, root)


def image_count(dataset_name: str, part: str, root: Path = ROOT) -> int:
    """How many images a data set has in its `train` or `test` part: a label is a byte, after 8."""
    return dataset(dataset_name, root)["files"][f"{part}_labels"]["bytes"] - 8


def trainer(track_name: str, framework_name: str, root: Path = ROOT) -> Path:
    """The program that trains a framework in a track, whether it is there or not.

    A version's is its framework's, unless it has one of its own in any track.
    """
    name = framework_name
    if version(name) and not any(root.glob(f"workflow/trainers/*/{name}_mlp.py")):
        name = unversioned(name)
    return root / f"workflow/trainers/{track_name}/{name}_mlp.py"


def has_twin(track_name: str, framework_name: str, root: Path = ROOT) -> bool:
    """Whether a trainer declares that in float64 it computes with another operation."""
    file = trainer(track_name, framework_name, root)
    return file.exists() and bool(TWIN.search(file.read_text(encoding="utf-8")))


def trainer_parts(source: str) -> list[str]:
    """What stands before the first of a trainer's banners, and the text of each section."""
    return BANNER.split(source)
