"""A port on trial: it is given a few real digits, and leaves losses, weights and a record.

It trains three times: one step alone, whose update is the gradient, and whole trainings in float64
and in float32. It runs in any Python, that of a container included, which sees the folder of the
trial, the trainer and this project under the same paths as here.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from zipfile import BadZipFile

import numpy as np

from evenhand.checks import trained
from evenhand.checks.trained import Reference, Sizes, Trained
from evenhand.core.identity import losses_path
from evenhand.core.schemas import ROOT, Refused
from evenhand.model import mlp, protocol, reference
from toolbox.record import NotARecord, Record, write
from toolbox.settings import Settings

# 512 images of MNIST's training set and 128 of its test set, see workflow/datasets/mnist.yaml.
DIGITS = Path(__file__).parent / "digits.npz"
COPIES = 60  # of each image in an epoch, so that it takes a framework long enough to be watched
EPOCHS, BATCH_SIZE, LEARNING_RATE = 2, 100, float(np.float32(0.1))
LAYERS = (784, 256, 10)
# The trainings: the seed of weights and order, the type, and how many batches in all (None: all).
# Of the two whole ones each has weights of its own, so that none can be known from the other.
TRAININGS = {"first step": (1, "float64", 1), "float64": (1, "float64", None)}
TRAININGS |= {"float32": (2, "float32", None)}
FIRST_WRITTEN = "trial"  # the empty file by which the folder of a trial is known
LIMIT_SECONDS = 300  # a training that takes longer has come to a halt
SAID = 4000  # characters that are kept of what a trainer prints
TOOLBOX_NEEDS = ("numpy", "threadpoolctl")

ASK_PYTHON = (  # on one line, since `conda run` passes no others on
    "import importlib.util, json, platform, sys; "
    "missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]; "
    "print(json.dumps([platform.python_version(), sys.version_info[:2] >= (3, 11), missing]))"
)
# The line of an error that says what it is; lines of other programs may follow.
ERROR = re.compile(r"^[\w.]*(Error|Exception|Interrupt)\b.*", re.MULTILINE)
LAUNCHERS_LINE = re.compile(r"\n.* ended with exit status [12]$")
# What an error means, by a part of its line.
MEANT = {
    "/result.json'": "it ended without `run.finish`",
    "Out of range float values": "a loss or a weight is not finite, or an epoch has no step",
}


class NotJudged(Exception):
    """The port cannot be judged; the message is a line that says why, `said` what it printed."""

    def __init__(self, why: str, said: str = ""):
        super().__init__(why)
        self.said = said


@dataclass(frozen=True)
class Training:
    """One of the trainings: what everybody is given, and what comes of it."""

    name: str
    images: Mapping[str, np.ndarray]  # as images.npz has them
    sampled: Mapping[str, np.ndarray]  # as protocol.npz has it: weights by name, and `order`
    dtype: str
    settings: Settings

    @cached_property
    def weights(self) -> reference.Weights:
        return reference.weights_of(self.sampled, "float64")

    def set_of(
        self, part: str, dtype: str = "float64", which: slice | np.ndarray = np.s_[:]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Normalized images (N, pixels) and labels (N,) of `train` or `test`, all or `which`."""
        mean, std = self.settings.pixel_mean, self.settings.pixel_std
        pixels = reference.normalized(self.images[f"{part}_images"][which], mean, std)
        return pixels.astype(dtype), self.images[f"{part}_labels"][which]

    @cached_property
    def reference(self) -> Reference:
        """What it gives in NumPy float64."""
        return Reference.of(
            reference.train(
                *(self.set_of(part) for part in ("train", "test")),
                self.weights,
                self.sampled["order"],
                BATCH_SIZE,
                LEARNING_RATE,
            )
        )

    @property
    def sizes(self) -> Sizes:
        count = {part: len(self.images[f"{part}_labels"]) for part in ("train", "test")}
        return Sizes(BATCH_SIZE, LAYERS, LEARNING_RATE, count["train"], count["test"])


@dataclass(frozen=True)
class Left:
    """What a training left: losses and accuracies, arrays by name, and the launcher's record.

    `arrays`: the last weights, and of the first step's batch `pixels`, `logits` and gradients
    (`gradient_w1` and so on) as far as the trainer hands them over. `record` and where it lies are
    None for a trainer without the toolbox.
    """

    trained: Trained
    arrays: Mapping[str, np.ndarray]
    record: Record | None = None
    path: Path | None = None


