"""One run as the trainer sees it: `Run` and its `Epoch`s. NumPy and the standard library."""

import argparse
import contextlib
import itertools
import math
import platform
import site
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from toolbox import settings
from toolbox.machine import usable_cores
from toolbox.record import sha256, write
from toolbox.stopwatch import Line


class Run:
    """What was requested of the trainer, what it is given, and the results that it returns.

    Attributes are those of `toolbox.settings.Settings`, each a flag. `learning_rate` is rounded to
    float32 for everybody, since one framework's optimizer holds it so. `layers` are the sizes from
    inputs to classes. `data` is the folder with `images.npz` and with `MNIST/raw/`, as torchvision
    expects it.
    """

    def __init__(self, flags: argparse.Namespace):
        for name, value in vars(flags).items():
            if name != "epochs":  # here a method that walks through them
                setattr(self, name, value)
        self.learning_rate = float(np.float32(flags.learning_rate))
        self.flags = flags
        self.line = Line(flags.line)
        self.shown: dict[str, np.ndarray] = {}
        self.done: list[Epoch] = []
        self.twins: list[str] = []
        self.restart: Callable[[list[np.ndarray]], None] | None = None

    @classmethod
    def from_flags(cls, argv: list[str] | None = None) -> "Run":
        """Read the command line. Called after the imports, it closes the phase `import`."""
        parser = settings.parser()
        parser.add_argument("--losses", type=Path, required=True, help="where step losses go")
        parser.add_argument("--result", type=Path, required=True, help="where the rest goes")
        parser.add_argument("--evidence", type=Path, help="where last weights and shown arrays go")
        parser.add_argument("--restarts", type=Path, help="weights that each step restarts from")
        parser.add_argument("--line", type=int, help="socket to the launcher's clock")
        run = cls(parser.parse_args(argv))
        run.phase("load")
        return run

    # ---- given to the trainer ----------------------------------------

    def arrays(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, rows, columns) uint8 and labels (N,) uint8 of `train` or `test`."""
        with np.load(self.data / "images.npz") as data:
            return data[f"{part}_images"], data[f"{part}_labels"]

    def training_set(self) -> tuple[np.ndarray, np.ndarray]:
        """Normalized images (N, inputs) of the run's dtype and labels (N,) int64, in memory."""
        images, labels = self.arrays("train")
        return self.normalized(images).astype(self.dtype, copy=False), labels.astype(np.int64)

    def normalized(self, images: np.ndarray) -> np.ndarray:
        """Pixels 0..255 as float32 (N, inputs): in [0, 1], less the mean, over the deviation.

        Always in float32, and widened afterwards where float64 is asked for, so that both dtypes
        train on the same numbers.
        """
        scaled = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
        return (scaled - np.float32(self.pixel_mean)) / np.float32(self.pixel_std)

    def initial_weights(self) -> list[np.ndarray]:
        """The protocol's weights (outputs, inputs) and biases (outputs,), layer by layer.

        Of the run's dtype. A list such as [w1, b1, w2, b2], as long as there are layers.
        """
        names = [f"{kind}{layer}" for layer in range(1, len(self.layers)) for kind in "wb"]
        with np.load(self.protocol) as protocol:
            return [protocol[name].astype(self.dtype) for name in names]

    def twin(self, name: str, operation, twin, restart: Callable[[list[np.ndarray]], None]):
        """An operation that computes in float32 alone; where float64 is asked for, its twin.

        They may be one and the same, on a device that has no other. `name`: what the report calls
        it. A rehearsal then proves the twin and not the operation, which is proved in float32
        instead, step by step from the reference's weights: `restart` takes arrays as
        `initial_weights` gives them, and lets training go on from there.
        """
        if operation is not twin:
            self.twins.append(name)
        self.restart = restart
        return operation if self.dtype == "float32" else twin

    @staticmethod
    def cores() -> int:
        """How many cores the process may keep busy, for a framework that would take fewer."""
        return math.ceil(usable_cores())

    def phase(self, name: str) -> None:
        """Close the open phase and open another: `load`, then `set_up`, perhaps `compile`."""
        self.line.begins(name)

    def epochs(self) -> Iterator["Epoch"]:
        """The epochs, one after another; each must be finished before the next begins."""
        orders = [None] * self.flags.epochs
        if self.protocol:
            with np.load(self.protocol) as protocol:
                orders = protocol["order"].astype(np.int64)
        self.phase("between")
        for index in range(self.flags.epochs):
            epoch = Epoch(self, index, orders[index])
            yield epoch
            if epoch not in self.done:
                raise RuntimeError(f"epoch {index}: its clock never ran")

    def load_alone(self, loader: Iterable) -> None:
        """Time one pass over the loader with nothing computed: what loading alone costs."""
        self.phase("loader_pass")
        for _ in loader:
            pass

    # ---- returned by the trainer --------------------------------------

    def show(self, **arrays) -> None:
        """Keep arrays of the first step, as evidence for the check of a port; not while timed.

        `pixels` (images, inputs) and `logits` (images, classes) of its batch, and gradients in the
        protocol's shapes, `gradient_w1` and so on.
        """
        if self.flags.evidence:
            for name, array in arrays.items():
                if name not in self.shown:
                    self.shown[name] = np.array(array)

    def finish(self, device: str, threads: int | None = None, by_numpy: bool = False) -> None:
        """Evaluate every epoch's weights and write the result.

        `device`: the name of what computed. `threads`: how many the framework says that it computes
        with; None where it has no function that tells, and its libraries are asked instead.
        `by_numpy`: whether NumPy and SciPy are among these.
        """
        self.phase("evaluation")
        tests = [self.evaluated(epoch.weights) for epoch in self.done]
        self.phase("rest")
        np.save(self.losses, filled_up([epoch.losses for epoch in self.done]))
        if self.flags.evidence:
            np.savez(self.flags.evidence, **self.shown, **self.done[-1].named_weights)
        train, test = self.arrays("train")[1], self.arrays("test")[1]
        pools = thread_pools(by_numpy)
        counts = {
            api: max(
                (p["num_threads"] for p in pools if p["own"] and p["user_api"] == api), default=None
            )
            for api in ("openmp", "blas")
        }
        reported = threads or max(filter(None, counts.values()), default=None)
        requested = ("dtype", "seed", "batch_size", "learning_rate", "layers", "pixel_mean")
        requested += ("pixel_std", "loader_workers")
        result = {
            "requested": {name: getattr(self, name) for name in requested}
            | {"epochs": self.flags.epochs, "train_images": len(train), "test_images": len(test)},
            "environment": {
                "python": platform.python_version(),
                "packages": installed(site.getsitepackages()),
                "data_sha256": sha256(self.data / "images.npz"),
                "protocol_sha256": sha256(self.protocol) if self.protocol else None,
                "threads": {"framework": reported} | counts,
                "pools": pools,
                "device": device,
                "twins": self.twins,
            },
            "measured": {
                "first_step_seconds": self.done[0].first_step,
                "weights": {
                    name: {"shape": list(weight.shape), "dtype": str(weight.dtype)}
                    for name, weight in self.done[-1].named_weights.items()
                },
                "epochs": [
                    {
                        "epoch": epoch.index,
                        "trainer_seconds": epoch.seconds,
                        "wait_seconds": epoch.wait_seconds,
                        "steps": epoch.steps,
                        "images": epoch.images,
                        "average_loss": epoch.average_loss,
                        "test_loss": loss,
                        "test_accuracy": accuracy,
                    }
                    for epoch, (loss, accuracy) in zip(self.done, tests, strict=True)
                ],
            },
        }
        write(self.result, result)

    def evaluated(self, weights: list[np.ndarray]) -> tuple[float, float]:
        """Cross-entropy and accuracy (a fraction) of these weights on the test set.

        In float64, a thousand images at a time: the same answer in every environment, and no
        more memory than training needs.
        """
        weights = [np.asarray(w, dtype=np.float64) for w in weights]
        hidden, last = weights[:-2], weights[-2:]
        images, labels = self.arrays("test")
        loss, right = 0.0, 0
        for start in range(0, len(labels), 1000):
            part, truth = images[start : start + 1000], labels[start : start + 1000]
            values = self.normalized(part).astype(np.float64)
            for w, b in zip(hidden[::2], hidden[1::2], strict=True):
                values = np.maximum(values @ w.T + b, 0)
            logits = values @ last[0].T + last[1]
            logits -= logits.max(axis=1, keepdims=True)
            log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            loss -= log_p[np.arange(len(truth)), truth].sum()
            right += int((logits.argmax(axis=1) == truth).sum())
        return float(loss / len(labels)), right / len(labels)


