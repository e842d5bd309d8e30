"""The reference's weights, from which a trainer is restarted at every step.

Some operations compute in float32 alone, so that no rehearsal in float64 can prove them. There each
step is taken anew from the weights that the reference had, rounded to float32: rounding cannot add
up, and one limit holds for all steps.
"""

from collections.abc import Sequence
from os import PathLike

import numpy as np
from numpy.lib.format import open_memmap

from evenhand.model import mlp, reference


def row(layers: Sequence[int]) -> np.dtype:
    """What a step restarts from: the weights w1, b1, ... before it, or those of `one_before`."""
    shapes = mlp.weight_shapes(layers)
    return np.dtype([("one_before", "?"), *((name, "f4", shape) for name, shape in shapes.items())])


def one_before(nearest_zero: np.ndarray) -> np.ndarray:
    """At which steps the one before is to be done, too, so that the loss shows its update.

    At all but an epoch's first, and those after a step in which float32 may flip a ReLU, which
    changes the update by more than rounding does. `nearest_zero` is the reference's, of each step;
    both are of shape (epochs, steps).
    """
    sure = nearest_zero >= reference.FLIPS
    return np.hstack([np.zeros_like(sure[:, :1]), sure[:, :-1]])


def write(
    path: str | PathLike,
    train_set: tuple[np.ndarray, np.ndarray],
    weights: reference.Weights,
    order: np.ndarray,
    batch_size: int,
    learning_rate: float,
    nearest_zero: np.ndarray,
) -> None:
    """Write a `row` for each step, epoch after epoch, as a .npy file: 1.9 GB for the tutorial's.

    The training is the one of `reference.train`, whose `nearest_zero` is given.
    """
    layers = [weights[0].w.shape[1], *(len(layer.b) for layer in weights)]
    before = one_before(nearest_zero).ravel()
    rows = open_memmap(path, mode="w+", dtype=row(layers), shape=before.shape)
    rows["one_before"] = before
    steps = iter(range(len(before)))

    def keep(now: reference.Weights) -> None:
        """Keep the weights for this step, for the next, for both, or for none."""
        step = next(steps)
        for later in range(step, min(step + 2, len(before))):
            if before[later] == (later > step):
                values = [array for layer in now for array in layer]
                for name, value in zip(rows.dtype.names[1:], values, strict=True):
                    rows[name][later] = value

    one_image = train_set[0][:1], train_set[1][:1]  # there is nothing to be tested
    reference.train(train_set, one_image, weights, order, batch_size, learning_rate, keep)
    rows.flush()
