"""A test double of conda, with channels on this machine, for `snakemake --use-conda` and for pins.

    python conda.py setup ROOT CHANNELS      then put ROOT/bin first on PATH

Solving, installing and activating are real, by py-rattler; the pip part of an environment goes
through the environment's own pip, as conda does it. CHANNELS holds one folder for each channel,
named as environment files name it. ROOT/.condarc is its configuration, of which it knows `channels`
and `channel_priority`: as with conda, a file's channels come first, and those configured are added.
Any other command line than Snakemake's and those of docs/deployments.md is refused.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from rattler import Channel, ChannelConfig, MatchSpec, Platform, VirtualPackage, install, solve
from rattler.shell import ActivationVariables, PathModificationBehavior, Shell, activate

VERSION = "24.7.1"  # the oldest conda that Snakemake 9 takes
CONDA = """#!/bin/sh
CONDA_DOUBLE_ROOT='{root}' CONDA_DOUBLE_CHANNELS='{channels}' exec '{python}' '{here}' "$@"
"""
ACTIVATE = """[ -d "$1/conda-meta" ] || {{ echo "not a conda environment: $1" >&2; return 1; }}
eval "$('{root}/bin/conda' shell.posix activate "$1")"
"""


def setup(root: Path, channels: Path) -> None:
    """Write ROOT/bin/conda, ROOT/bin/activate and, as Snakemake wants it, ROOT/.condarc."""
    words = {"root": root, "channels": channels, "python": sys.executable, "here": __file__}
    (root / "bin").mkdir(parents=True)
    (root / "bin/conda").write_text(CONDA.format(**words))
    (root / "bin/conda").chmod(0o755)
    (root / "bin/activate").write_text(ACTIVATE.format(**words))
    (root / ".condarc").write_text("channel_priority: strict\n")


def configured() -> dict:
    """What is set in ROOT/.condarc."""
    return yaml.safe_load((Path(os.environ["CONDA_DOUBLE_ROOT"]) / ".condarc").read_text()) or {}


def solved(names: list[str], specs: list[str]) -> list:
    """The packages that these specs ask of these channels."""
    here = Path(os.environ["CONDA_DOUBLE_CHANNELS"])
    for name in names:
        # conda takes "nodefaults" for a channel, too, so it is no exception here
        if "/" in name or not (here / name).is_dir():
            sys.exit(f"conda double: there is no channel {name} under {here}")
    config = ChannelConfig(channel_alias=f"{here.as_uri()}/")
    search = solve(
        [Channel(name, config) for name in names],
        [MatchSpec(spec) for spec in specs],  # a str would be refused with conda's "name=1.2.*"
        platforms=[Platform.current(), Platform("noarch")],
        virtual_packages=VirtualPackage.detect(),
    )
    return asyncio.run(search)


PINNED = re.compile(
    r"^.*/(?P<channel>.+)/.+/(?P<name>.+)-(?P<version>.+)-(?P<build>.+)\.tar\.bz2#(?P<md5>\w+)$",
    re.MULTILINE,
)


def pinned(explicit: str) -> list:
    """The packages of an explicit pin file, which has an address and an MD5 for each."""
    lines = [line.groupdict() for line in PINNED.finditer(explicit)]
    specs = ["{name} =={version} {build}".format(**line) for line in lines]
    packages = solved(list({line["channel"] for line in lines}), specs)
    if {package.md5.hex() for package in packages} != {line["md5"] for line in lines}:
        sys.exit("conda double: the channels have not exactly what is pinned")
    return packages


def create(packages: list, prefix: Path, pins: list[str] = ()) -> int:
    """Make an environment of packages and, through its pip, of pins; exit status."""
    cache = Path(os.environ["CONDA_DOUBLE_ROOT"]) / "pkgs"
    asyncio.run(install(packages, prefix, cache_dir=cache, show_progress=False))
    (prefix / "conda-meta/history").touch()
    if not pins:
        return 0
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("\n".join(pins))
        requirements.flush()
        pip = [prefix / "bin/python", "-m", "pip", "install", "--upgrade", "--requirement"]
        variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.call([*pip, requirements.name], env=variables)


def create_from(file: Path, prefix: Path) -> int:
    """Make the environment of a YAML file, or of an explicit pin file; exit status."""
    text = file.read_text()
    if "@EXPLICIT" in text:
        return create(pinned(text), prefix)
    asked = yaml.safe_load(text)
    specs = [d for d in asked["dependencies"] if isinstance(d, str)]
    pins = [pin for d in asked["dependencies"] if isinstance(d, dict) for pin in d["pip"]]
    channels = dict.fromkeys([*asked["channels"], *configured().get("channels", [])])
    return create(solved(list(channels), specs), prefix, pins)


def explicit(prefix: Path) -> str:
    """An explicit pin file of what conda has installed in an environment."""
    installed = [json.loads(path.read_text()) for path in sorted(prefix.glob("conda-meta/*.json"))]
    return "\n".join(
        ["@EXPLICIT", *(f"{package['url']}#{package['md5']}" for package in installed)]
    )


def main(argv: list[str]) -> int | None:
    if argv[:1] == ["setup"]:
        return setup(*(Path(path).absolute() for path in argv[1:]))
    if argv == ["--version"]:
        return print(f"conda {VERSION}")
    if argv == ["info", "--json"]:
        about = {"conda_prefix": os.environ["CONDA_DOUBLE_ROOT"], "conda_version": VERSION}
        return print(json.dumps(about | {"platform": str(Platform.current())}))
    if argv == ["config", "--get", "channel_priority", "--json"]:
        found = {key: value for key, value in configured().items() if key == "channel_priority"}
        return print(json.dumps({"get": found, "success": True}))
    if argv == ["config", "--show", "channels", "--json"]:
        return print(json.dumps({"channels": configured().get("channels", [])}))
    if argv == ["clean", "-y", "--tarballs"]:
        return None  # there are none
    if argv[:2] == ["shell.posix", "activate"]:
        path = os.environ["PATH"].split(":")
        now = ActivationVariables(None, path, PathModificationBehavior.Replace)
        return print(activate(Path(argv[2]), now, Shell.bash).script)
    if argv[:2] == ["env", "create"]:
        parser = argparse.ArgumentParser()
        parser.add_argument("--quiet", action="store_true")
        parser.add_argument("--no-default-packages", action="store_true")
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--prefix", type=Path, required=True)
        asked = parser.parse_args(argv[2:])
        return create_from(asked.file, asked.prefix.absolute())
    match argv:
        case ["create", "--yes", "--override-channels", "--channel", name, "--prefix", to, *specs]:
            return create(solved([name], specs), Path(to).absolute())
        case ["list", "--explicit", "--md5", "--prefix", prefix]:
            return print(explicit(Path(prefix)))
    sys.exit(f"conda double: not one of the commands that it knows: {argv}")


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:]) or 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else print(error, file=sys.stderr) or 1
    sys.stdout.flush()
    os._exit(code)  # py-rattler 0.28's threads crashed the interpreter's shutdown in 6 of 160 runs
