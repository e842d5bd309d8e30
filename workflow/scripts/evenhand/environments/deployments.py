"""The ways in which environments are deployed: one class for each, behind one interface."""

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from evenhand.core.config import ConfigError
from evenhand.core.words import last_line
from evenhand.environments import building, containers
from evenhand.environments.building import Made
from evenhand.environments.locks import BuildError
from toolbox.record import sha256

# Neither the user's PYTHONPATH nor their own site-packages get into a process of a framework.
ISOLATED = ("-E", "-s")


class Deployment(ABC):
    """How an environment is made or found, and its Python started."""

    name: ClassVar[str]

    @property
    def recorded(self) -> Sequence[str]:
        """What records and receipts may call it."""
        return [self.name]

    @abstractmethod
    def python(
        self,
        competitor: str,
        *,
        receipt: str,
        read: Sequence[str],
        write: Sequence[str],
        recorded: Sequence[str],
        container_program: str,
    ) -> list[str]:
        """The command that starts a competitor's Python, isolated, in a job of Snakemake.

        `read` and `write` are the files that the job reads and writes, `recorded` the beginnings of
        the names of environment variables that it keeps: a container is given these and no others.
        `receipt`: the environment's; `container_program`: workflow/scripts/container.py.
        """

    @abstractmethod
    def make(
        self,
        lock: Path,
        *,
        python: str,
        folder: Path,
        image_prefix: str,
        apptainer_args: str,
    ) -> Made:
        """Make the environment of a lock, or find the one that has been made.

        `python` ("3.11") and `folder` are those of a virtual environment that is built here;
        `apptainer_args` are the user's own for each start of Apptainer.
        """

    def image_file(self, competitor: str) -> str | None:
        """The image file that an environment is, if it is there."""
        return None

    def has_replaced(self, lock: Path, image_prefix: str, receipt: dict, made: float) -> bool:
        """Whether the image is another one than the receipt's, a file of the time `made`."""
        return False

    def remove_left(self, folder: Path) -> None:
        """Remove what still runs for an earlier Snakemake that was killed in a folder."""
        return None

    def check_ready(self, locks: Sequence[Path], image_prefix: str) -> None:
        """Raise BuildError or ContainerError if `make` will not find what others have to make."""
        return None

    def remarks(self) -> list[tuple[str, bool, str]]:
        """What the doctor says of the program that deploys: subject, whether all is well, words.

        Asked in Snakemake's own process, whose PATH and settings the program is run with.
        """
        return []


class VirtualEnvironment(Deployment):
    """Built here, from the lock."""

    name = "virtual environment"

    def python(self, competitor: str, **job) -> list[str]:
        return [f"results/environments/{competitor}/bin/python", *ISOLATED]

    def make(self, lock: Path, *, python: str, folder: Path, **other) -> Made:
        interpreter = building.build(folder, python, lock)
        return Made(interpreter, self.name, building.size_on_disk(folder), built_now=True)


class Conda(Deployment):
    """Made and activated by Snakemake, from the YAML file."""

    name = "conda"

    def python(self, competitor: str, **job) -> list[str]:
        return ["python", *ISOLATED]

    def make(self, lock: Path, **other) -> Made:
        return Made(["python"], self.name, building.size_on_disk(Path(os.environ["CONDA_PREFIX"])))

    def remarks(self) -> list[tuple[str, bool, str]]:
        """Whether conda adds the channel `defaults` to those that the YAML files name."""
        ask = ["bash", "-c", "conda config --show channels --json"]  # as Snakemake starts conda
        answer = subprocess.run(ask, capture_output=True, text=True)
        if answer.returncode:
            why = last_line(answer.stderr, answer.returncode)
            return [("channels", False, f"conda does not tell its channels: {why}")]
        channels = json.loads(answer.stdout)["channels"]
        if "defaults" not in channels:
            return [("channels", True, f"configured: {', '.join(channels) or 'none'}")]
        words = (
            "`defaults` is configured, and conda adds it to the channels of the environment files; "
            "if it is blocked here or not licensed, take it out of each file that "
            "`conda config --show-sources` shows it in: docs/deployments.md"
        )
        return [("channels", False, words)]


