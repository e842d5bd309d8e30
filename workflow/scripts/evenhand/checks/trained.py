"""What the gate judges, and by what: losses and accuracies as arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evenhand.core.identity import losses_path
from toolbox.record import Record


class Trained(NamedTuple):
    """What a run left to be judged."""

    losses: np.ndarray  # (epochs, steps), the loss of each step
    test_loss: np.ndarray  # (epochs,), on the test set after each epoch
    accuracy: np.ndarray  # (epochs,), the same, a fraction


NOTHING = Trained(np.empty((0, 0)), np.empty(0), np.empty(0))


class Reference(NamedTuple):
    """What it is judged by."""

    losses: np.ndarray
    test_loss: np.ndarray
    accuracy: np.ndarray
    nearest_zero: np.ndarray  # (epochs, steps), the smallest ReLU input of each step, relative
    shows_rounding: np.ndarray  # (epochs, steps), whether rounding decides a loss's last bit
    losses_after_update: np.ndarray  # of the first steps' batches, after each one's own update

    @classmethod
    def of(cls, trained: Mapping[str, np.ndarray]) -> "Reference":
        """What the reference's `train` returns, or the file that it was kept in."""
        names = ("losses", "test_loss", "test_accuracy")
        names += ("nearest_zero", "shows_rounding", "losses_after_update")
        return cls(*(trained[name] for name in names))


class Sizes(NamedTuple):
    """What limits and causes depend on."""

    batch_size: int
    layers: tuple[int, ...]  # from inputs to classes
    learning_rate: float
    train_images: int
    test_images: int

    @classmethod
    def of(cls, training: Mapping) -> "Sizes":
        """Those of a scenario's training."""
        return cls(*(training[name] for name in cls._fields))


def read(record: Path) -> Trained:
    """The run behind a record; NOTHING where the files cannot be read, which no check passes."""
    try:
        epochs = Record.read(record).measured.epochs
        test_loss = np.array([epoch.test_loss for epoch in epochs], dtype=float)
        accuracy = np.array([epoch.test_accuracy for epoch in epochs], dtype=float)
        losses = np.load(losses_path(record)).astype(float)
    except (OSError, EOFError, ValueError, TypeError):  # NotARecord is a ValueError
        return NOTHING
    return Trained(losses, test_loss, accuracy) if losses.ndim == 2 else NOTHING


def read_reference(path: Path) -> Reference:
    """What a round's training gives in NumPy float64."""
    with np.load(path) as file:
        return Reference.of(file)
