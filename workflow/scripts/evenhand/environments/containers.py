"""Run an environment's Python inside its image, through docker or podman.

Nothing that runs in there has a network, root's rights, or a way to change what lies outside: it
sees the folders that it may read, read-only and at their own paths, and an empty folder in place of
the one that its results belong to. What it leaves there under their names is moved to its place
after a good end. No container outlives the Snakemake that it works for. Images are built by
containers/build.py.

Standard library alone, beside what needs no more: a machine that only builds images has no other.
"""

import csv
import io
import json
import os
import select
import shlex
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from evenhand.core.words import last_line
from toolbox.machine import JOB, where
from toolbox.record import sha256

ENGINES = ("docker", "podman")
ENVIRONMENTS = "/opt/evenhand/environments"  # where images hold them, see containers/Containerfile
NOBODY = 65532  # the user of an image; runs are the caller's, unless that is root
NOT_STARTED = 125  # exit status of both engines where they, and not the program, fail
PREFIX = "evenhand-"  # of an image's name, unless the configuration has another one
BASE = "org.opencontainers.image.base.digest"  # label of an image: what it was built from
RECIPE = "evenhand.recipe"  # label of an image: the digest of all that decides on its environment
LABEL = "evenhand.folder"  # of a container: the folder that the Snakemake was started in
WRITTEN = Path("results/containers")  # what containers write lies in here until they end
# Run in a container, around its program: it ends with the standard input, which the engine closes
# when the process that holds it has ended, however that ended.
UNTIL_INPUT_ENDS = """
exec 3<&0
"$@" < /dev/null & program=$!
{ cat <&3 > /dev/null; kill -KILL "$program" 2> /dev/null; } &
wait "$program"
"""


class ContainerError(Exception):
    """No container can be run; the message is one line that says why and what to do."""


# ---- Images ----------------------------------------------------------


def python_of(competitor: str) -> str:
    """The path of an environment's Python inside its image."""
    return f"{ENVIRONMENTS}/{competitor}/bin/python"


def image_name(prefix: str, lock: Path) -> str:
    """The name of the image for a lock: built from another state of the lock, it has another.

    A framework's version follows an underscore, since after an at sign engines expect a digest.
    """
    return f"{prefix}{lock.stem.replace('@', '_')}:{sha256(lock)[:12]}"


def engines(names: Sequence[str] = ENGINES) -> list[str]:
    """Those of the engines that are installed and answer; at least one, or a ContainerError."""
    said, answering = [], []
    for name in names:
        if not shutil.which(name):
            said.append(f"{name} is not installed")
            continue
        if name == "docker":
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if "podman" in version:  # the package podman-docker
                said.append("docker is podman by another name")
                continue
        # Not `info`, whose failure docker's older versions report on standard output.
        trial = subprocess.run([name, "images", "--quiet"], capture_output=True, text=True)
        if trial.returncode == 0:
            answering.append(name)
        else:
            why = last_line(trial.stderr, trial.returncode)
            said.append(f"{name} does not answer ({why})")
    if not answering:
        raise ContainerError(f"No container engine can be used: {'; '.join(said)}.")
    return answering


class Image(NamedTuple):
    """An image, and which engine has it; its `id` is a digest ("sha256:...")."""

    engine: str
    id: str
    bytes: int
    labels: dict[str, str]


def inspect(engine: str, name: str) -> Image | None:
    """The image that an engine has under a name, or None if it has none."""
    told = "{{.Id}} {{.Size}} {{json .Config.Labels}}"
    ask = [engine, "image", "inspect", "--format", told, name]
    found = subprocess.run(ask, capture_output=True, text=True)
    if found.returncode:
        return None
    digest, size, labels = found.stdout.split(" ", 2)
    digest = f"sha256:{digest.removeprefix('sha256:')}"
    return Image(engine, digest, int(size), json.loads(labels) or {})


def find_images(prefix: str, *locks: Path) -> list[Image]:
    """The image for each lock, or a ContainerError that names all for which there is none."""
    found, missing, answering = [], [], engines()
    for lock in locks:
        name = image_name(prefix, lock)
        if image := next(filter(None, (inspect(engine, name) for engine in answering)), None):
            found.append(image)
        else:
            missing.append((name, lock.stem))
    if missing:
        names, environments = zip(*missing, strict=True)
        option = [] if prefix == PREFIX else ["--prefix", prefix]
        build = shlex.join(["python", "containers/build.py", *option, *environments])
        raise ContainerError(
            f"There is no image {' and no '.join(names)} in {' or '.join(answering)}. "
            f"This builds {'it' if len(missing) == 1 else 'them'}: {build}"
        )
    return found


def apptainer() -> str:
    """Apptainer's command, or Singularity's where that is what there is, as Snakemake takes it."""
    return next(filter(shutil.which, ("apptainer", "singularity")), "apptainer")


def labels_of_sif(sif: Path) -> dict[str, str]:
    """The labels of the image in a .sif; none where Apptainer cannot read it."""
    ask = [apptainer(), "inspect", "--json", "--labels", sif]
    found = subprocess.run(ask, capture_output=True, text=True)
    if found.returncode:  # why Apptainer fails is told when its Python is started
        return {}
    return json.loads(found.stdout)["data"]["attributes"]["labels"]


# ---- Runs ------------------------------------------------------------


