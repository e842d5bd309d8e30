"""Run an environment's Python inside its image, through docker or podman.

    python container.py --receipt FILE --read FOLDER ... --write FILE ... -- ARGUMENTS OF PYTHON

Nothing that runs in there has a network, root's rights, or a way to change what lies outside: it
sees the folders named by --read, read-only and at their own paths, and an empty folder in place of
the one that the files named by --write belong to. What it leaves there under those
names is moved to its place after a good end. Images are built by containers/build.py.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "trainers"))

from toolbox.launch import TUNING
from toolbox.machine import machine
from toolbox.record import sha256

ENGINES = ("docker", "podman")
ENVIRONMENTS = "/opt/evenhand/environments"  # where images hold them, see containers/Containerfile
NOBODY = 65532  # the user of an image; runs are the caller's, unless that is root
NOT_STARTED = 125  # exit status of both engines where they, and not the program, fail
GPUS = {"docker": ["--gpus", "all"], "podman": ["--device", "nvidia.com/gpu=all"]}


class ContainerError(Exception):
    """No container can be run; the message is one line that says why and what to do."""


def python_of(competitor: str) -> str:
    """The path of an environment's Python inside its image."""
    return f"{ENVIRONMENTS}/{competitor}/bin/python"


def image_name(prefix: str, lock: Path) -> str:
    """The name of the image for a lock: built from another state of the lock, it has another."""
    return f"{prefix}{lock.stem}:{sha256(lock)[:12]}"


def engines(names: tuple[str, ...] = ENGINES) -> list[str]:
    """Those of the engines that are installed and answer; at least one, or a ContainerError."""
    said, answering = [], []
    for name in names:
        if not shutil.which(name):
            said.append(f"{name} is not installed")
            continue
        # Not `info`, of whose failure docker's older versions tell on standard output.
        trial = subprocess.run([name, "images", "--quiet"], capture_output=True, text=True)
        if trial.returncode == 0:
            answering.append(name)
        else:
            why = trial.stderr.strip().splitlines()[-1:] or [f"exit status {trial.returncode}"]
            said.append(f"{name} does not answer ({why[0]})")
    if not answering:
        raise ContainerError(f"No container engine can be used: {'; '.join(said)}.")
    return answering


def find_image(prefix: str, lock: Path) -> tuple[str, str, int]:
    """Which engine has the image for a lock, the image's id ("sha256:...") and its bytes."""
    name = image_name(prefix, lock)
    for engine in (answering := engines()):
        inspect = [engine, "image", "inspect", "--format", "{{.Id}} {{.Size}}", name]
        found = subprocess.run(inspect, capture_output=True, text=True)
        if found.returncode == 0:
            digest, size = found.stdout.split()
            return engine, f"sha256:{digest.removeprefix('sha256:')}", int(size)
    raise ContainerError(
        f"There is no image {name} in {' or '.join(answering)}. "
        f"This builds it: python containers/build.py --prefix {prefix} {lock.stem}"
    )


def command(
    engine: str,
    image: str,
    device: str = "cpu",
    read: list[Path] = (),
    write: dict[Path, Path] | None = None,
) -> list[str]:
    """The engine's command line up to the program that is to run in the image.

    `read`: folders that are seen, read-only. `write`: for each folder that can be written to, the
    folder that really takes what is written.
    """
    here = Path.cwd()
    options = ["--rm", "--init", "--pull", "never"]
    options += ["--network", "none", "--hostname", machine()["node"]]
    # labels: SELinux would refuse the mounts, or the user's own files would have to be relabeled
    options += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options += ["--security-opt", "label=disable"]
    options += ["--read-only", "--tmpfs", "/tmp", "--shm-size", "1g"]
    # Where the other mounts are put; podman wants it to be there before them.
    options += ["--tmpfs", f"{here}:mode=0555", "--workdir", f"{here}"]
    if os.getuid() != 0:
        options += ["--user", f"{os.getuid()}:{os.getgid()}"]
        if engine == "podman":
            options += ["--userns", "keep-id"]
    for folder in read:
        options += ["--volume", f"{folder.absolute()}:{folder.absolute()}:ro"]
    for folder, real in (write or {}).items():
        options += ["--volume", f"{real.absolute()}:{folder.absolute()}"]
    for variable in sorted(os.environ):
        if variable == "PYTHONPATH" or variable.startswith(TUNING):
            options += ["--env", variable]
    options += GPUS[engine] if device == "cuda" else []
    return [engine, "run", *options, image]


def apptainer() -> str:
    """Apptainer's command, or Singularity's where that is what there is, as Snakemake takes it."""
    return next(filter(shutil.which, ("apptainer", "singularity")), "apptainer")


def run(receipt: dict, read: list[Path], write: list[Path], arguments: list[str]) -> int:
    """Run Python in the image of the receipt; exit status. All of `write` is in one folder."""
    (folder,) = {path.parent for path in write}
    python = python_of(f"{receipt['framework']}-{receipt['device']}")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".container-") as empty:
        if os.getuid() == 0:  # root lends the folder to the image's own user
            os.chown(empty, NOBODY, NOBODY)
        begin = command(
            receipt["deployment"],
            receipt["image"],
            receipt["device"],
            read,
            {folder: Path(empty)},
        )
        status = subprocess.run([*begin, python, *arguments]).returncode
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


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--receipt", type=Path, required=True, help="of the environment")
    parser.add_argument("--read", type=Path, nargs="+", default=[], help="folders")
    parser.add_argument("--write", type=Path, nargs="+", required=True, help="files to be written")
    parser.add_argument("arguments", nargs="+", help="for Python, after --")
    args = parser.parse_args(argv)
    try:
        engines()
        return run(json.loads(args.receipt.read_text()), args.read, args.write, args.arguments)
    except ContainerError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