def installed(folders: list[str]) -> dict[str, str]:
    """The packages that lie in these folders, and their versions.

    Not all that is on the path: setuptools, once imported, puts its own copies of others there.
    Without the nameless rest that pip may leave of what conda had installed.
    """
    found = metadata.distributions(path=folders)
    return {package.name.lower(): package.version for package in found if package.name}


def thread_pools(by_numpy: bool) -> list[dict]:
    """The thread pools of the process's libraries, where each library lies, and whose it is.

    NumPy, in which the toolbox evaluates, and SciPy bring pools of their own. They are the
    framework's `own` only if it computes with them, `by_numpy`.
    """
    keys = ("user_api", "internal_api", "version", "num_threads", "architecture")
    pools = [
        {key: pool.get(key) for key in keys} | {"file": "/".join(Path(pool["filepath"]).parts[-2:])}
        for pool in threadpool_info()
    ]
    shared = [pool["file"].startswith(("numpy", "scipy")) for pool in pools]
    return [
        pool | {"own": by_numpy or not is_shared}
        for pool, is_shared in zip(pools, shared, strict=True)
    ]


def filled_up(losses: list[list[float]]) -> np.ndarray:
    """Step losses (epochs, steps), float64; an epoch with fewer steps than others ends in NaN."""
    whole = np.full((len(losses), max(map(len, losses))), np.nan)
    for row, epoch in zip(whole, losses, strict=True):
        row[: len(epoch)] = epoch
    return whole


