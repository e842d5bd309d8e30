"""What a training gives over many seeds, by NumPy, for one framework.

In float32, as frameworks train, with the framework's own initializer and rule for the last batch.
The mathematics is the reference's; since it is done so often, it spares itself what black pixels
make superfluous.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenhand.model import protocol, reference


class Images(NamedTuple):
    """A training set, its pixels sorted: those that most images use come first.

    So what a batch leaves black, its margins, stands together at the end.
    """

    x: np.ndarray  # (N, pixels) float32, normalized
    y: np.ndarray  # (N,)
    pixels: np.ndarray  # (pixels,), where each pixel was
    used: np.ndarray  # (N,), how many pixels there are up to the image's last that is not black
    black: np.float32


class Sgd(NamedTuple):
    """How the weights change in a step."""

    batch_size: int
    learning_rate: float
    # What divides the summed gradients of an epoch's last, smaller batch: "own size" or "batch
    # size". Its loss is its own mean in both cases.
    last_batch: str


def sorted_by_use(x: np.ndarray, y: np.ndarray) -> Images:
    black = x.min()
    use = x != black
    pixels = np.argsort(-use.sum(axis=0), kind="stable")
    use = np.take(use, pixels, axis=1)
    used = np.where(use.any(axis=1), x.shape[1] - use[:, ::-1].argmax(axis=1), 0)
    return Images(np.take(x, pixels, axis=1), y, pixels, used, black)


def train(
    images: Images,
    test_set: tuple[np.ndarray, np.ndarray],
    weights: reference.Weights,
    order: np.ndarray,
    sgd: Sgd,
) -> list[tuple[float, float]]:
    """Average loss and test accuracy of each epoch of plain SGD from these weights, in float32.

    `order` (epochs, N). In a batch whose images use the first k pixels, all others are black: their
    part of the first layer is black times the sum of their weights, and their weights' gradients
    are black times the bias's. That spares a fifth of the arithmetic.
    """
    w1, b1 = weights[0].w.T[images.pixels], weights[0].b.copy()
    upper = [(layer.w.T.copy(), layer.b.copy()) for layer in weights[1:]]
    change = np.empty_like(w1)  # one for all steps: to find memory takes as long as to compute
    test_images, test_labels = test_set[0][:, images.pixels], test_set[1]
    epochs = []
    for epoch in order:
        losses = []
        for start in range(0, len(epoch), sgd.batch_size):
            batch = epoch[start : start + sgd.batch_size]
            k = images.used[batch].max()
            seen = images.x[batch, :k]
            a = seen @ w1[:k]
            a += b1 + images.black * w1[k:].sum(axis=0)
            sums, hidden = [a], []
            for w, b in upper:
                hidden.append(np.maximum(sums[-1], 0))
                sums.append(hidden[-1] @ w + b)
            loss, da = reference.cross_entropy(sums.pop(), images.y[batch])
            own = sgd.last_batch == "own size"
            da *= sgd.learning_rate * (1 if own else len(batch) / sgd.batch_size)
            for (w, b), h, a in zip(upper[::-1], hidden[::-1], sums[::-1], strict=True):
                below = da @ w.T
                below *= a > 0
                w -= h.T @ da
                b -= da.sum(axis=0)
                da = below
            db = da.sum(axis=0)
            w1[:k] -= np.matmul(seen.T, da, out=change[:k])
            w1[k:] -= images.black * db
            b1 -= db
            losses.append(loss)
        here = [reference.Layer(w.T, b) for w, b in [(w1, b1), *upper]]
        epochs.append((np.mean(losses), reference.evaluate(test_images, test_labels, here)[1]))
    return epochs


def trained(
    seed: int,
    images: Images,
    test_set: tuple[np.ndarray, np.ndarray],
    layers: Sequence[int],
    epochs: int,
    sgd: Sgd,
    initializer: Mapping[str, str | float],
) -> pd.DataFrame:
    """One seed's row for each epoch: average_loss, the mean of batch means, and test_accuracy.

    `initializer`: the bounds of `weights` and `biases`, as protocol.initial_weights has them.
    """
    rng = np.random.default_rng(seed)
    weights = protocol.initial_weights(rng, layers, **initializer)
    order = protocol.batch_order(rng, epochs, len(images.y))
    rows = train(images, test_set, reference.weights_of(weights, "float32"), order, sgd)
    table = pd.DataFrame(rows, columns=["average_loss", "test_accuracy"])
    return table.assign(seed=seed, epoch=table.index)[["seed", "epoch", *table.columns]]
