"""One run outside of the workflow: what a launcher is given, and the launcher's command."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evenhand.core.schemas import ROOT
from evenhand.model import protocol, reference
from support import digits, records
from toolbox.record import write
from toolbox.settings import Settings

TRAINERS = ROOT / "workflow/trainers"
IMAGES, SECRET = 300, "imagined"
RECEIPT = {"deployment": "virtual environment", "image": None, "lock_sha256": "0" * 64}


def settings(**changes) -> Settings:
    """The settings of a small training, in a folder that `prepare` has filled."""
    usual = {"data": Path("data"), "protocol": Path("protocol.npz"), "layers": (784, 16, 10)}
    return Settings(**usual | {"epochs": 2, "seed": 7} | changes)


def prepare(
    folder: Path,
    framework: str = "a",
    device: str = "cpu",
    requested: Settings | None = None,
    images: int = IMAGES,
    image: tuple[int, int] = (28, 28),
    **opened,
) -> Path:
    """Fill a folder with data, protocol, receipt, and a round with these fields; the folder.

    `image`: rows and columns of the `images` images, of which there are as many classes as outputs.
    """
    requested = requested or settings()
    kind = {"image": image, "classes": requested.layers[-1]}
    digits.packed(folder / "data", images, 100, **kind)
    digits.idx_folder(folder / "data/MNIST/raw", images, 100, **kind)
    np.savez(
        folder / "protocol.npz",
        **protocol.sample(requested.seed, 0, requested.layers, requested.epochs, images),
    )
    (folder / "secret.key").write_text(SECRET)
    write(folder / "environment.json", RECEIPT | {"framework": framework, "device": device})
    round_ = records.opened_round("controlled", "x", 0, [f"{framework}-{device}"], **opened)
    write(folder / "round.json", round_)
    return folder


def launch(
    folder: Path,
    trainer: str | Path,
    requested: Settings | None = None,
    options: Sequence[str] = (),
    python: str | Path = sys.executable,
    code: Path = TRAINERS,
    **variables: str,
) -> subprocess.CompletedProcess:
    """Run a trainer in the folder by the launcher of this code, with these variables alone.

    The record is `record.json`, its step losses `record.losses.npy`.
    """
    return subprocess.run(
        [
            *(python, "-E", "-s", code / "start.py", code / "toolbox/launch.py"),
            *("--trainer", trainer, "--threads", "1"),
            *("--environment", "environment.json", "--round", "round.json"),
            *("--secret", "secret.key"),
            *("--record", "record.json", "--losses", "record.losses.npy"),
            *(*options, "--", *(requested or settings()).flags()),
        ],
        env={"PATH": os.environ["PATH"]} | variables,
        cwd=folder,
        capture_output=True,
        text=True,
    )


def environment(folder: Path, *packages: Path) -> Path:
    """The Python of an environment with all that the tests' own has, and folders of packages.

    Like a conda environment's or the system's, and unlike a virtual environment's, it reads what
    the user installed for all Pythons, unless it is told not to.
    """
    venv.create(folder, system_site_packages=True)
    site = next(folder.glob("lib/python*/site-packages"))
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "tests.pth").write_text("\n".join(map(str, [*packages, *ours])) + "\n")
    return folder / "bin/python"


def expected(folder: Path, requested: Settings) -> dict[str, np.ndarray]:
    """What the reference makes of the training that was prepared in a folder."""
    with np.load(folder / "protocol.npz") as sampled:
        return reference.train(
            *reference.data_sets(
                folder / "data/images.npz", requested.pixel_mean, requested.pixel_std, "float64"
            ),
            reference.weights_of(sampled, "float64"),
            sampled["order"],
            requested.batch_size,
            float(np.float32(requested.learning_rate)),
        )