def mount(*fields: str) -> list[str]:
    """The option of both engines for a mount: a line of CSV, so that paths may hold any character.

    (`--volume` cuts paths at colons.)
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return ["--mount", line.getvalue()]


def command(
    engine: str,
    image: str,
    options: Sequence[str] = (),
    read: Sequence[Path] = (),
    write: Mapping[Path, Path] | None = None,
    recorded: Sequence[str] = (),
    withheld: Sequence[str] = (),
) -> list[str]:
    """The engine's command line up to the program that is to run in the image.

    `options`: further ones for the engine. `read`: folders that are seen, read-only. `write`: for
    each folder that can be written to, the folder that really takes what is written. `recorded`:
    how the names of the environment variables begin that are passed on, without those `withheld`.
    Those that name a cluster's job are always: by them a run knows whether its round is its job's.
    """
    here = Path.cwd()
    arguments = ["--rm", "--init", "--pull", "never"]
    arguments += ["--name", f"evenhand-{uuid.uuid4().hex[:12]}", "--label", f"{LABEL}={here}"]
    arguments += ["--network", "none", "--hostname", where()["node"]]
    # labels: SELinux would refuse the mounts, or the user's own files would have to be relabeled
    arguments += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    arguments += ["--security-opt", "label=disable"]
    arguments += ["--read-only", "--tmpfs", "/tmp", "--shm-size", "1g"]
    # Where the other mounts are put; podman wants it to be there before them.
    arguments += mount("type=tmpfs", f"target={here}", "tmpfs-mode=0555")
    arguments += ["--workdir", str(here)]
    if os.getuid() != 0:
        arguments += ["--user", f"{os.getuid()}:{os.getgid()}"]
        if engine == "podman":
            arguments += ["--userns", "keep-id"]
    for folder in (path.absolute() for path in read):
        arguments += mount("type=bind", f"source={folder}", f"target={folder}", "readonly")
    for folder, real in (write or {}).items():
        arguments += mount("type=bind", f"source={real.absolute()}", f"target={folder.absolute()}")
    for variable in sorted(os.environ):
        if variable.startswith((*recorded, *JOB)) and variable not in withheld:
            arguments += ["--env", variable]
    return [engine, "run", *arguments, *options, image]


def hidden_from_others(folders: Sequence[Path]) -> Path | None:
    """The first of these folders, and of the files in them, that others cannot read."""
    for folder in folders:
        files = (path for path in sorted(folder.iterdir()) if path.is_file())
        for path, wanted in ((folder, 0o005), *((file, 0o004) for file in files)):
            if path.stat().st_mode & wanted != wanted:
                return path
    return None


def run(
    receipt: dict,
    options: Sequence[str],
    read: Sequence[Path],
    write: Sequence[Path],
    recorded: Sequence[str],
    arguments: Sequence[str],
    starter: int,
    withheld: Sequence[str] = (),
) -> int:
    """Run Python in the image of the receipt; exit status. All of `write` is in one folder.

    `options`, `read`, `recorded` and `withheld` are as for `command`; `arguments` are Python's.
    `starter`: the process with which the container ends, if it does not end before.
    """
    (folder,) = {path.parent for path in write}
    python = python_of(f"{receipt['framework']}-{receipt['device']}")
    if os.getuid() == 0 and (hidden := hidden_from_others(read)):
        raise ContainerError(
            f"{hidden} can be read by root alone, and root's containers run as user {NOBODY}: make "
            "it readable (chmod -R a+rX), start with umask 022, or start as an ordinary user"
        )
    WRITTEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WRITTEN) as empty:
        if os.getuid() == 0:  # root lends the folder to the image's own user
            os.chown(empty, NOBODY, NOBODY)
        places = {folder: Path(empty)}
        engine, options = receipt["deployment"], [*options, "--interactive"]
        begin = command(engine, receipt["image"], options, read, places, recorded, withheld)
        begin += ["sh", "-c", UNTIL_INPUT_ENDS, "sh", python]
        status = run_until_ended(starter, [*begin, *arguments])
        if status == NOT_STARTED:
            raise ContainerError(
                f"{receipt['deployment']} did not start {receipt['image']} and says why above. "
                "If the image is gone, build it again; then: snakemake --forcerun environment"
            )
        if status == 0:
            for path in write:
                left = Path(empty) / path.name
                if left.is_symlink() or not left.is_file():
                    raise ContainerError(f"{path} was not written by what ran in the container")
                os.chown(left, os.getuid(), os.getgid())
                os.replace(left, path)
    return status


def run_until_ended(starter: int, begin: Sequence[str]) -> int:
    """Run a container until it or the process `starter` ends; the exit status of the engine.

    Kernels before 5.3 have no way to wait for a process of others: there the container ends with
    this process alone.
    """
    with subprocess.Popen(begin, stdin=subprocess.PIPE) as engine, ExitStack() as files:
        poll = select.poll()
        try:
            for process in (starter, engine.pid):
                file = os.pidfd_open(process)
                files.callback(os.close, file)
                poll.register(file, select.POLLIN)
        except ProcessLookupError:
            pass  # the starter has ended
        except OSError:
            engine.wait()
        else:
            poll.poll()
    return engine.returncode


def remove_left(folder: Path) -> list[str]:
    """Remove the containers that an earlier Snakemake left in a folder, and what they wrote.

    To be called while no job of the living one is started; the ids of the containers. Usually
    there is none, since a container ends with its Snakemake: but engines can be killed, too.
    """
    found = []
    with suppress(ContainerError):
        for engine in engines():
            listing = [engine, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={folder}"]
            if left := subprocess.run(listing, capture_output=True, text=True).stdout.split():
                remove = [engine, "rm", "--force", *left]
                # Of one whose monitor was killed Podman first waits for word, in vain, and fails.
                if subprocess.run(remove, capture_output=True).returncode:
                    subprocess.run(remove, stdout=subprocess.DEVNULL)
                found += left
    shutil.rmtree(folder / WRITTEN, ignore_errors=True)
    return found
