"""Sample what all frameworks of a round share: the initial weights and the order of the images."""

from collections.abc import Sequence

import numpy as np

from evenhand.model import mlp


def stream(seed: int, round_: int, part: int) -> np.random.Generator:
    """The random numbers of one part (0 the weights, 1 the order) of one round.

    NumPy's SeedSequence keeps the streams of all seeds, rounds and parts apart, and gives the same
    ones on every machine. The scenario does not enter: scenarios that train alike start alike, and
    one that only has another hidden layer still sees the images in the same order.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(round_, part)))


def initial_weights(
    rng: np.random.Generator,
    layers: Sequence[int],
    weights: str | float = "1/sqrt(inputs)",
    biases: str | float = "1/sqrt(inputs)",
) -> dict[str, np.ndarray]:
    """Weights and biases of all layers, uniform within plus and minus the given bounds.

    `layers`: sizes from inputs to classes. A bound is a number, "1/sqrt(inputs)" or
    "sqrt(6/(inputs+outputs))" (Glorot and Bengio, AISTATS 2010, eq. 16). float32: w1 (outputs,
    inputs), b1 (outputs,), and so on.
    """
    bounds = {"w": weights, "b": biases}
    sampled = {}
    for name, shape in mlp.weight_shapes(layers).items():
        inputs, outputs = layers[int(name[1:]) - 1 : int(name[1:]) + 1]
        rules = {
            "1/sqrt(inputs)": 1 / np.sqrt(inputs),
            "sqrt(6/(inputs+outputs))": np.sqrt(6 / (inputs + outputs)),
        }
        bound = bounds[name[0]]
        limit = rules[bound] if bound in rules else float(bound)
        sampled[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
    return sampled


def batch_order(rng: np.random.Generator, epochs: int, images: int) -> np.ndarray:
    """For each epoch a permutation of the images, int32 (epochs, images); batches are slices."""
    return np.stack([rng.permutation(images) for _ in range(epochs)]).astype(np.int32)


def sample(
    seed: int, round_: int, layers: Sequence[int], epochs: int, images: int
) -> dict[str, np.ndarray]:
    """A round's protocol: the initial weights by name, and `order`."""
    return initial_weights(stream(seed, round_, 0), layers) | {
        "order": batch_order(stream(seed, round_, 1), epochs, images)
    }