def claim(folder: Path) -> None:
    """Make a folder for a trial; Refused if it has files, and not those of an earlier trial."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / FIRST_WRITTEN).exists():
        raise Refused(f"--folder {folder}: there are other files in it")
    (folder / FIRST_WRITTEN).touch()


def prepare(folder: Path, device: str) -> list[Training]:
    """Write what the trainings are given into a folder: images, and a protocol for each."""
    with np.load(DIGITS) as digits:
        images = dict(digits)
    for kind in ("images", "labels"):
        images[f"train_{kind}"] = np.concatenate([images[f"train_{kind}"]] * COPIES)
    np.savez(folder / "images.npz", **images)
    trainings = []
    for name, (seed, dtype, batches) in TRAININGS.items():
        sampled = protocol.sample(seed, 0, LAYERS, EPOCHS, len(images["train_labels"]))
        if batches:
            sampled["order"] = sampled["order"][:1, : batches * BATCH_SIZE]
        path = folder / f"{name.replace(' ', '_')}.protocol.npz"
        np.savez(path, **sampled)
        settings = Settings(
            data=folder,
            protocol=path,
            device=device,
            dtype=dtype,
            seed=seed,
            epochs=len(sampled["order"]),
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            layers=LAYERS,
            loader_workers=0,
        )
        trainings.append(Training(name, images, sampled, dtype, settings))
    return trainings


# ---- two ways of running a trainer -----------------------------------


def ask_python(python: Sequence[str], needs: Sequence[str]) -> str:
    """The version of a Python; NotJudged if it does not start or lacks what is needed."""
    command, what = [*python, "-E", "-s", "-c", ASK_PYTHON, *needs], "the Python does not start"
    printed = output_of(command, what)
    try:
        version, new_enough, missing = json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError):
        raise NotJudged(f"{what}: is the command `{' '.join(python)}` one?", printed) from None
    if needs and not new_enough:
        raise NotJudged(f"the toolbox needs Python 3.11, this is {version}; see --npz")
    if missing:
        names = " and ".join(missing)
        raise NotJudged(f"its Python has no {names}: python -m pip install {' '.join(missing)}")
    return version


def with_toolbox(
    trainer: Path, python: Sequence[str], options: Sequence[str], training: Training
) -> Left:
    """Run a trainer that is written with the toolbox, as the workflow does: launched and watched.

    `options`: further ones of the launcher.
    """
    folder, name = training.settings.data, training.name.replace(" ", "_")
    record, arrays = folder / f"{name}.json", folder / f"{name}.arrays.npz"
    for earlier in (record, arrays):
        earlier.unlink(missing_ok=True)
    receipt = {"framework": trainer.stem, "device": training.settings.device, "image": None}
    write(folder / "receipt.json", receipt | {"deployment": "trial", "lock_sha256": "0" * 64})
    opened = {"id": "0" * 32, "track": "trial", "scenario": name, "round": 0}
    write(folder / "round.json", opened)
    (folder / "secret.key").write_text("trial")
    trainers = ROOT / "workflow/trainers"
    command = [
        *(*python, "-E", "-s", trainers / "start.py", trainers / "toolbox/launch.py"),
        *("--trainer", trainer, "--environment", folder / "receipt.json"),
        *("--round", folder / "round.json", "--secret", folder / "secret.key"),
        *("--record", record, "--losses", losses_path(record), "--no-round-check", *options),
        *("--", *training.settings.flags(), "--evidence", arrays),
    ]
    in_training = f"in the training `{training.name}`, the trainer"
    output_of(command, f"{in_training} fails")
    try:
        run, its_record = trained.read(record), Record.read(record)
    except (NotARecord, OSError) as error:
        raise NotJudged(f"{in_training} left no record: {error}") from None
    return Left(run, arrays_left(arrays, in_training), its_record, record)


def with_files(
    trainer: Path, python: Sequence[str], env: Mapping[str, str], training: Training
) -> Left:
    """Run a trainer that knows no toolbox: PYTHON TRAINER INPUT OUTPUT, see docs/porting.md."""
    stem = training.settings.data / training.name.replace(" ", "_")
    given, left = Path(f"{stem}.input.npz"), Path(f"{stem}.output.npz")
    left.unlink(missing_ok=True)
    images, labels = training.set_of("train", training.dtype)
    np.savez(
        given,
        images=images,
        labels=labels.astype(np.int64),
        order=training.sampled["order"].astype(np.int64),
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        **{name: training.sampled[name].astype(training.dtype) for name in weight_names()},
    )
    in_training = f"in the training `{training.name}`, the trainer"
    output_of([*python, trainer, given, left], f"{in_training} fails", env)
    arrays = arrays_left(left, in_training, needed=("losses",))
    losses = arrays.pop("losses").astype(float)
    if losses.ndim != 2:
        raise NotJudged(f"{in_training} left losses of shape {losses.shape}, not (epochs, steps)")
    with np.errstate(invalid="ignore", over="ignore"):  # of weights that are not finite
        last = reference.evaluate(*training.set_of("test"), reference.weights_of(arrays, "float64"))
    expected = training.reference
    # Only the last epoch's weights are known: of earlier ones nothing is judged.
    tests = (
        np.append(values[:-1], value)
        for values, value in zip((expected.test_loss, expected.accuracy), last, strict=True)
    )
    return Left(Trained(losses, *tests), arrays)


def arrays_left(path: Path, in_training: str, needed: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """What a trainer left in a file, of the names that are known; NotJudged if it cannot be used.

    `needed`: what must be there, besides the weights.
    """
    if not path.exists():
        raise NotJudged(f"{in_training} ended without an error, and left no {path.name}")
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files if name in known_names()}
    except (OSError, EOFError, TypeError, ValueError, BadZipFile) as error:
        raise NotJudged(f"{in_training} left {path.name}, which cannot be read: {error}") from None
    if missing := {*needed, *weight_names()} - arrays.keys():
        raise NotJudged(f"{in_training} left no {', '.join(sorted(missing))} in {path.name}")
    if strange := [name for name in arrays if arrays[name].dtype.kind not in "fiu"]:
        found = ", ".join(f"{name} of type {arrays[name].dtype}" for name in strange)
        raise NotJudged(f"{in_training} left {found}, not numbers")
    shapes = mlp.weight_shapes(LAYERS)
    if wrong := [name for name in weight_names() if arrays[name].shape != shapes[name]]:
        found = ", ".join(f"{name} of shape {arrays[name].shape}" for name in wrong)
        raise NotJudged(f"{in_training} left {found}; it must be (outputs, inputs) and (outputs,)")
    return arrays


def weight_names() -> list[str]:
    return list(mlp.weight_shapes(LAYERS))


def known_names() -> set[str]:
    """All that a trainer may leave."""
    gradients = (f"gradient_{name}" for name in weight_names())
    return {"losses", "pixels", "logits", *weight_names(), *gradients}


def output_of(
    command: Sequence[str | Path], what: str, env: Mapping[str, str] | None = None
) -> str:
    """What a command prints; NotJudged, with `what` and what its error says, if it fails."""
    with TemporaryFile() as out, TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                list(map(str, command)),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            raise NotJudged(f"{what}: {error}") from None
        try:
            process.wait(LIMIT_SECONDS)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that it started
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            halted = f"{what}: it did not end within {LIMIT_SECONDS} s"
            raise NotJudged(halted, end_of(err) or end_of(out)) from None
        if process.returncode:
            said = end_of(err) or end_of(out)
            raise NotJudged(f"{what}: {gist(said) or f'exit status {process.returncode}'}", said)
        return end_of(out)


def end_of(file) -> str:
    """The end of what was written into a file, as text."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - SAID))
    return file.read().decode(errors="replace").strip()


def gist(said: str) -> str:
    """The line of an error that says what it is: the last that looks so, else the last of all."""
    errors = [match[0] for match in ERROR.finditer(said)]
    line = (errors or LAUNCHERS_LINE.sub("", said).splitlines()[-1:] or [""])[-1]
    for mark, meant in MEANT.items():
        if mark in line:
            return meant
    return line if len(line) <= 300 else f"{line[:300]} ..."