class Epoch:
    """One pass over the training images: its clock, its batches, its losses.

    `losses` takes the loss of every step, as a number or as whatever the framework computes with.
    """

    def __init__(self, run: Run, index: int, order: np.ndarray | None):
        self.run, self.index = run, index
        self._order = order
        self.running = self.finished = False
        self.losses: list[float] = []
        self.steps = self.images = 0
        self.wait_seconds: float | None = None
        self.first_step: float | None = None

    @contextlib.contextmanager
    def clock(self) -> Iterator[np.ndarray | None]:
        """Time the training of this epoch, which hands over the order of its images.

        The protocol's order, int64 (N,), or None where the framework's own loader shuffles. The
        body ends with `finish`: the clock stops when all that was computed is there as numbers.
        """
        self.run.line.begins("epochs")
        self.running, begin = True, time.monotonic()
        yield self._order
        self.seconds = time.monotonic() - begin
        self.run.line.begins("between")
        self.running = False
        if not self.finished:
            raise RuntimeError(f"epoch {self.index}: its clock stopped before finish(weights)")
        self.average_loss = float(np.mean(self.losses))
        self.run.done.append(self)
        line = f"epoch {self.index}, avg loss {self.average_loss:.4f}, time {self.seconds:.2f}"
        print(line, flush=True)

    def batches(self, order) -> Iterator:
        """Slices of `order` (this epoch's, in whatever type indexes the framework's arrays)."""
        starts = range(0, len(order), self.run.batch_size)
        batches = (order[start : start + self.run.batch_size] for start in starts)
        if self.run.flags.restarts:
            yield from self.restarted(list(batches))
            return
        for batch in batches:  # each made when its turn comes
            yield from self.step(batch, len(batch))

    def restarted(self, batches: list) -> Iterator:
        """The same, each step restarted from the reference's weights; not while timed.

        These are the step's own, or those of the step before, which is then done once more, so that
        the loss shows its update, too. docs/gate.md says when, and what the file holds.
        """
        steps = np.load(self.run.flags.restarts, mmap_mode="r")[self.index * len(batches) :]
        for number, (batch, step) in enumerate(zip(batches, steps, strict=False)):
            one_before, *weights = step
            self.run.restart([np.array(weight) for weight in weights])
            if one_before:
                yield batches[number - 1]
                self.losses.pop()
            yield from self.step(batch, len(batch))

    def whole(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All batches of `order` at once, for a trainer that takes an epoch as a whole.

        The full ones as an array (steps, batch_size), and the images of the last, smaller one,
        whose number may be 0. `losses` then takes those of all steps.
        """
        self._within_clock()
        if self.run.flags.restarts:
            raise RuntimeError("an epoch taken as a whole cannot be restarted at each step")
        size = self.run.batch_size
        full, rest = np.split(order, [len(order) // size * size])
        self.steps, self.images = -(-len(order) // size), len(order)
        return full.reshape(-1, size), rest

    def waits(self, loader: Iterable) -> Iterator:
        """The loader's batches; the time until each is there is counted as waiting."""
        self.wait_seconds = 0.0
        begin = time.monotonic()
        for batch in loader:
            self.wait_seconds += time.monotonic() - begin
            yield from self.step(batch, len(batch[-1]))
            begin = time.monotonic()

    def step(self, batch, images: int) -> Iterator:
        """Hand out one batch and count it; the first is waited for, to know what it takes."""
        begin = time.monotonic()
        self._within_clock()
        yield batch
        self._within_clock()
        self.steps += 1
        self.images += images
        if self.steps == 1:
            bool(self.losses[-1])  # asking for the value waits until it is computed
            self.first_step = time.monotonic() - begin

    def finish(self, weights: Iterable[np.ndarray]) -> None:
        """Take the epoch's losses, and its weights in the protocol's shapes, as numbers.

        Before the clock stops, since whoever asks for the numbers waits for the work.
        """
        self._within_clock()
        self.losses = [float(loss) for loss in self.losses]
        self.weights = [np.array(weight) for weight in weights]
        self.finished = True

    def _within_clock(self) -> None:
        if not self.running or self.finished:
            raise RuntimeError(f"epoch {self.index}: trained outside of its clock")

    @property
    def named_weights(self) -> dict[str, np.ndarray]:
        """The arrays of weights that were handed over, by their names in the protocol."""
        names = (f"{kind}{layer}" for layer in itertools.count(1) for kind in "wb")
        return dict(zip(names, self.weights, strict=False))