class Apptainer(Deployment):
    """A .sif from containers/build.py, in which Snakemake starts the job."""

    name = "apptainer"

    def _sif(self, competitor: str) -> Path:
        return Path(f"results/images/{competitor}.sif")

    def python(self, competitor: str, **job) -> list[str]:
        return [containers.python_of(competitor), *ISOLATED]

    def make(self, lock: Path, *, apptainer_args: str, **other) -> Made:
        sif = self._sif(lock.stem)
        # As Snakemake starts it for a job: in a shell's line, where arguments may hold variables.
        line = f'exec {containers.apptainer()} exec --home "$0" {apptainer_args} "$@"'
        start = ["bash", "-c", line, os.getcwd(), sif, containers.python_of(lock.stem)]
        digest, base = f"sha256:{sha256(sif)}", containers.labels_of_sif(sif).get(containers.BASE)
        return Made(start, self.name, sif.stat().st_size, image=digest, base=base)

    def image_file(self, competitor: str) -> str | None:
        sif = self._sif(competitor)
        return str(sif) if sif.is_file() else None

    def has_replaced(self, lock: Path, image_prefix: str, receipt: dict, made: float) -> bool:
        sif = self._sif(lock.stem)
        # Of gigabytes a digest takes seconds: only where the date leaves it open.
        newer = sif.is_file() and sif.stat().st_mtime > made
        return newer and f"sha256:{sha256(sif)}" != receipt.get("image")

    def check_ready(self, locks: Sequence[Path], image_prefix: str) -> None:
        images = {lock.stem: self._sif(lock.stem) for lock in locks}
        if missing := [name for name, sif in images.items() if not sif.is_file()]:
            raise BuildError(
                f"There is no {' and no '.join(str(images[name]) for name in missing)}. Where "
                f"Apptainer is installed, this makes {'it' if len(missing) == 1 else 'them'}: "
                f"python containers/build.py --archive results/images {' '.join(missing)}"
            )


class Docker(Deployment):
    """An image from containers/build.py, run by docker or podman, whichever has it."""

    name = "docker"

    @property
    def recorded(self) -> Sequence[str]:
        return containers.ENGINES

    def python(
        self,
        competitor: str,
        *,
        receipt: str,
        read: Sequence[str],
        write: Sequence[str],
        recorded: Sequence[str],
        container_program: str,
    ) -> list[str]:
        folders = dict.fromkeys(os.path.dirname(path) for path in read)
        command = [sys.executable, container_program, "--starter", str(os.getpid())]
        command += ["--receipt", receipt]
        command += ["--recorded", *recorded, "--read", *folders, "--write", *write]
        return [*command, "--", *ISOLATED]

    def make(self, lock: Path, *, image_prefix: str, **other) -> Made:
        (image,) = containers.find_images(image_prefix, lock)
        start = [*containers.command(image.engine, image.id), containers.python_of(lock.stem)]
        base = image.labels.get(containers.BASE)
        return Made(start, image.engine, image.bytes, image=image.id, base=base)

    def has_replaced(self, lock: Path, image_prefix: str, receipt: dict, made: float) -> bool:
        engine, name = receipt["deployment"], containers.image_name(image_prefix, lock)
        now = shutil.which(engine) and containers.inspect(engine, name)
        return bool(now) and now.id != receipt["image"]

    def remove_left(self, folder: Path) -> None:
        containers.remove_left(folder)

    def check_ready(self, locks: Sequence[Path], image_prefix: str) -> None:
        containers.find_images(image_prefix, *locks)


class WorkflowImage(Deployment):
    """In the image of the whole workflow, which holds all environments and this code."""

    name = "workflow image"

    def python(self, competitor: str, **job) -> list[str]:
        return [containers.python_of(competitor), *ISOLATED]

    def make(self, lock: Path, **other) -> Made:
        inside = Path(containers.python_of(lock.stem))
        return Made([inside], self.name, building.size_on_disk(inside.parents[1]))

    def check_ready(self, locks: Sequence[Path], image_prefix: str) -> None:
        names = [lock.stem for lock in locks]
        missing = [name for name in names if not Path(containers.python_of(name)).exists()]
        if missing:
            raise BuildError(f"The image that this runs in does not hold {', '.join(missing)}.")


DEPLOYMENTS = {
    way.name: way for way in (VirtualEnvironment(), Conda(), Apptainer(), Docker(), WorkflowImage())
}


def choose(methods: list[str], runtime: str) -> Deployment:
    """How environments are deployed, or a ConfigError.

    `methods` are those of Snakemake's --software-deployment-method, `runtime` is the config's. In
    the image of the whole workflow the environments have been made already.
    """
    ways = [*sorted(methods), *([] if runtime == "environment" else [runtime])]
    if len(ways) > 1:
        raise ConfigError(f"config: runtime: choose one of {', '.join(ways)}, not all at once")
    if ways and ways[0] not in DEPLOYMENTS:
        raise ConfigError(
            f"--software-deployment-method: no environment is deployed by {ways[0]} "
            f"(allowed: {Apptainer.name}, {Conda.name})"
        )
    in_image = Path(containers.ENVIRONMENTS).is_dir()
    usual = WorkflowImage.name if in_image else VirtualEnvironment.name
    return DEPLOYMENTS[ways[0] if ways else usual]
