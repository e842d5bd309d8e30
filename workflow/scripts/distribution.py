"""What the tutorial's training gives over many seeds, by NumPy, for one framework.

In float32, as the tutorial trains, with the framework's own initializer and last-batch rule, which
stand beside its tutorial trainer. The mathematics is the reference's; since it is done so often, it
spares itself what black pixels make superfluous.
"""

import sys
from typing import NamedTuple

import numpy as np
import pandas as pd
import protocol
import reference
import yaml


class Digits(NamedTuple):
    """Images (N, 784), their pixels sorted: those that most training images use come first.

    So what a batch leaves black, its margins, stands together at the end.
    """

    x: np.ndarray  # (N, 784) float32, normalized
    y: np.ndarray  # (N,)
    pixels: np.ndarray  # (784,), where each pixel was
    used: np.ndarray  # (N,), how many pixels there are up to the image's last that is not black
    black: np.float32


def sorted_by_use(x: np.ndarray, y: np.ndarray) -> Digits:
    black = x.min()
    use = x != black
    pixels = np.argsort(-use.sum(axis=0), kind="stable")
    use = np.take(use, pixels, axis=1)
    used = np.where(use.any(axis=1), x.shape[1] - use[:, ::-1].argmax(axis=1), 0)
    return Digits(np.take(x, pixels, axis=1), y, pixels, used, black)


def train(
    digits: Digits,
    test_set: tuple[np.ndarray, np.ndarray],
    weights: reference.Weights,
    order: np.ndarray,
    training: dict,
    divide_by_batch_size: bool,
) -> list[tuple[float, float]]:
    """Average loss and test accuracy of each epoch of plain SGD from these weights, in float32.

    ``order`` (epochs, N). The gradient of an epoch's last batch is its own mean, or with
    ``divide_by_batch_size`` the sum over the batch size; its loss is its own mean in both cases.
    In a batch whose images use the first k pixels, all others are black: their part of the first
    layer is black times the sum of their weights, and their weights' gradients are black times the
    bias's. That spares a fifth of the arithmetic.
    """
    size = training["batch_size"]
    w1, w2 = weights.w1.T[digits.pixels], weights.w2.T.copy()
    b1, b2 = weights.b1.copy(), weights.b2.copy()
    change = np.empty_like(w1)  # one for all steps: to find memory takes as long as to compute
    test_images, test_labels = test_set[0][:, digits.pixels], test_set[1]
    epochs = []
    for epoch in order:
        losses = []
        for start in range(0, len(epoch), size):
            batch = epoch[start : start + size]
            k = digits.used[batch].max()
            seen = digits.x[batch, :k]
            a = seen @ w1[:k]
            a += b1 + digits.black * w1[k:].sum(axis=0)
            hidden = np.maximum(a, 0)
            loss, dz = reference.cross_entropy(hidden @ w2 + b2, digits.y[batch])
            dz *= training["learning_rate"] * (len(batch) / size if divide_by_batch_size else 1)
            da = dz @ w2.T
            da *= a > 0
            db = da.sum(axis=0)
            w1[:k] -= np.matmul(seen.T, da, out=change[:k])
            w1[k:] -= digits.black * db
            b1 -= db
            w2 -= hidden.T @ dz
            b2 -= dz.sum(axis=0)
            losses.append(loss)
        here = reference.Weights(w1.T, b1, w2.T, b2)
        epochs.append((np.mean(losses), reference.evaluate(test_images, test_labels, here)[1]))
    return epochs


def trained(seed: int, rules: dict, training: dict, digits: Digits, test_set) -> pd.DataFrame:
    """One seed's row for each epoch: average_loss, the mean of batch means, and test_accuracy.

    ``rules``: initializer (bounds of weights and biases), last_batch ("its own size" or
    "batch_size": what divides the sum of its gradients). ``training``: a scenario's settings.
    """
    rng = np.random.default_rng(seed)
    weights = protocol.initial_weights(rng, training["hidden_units"], **rules["initializer"])
    order = protocol.batch_order(rng, training["epochs"], len(digits.y))
    epochs = train(
        digits,
        test_set,
        reference.Weights(**weights),
        order,
        training,
        divide_by_batch_size=rules["last_batch"] == "batch_size",
    )
    table = pd.DataFrame(epochs, columns=["average_loss", "test_accuracy"])
    return table.assign(seed=seed, epoch=table.index)[["seed", "epoch", *table.columns]]


def main(snakemake) -> None:
    with open(snakemake.input.rules) as file:
        rules = yaml.safe_load(file)
    training = snakemake.params.training
    train_set, test_set = reference.data_sets(snakemake.input.data, training, "float32")
    digits = sorted_by_use(*train_set)
    seeds = []
    for seed in range(snakemake.params.seeds):
        seeds.append(trained(seed, rules, training, digits, test_set))
        print(seeds[-1].to_string(index=False, header=seed == 0), flush=True)
    pd.concat(seeds).to_csv(snakemake.output[0], index=False)


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    main(snakemake)
