"""Train the perceptron in NumPy float64: the yardstick of the gate.

Written as the textbook has it, and apart from the trainers: it shares no code with them, so that a
mistake in the toolbox shows as a deviation. Goodfellow, Bengio, Courville, "Deep Learning", 2016,
sections 6.2.2 (softmax and cross-entropy), 6.5 (back-propagation), 8.3.1 (SGD).
"""

import sys
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """w1 (hidden, 784), b1 (hidden,), w2 (10, hidden), b2 (10,)."""

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray


def normalized(images: np.ndarray, mean: float, std: float) -> np.ndarray:
    """uint8 (N, 28, 28) to float32 (N, 784): pixels in [0, 1], less the mean, over the std."""
    scaled = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    return (scaled - np.float32(mean)) / np.float32(std)


def forward(x: np.ndarray, weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a = x W1' + b1, h = max(0, a), and the logits z = h W2' + b2."""
    a = x @ weights.w1.T + weights.b1
    hidden = np.maximum(a, 0)
    return a, hidden, hidden @ weights.w2.T + weights.b2


def cross_entropy(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of -ln p_y, where p = softmax(z), and its gradient dz = (p - onehot(y)) / n.

    ln p_k = z_k - ln sum_j exp z_j; the largest logit is taken out first, against overflow.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    right = np.arange(len(y)), y
    dz = np.exp(log_p)
    dz[right] -= 1
    return -log_p[right].mean(), dz / len(y)


def backward(
    x: np.ndarray, a: np.ndarray, hidden: np.ndarray, dz: np.ndarray, weights: Weights
) -> Weights:
    """dW2 = dz' h, db2 = sum dz, da = dz W2 where a > 0 and else 0, dW1 = da' x, db1 = sum da."""
    da = (dz @ weights.w2) * (a > 0)
    return Weights(da.T @ x, da.sum(axis=0), dz.T @ hidden, dz.sum(axis=0))


def nearest_zero(a: np.ndarray) -> float:
    """The smallest |a| over their root mean square: how near a ReLU is to flipping."""
    return np.abs(a).min() / np.sqrt(np.square(a).mean())


def evaluate(x: np.ndarray, y: np.ndarray, weights: Weights) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, a fraction, on a test set."""
    _, _, logits = forward(x, weights)
    return cross_entropy(logits, y)[0], (logits.argmax(axis=1) == y).mean()


def train(
    train_set: tuple[np.ndarray, np.ndarray],
    test_set: tuple[np.ndarray, np.ndarray],
    weights: Weights,
    order: Iterable[np.ndarray],
    batch_size: int,
    learning_rate: float,
) -> dict[str, np.ndarray]:
    """Plain SGD from ``weights``, one epoch for each permutation in ``order``.

    The last batch of an epoch is what remains; loss and gradient are its own mean. Computes in the
    precision of the images and weights. Returns losses and nearest_zero
    (epochs, steps), and after each epoch test_loss and test_accuracy, a fraction, (epochs,).
    """
    x, y = train_set
    weights = Weights(*(weight.copy() for weight in weights))
    steps, tests = [], []
    for epoch in order:
        for start in range(0, len(epoch), batch_size):
            batch = epoch[start : start + batch_size]
            images, labels = x[batch], y[batch]
            a, hidden, logits = forward(images, weights)
            loss, dz = cross_entropy(logits, labels)
            gradients = backward(images, a, hidden, dz, weights)
            for weight, gradient in zip(weights, gradients, strict=True):
                gradient *= (
                    learning_rate  # in place: with temporaries, training takes twice as long
                )
                weight -= gradient
            steps.append((loss, nearest_zero(a)))
        tests.append(evaluate(*test_set, weights))
    losses, nearest = np.transpose(steps).reshape(2, len(tests), -1)
    test_loss, test_accuracy = np.transpose(tests)
    return {
        "losses": losses,
        "nearest_zero": nearest,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
    }


def data_sets(path: str, training: dict, dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test set: images (N, 784) of this dtype, normalized, and labels (N,).

    Normalized in float32 and then widened, since those are the numbers that trainers are given.
    """
    mean, std = training["pixel_mean"], training["pixel_std"]
    with np.load(path) as data:
        return [
            (normalized(data[f"{part}_images"], mean, std).astype(dtype), data[f"{part}_labels"])
            for part in ("train", "test")
        ]


def main(snakemake) -> None:
    training = snakemake.params.training
    train_set, test_set = data_sets(snakemake.input.data, training, "float64")
    with np.load(snakemake.input.protocol) as protocol:
        weights = Weights(*(protocol[name].astype(np.float64) for name in Weights._fields))
        order = protocol["order"]
    # MXNet's optimizer holds the learning rate in float32, so everybody trains with that number.
    learning_rate = float(np.float32(training["learning_rate"]))
    run = train(train_set, test_set, weights, order, training["batch_size"], learning_rate)
    np.savez(snakemake.output[0], **run)


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    main(snakemake)
