"""The same small benchmark, deployed in each of the ways."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkouts import checkout

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "evenhand-tests"
FRAMEWORKS = ["mxnet@2.0.0b1", "numpy"]  # a version, since its name has an @
COMPETITORS = [f"{framework}-cpu" for framework in FRAMEWORKS]
RECORDS = [f"results/runs/controlled/baseline/0/{name}.json" for name in COMPETITORS]

# What podman needs where there is neither systemd nor a network of containers: builds use the
# machine's network, runs have none.
PODMAN = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{cache}/images"
runroot = "{cache}/run"
"""


def need(there: bool, reason: str) -> None:
    """Skip where something that a test needs is not there; where it must be, in CI, fail."""
    if not there:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def small(folder: Path, **changes) -> Path:
    """A checkout with a small benchmark of two frameworks, one thread each."""
    scenario = {"threads": 1, "epochs": 2, "loader_workers": 2}
    asked = {"frameworks": FRAMEWORKS, "tracks": ["controlled"]}
    asked["scenarios"] = {"baseline": scenario}
    return checkout(folder, **asked | changes)


def examined(folder: Path, competitor: str) -> list:
    """What the doctor found, which a checkout asked before its rounds."""
    examination = folder / f"results/doctor/here/{competitor}.examination.json"
    return json.loads(examination.read_text())["findings"]


def first_on_path(folder: Path) -> dict[str, str]:
    """The variable that puts a folder's programs before all others."""
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def conda_double(folder: Path) -> Path:
    """The folder of a test double of conda with a channel named conda-forge."""
    double = Path(__file__).parents[1] / "environments/conda_double"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    wheels = folder / "wheels"
    subprocess.run([*download, wheels, "pip", "setuptools<81", "wheel"], check=True)
    channel = [sys.executable, double / "channel.py", folder / "channels/conda-forge"]
    subprocess.run([*channel, *wheels.glob("*.whl")], check=True)
    setup = [sys.executable, double / "conda.py", "setup", folder / "conda", folder / "channels"]
    subprocess.run(setup, check=True)
    return folder / "conda/bin"


def podman(folder: Path) -> dict[str, str]:
    """Variables under which podman works as root, with images of its own in the user's cache."""
    need(os.geteuid() == 0, "containers are tested as root")
    for program in ("podman", "debootstrap"):
        need(shutil.which(program) is not None, f"{program} is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    (folder / "containers.conf").write_text(PODMAN)
    (folder / "storage.conf").write_text(STORAGE.format(cache=CACHE))
    return {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }


def certificates() -> list[str]:
    """The option for a proxy whose certificates this machine is set to."""
    file = os.environ.get("SSL_CERT_FILE")
    return ["--ca-certificates", file] if file else []


def base_image(variables: dict[str, str]) -> str:
    """The name of a base image with Debian's Python, made once on this machine."""
    name = "localhost/evenhand-test-base:2"
    environment = os.environ | variables
    there = subprocess.run(["podman", "image", "exists", name], env=environment)
    if there.returncode:
        packages = "python3,python3-venv,python3-pip,ca-certificates,libgomp1,libquadmath0"
        root = CACHE / "base"
        shutil.rmtree(root, ignore_errors=True)
        make = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["chroot", root, "apt-get", "clean"], check=True)
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            imports = ["podman", "import", "--quiet", "-", name]
            subprocess.run(imports, stdin=tar.stdout, env=environment, check=True)
        shutil.rmtree(root)
    return name
