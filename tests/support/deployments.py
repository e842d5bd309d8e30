"""The same small benchmark, deployed in each of the ways."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
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


def apptainer() -> dict[str, str]:
    """Variables under which Apptainer works as root: this machine's, or else Debian's newest.

    The latter is kept in the user's cache, with the C library that it was built for: a stable
    Debian has neither.
    """
    found = shutil.which("apptainer")
    need(found is not None or os.geteuid() == 0, "Apptainer is not installed")
    folder = CACHE / "apptainer"
    if not found and not folder.exists():
        try:
            unpack_apptainer(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            need(False, f"Apptainer is not installed, and cannot be fetched: {error}")
    # As root it asks for all capabilities, of which the machines of a CI lack some.
    quiet = {"APPTAINER_NO_PRIVS": "1"}
    return quiet if found else quiet | first_on_path(folder / "usr/bin")


def unpack_apptainer(folder: Path) -> None:
    """Fetch Apptainer and a C library from Debian's unstable suite; they touch no other program."""
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    ask += ["Created-By: Packages", "Origin: Debian", "Label: Debian"]
    (address, *_) = subprocess.check_output(ask, text=True).split() or [""]
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        apt, files = Path(made, "apt"), Path(made, "files")
        for path in ("lists/partial", "cache/archives/partial", "packages"):
            (apt / path).mkdir(parents=True)
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (apt / "sources").write_text(f"deb [signed-by={keys}] {address} sid main\n")
        settings = {"Dir::Etc::sourcelist": apt / "sources", "Dir::Etc::sourceparts": "-"}
        settings |= {"Dir::State::lists": apt / "lists", "Dir::Cache": apt / "cache"}
        settings["APT::Sandbox::User"] = "root"
        get = ["apt-get", "-qq", *(f"--option={key}={value}" for key, value in settings.items())]
        subprocess.run([*get, "update"], check=True)
        subprocess.run([*get, "download", "apptainer", "libc6"], cwd=apt / "packages", check=True)
        for package in (apt / "packages").iterdir():
            subprocess.run(["dpkg-deb", "--extract", package, files], check=True)
        shutil.copytree(
            files / "etc", files / "usr/etc"
        )  # where it looks for both, by its own path
        (files / "usr/lib/var/lib/apptainer/mnt/session").mkdir(parents=True)
        libraries = folder / "usr/lib/x86_64-linux-gnu"
        patch = ["patchelf", "--set-interpreter", libraries / "ld-linux-x86-64.so.2"]
        patch += ["--set-rpath", f"{libraries}:/usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu"]
        for program in ("bin/apptainer", "lib/x86_64-linux-gnu/apptainer/bin/starter"):
            subprocess.run([*patch, files / "usr" / program], check=True)
        files.rename(folder)


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
