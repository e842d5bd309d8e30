"""Draw what all frameworks of a round share: the initial weights and the order of the images."""

import sys

import numpy as np

PIXELS, CLASSES = 28 * 28, 10


def stream(seed: int, round: int, part: int) -> np.random.Generator:
    """The random numbers of one part (0 the weights, 1 the order) of one round.

    NumPy's SeedSequence keeps the streams of all seeds, rounds and parts apart, and gives the same
    ones on every machine. The scenario does not enter: scenarios that train alike start alike, and
    one that only has another hidden layer still sees the images in the same order.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(round, part)))


def initial_weights(
    rng: np.random.Generator,
    hidden_units: int,
    weights: str | float = "1/sqrt(inputs)",
    biases: str | float = "1/sqrt(inputs)",
) -> dict[str, np.ndarray]:
    """Weights and biases of both layers, uniform within plus and minus the given bounds.

    A bound is a number or "1/sqrt(inputs)"; the latter, for both, is what PyTorch does by default.
    float32: w1 (hidden, 784), b1 (hidden,), w2 (10, hidden), b2 (10,).
    """
    drawn = {}
    for layer, (outputs, inputs) in enumerate([(hidden_units, PIXELS), (CLASSES, hidden_units)], 1):
        for name, bound, shape in (
            (f"w{layer}", weights, (outputs, inputs)),
            (f"b{layer}", biases, outputs),
        ):
            limit = 1 / np.sqrt(inputs) if bound == "1/sqrt(inputs)" else float(bound)
            drawn[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
    return drawn


def batch_order(rng: np.random.Generator, epochs: int, images: int) -> np.ndarray:
    """For each epoch a permutation of the images, int32 (epochs, images); batches are slices."""
    return np.stack([rng.permutation(images) for _ in range(epochs)]).astype(np.int32)


def main(snakemake) -> None:
    training, seed, round = (snakemake.params[name] for name in ("training", "seed", "round"))
    with np.load(snakemake.input.data) as data:
        images = len(data["train_labels"])
    # NumPy stamps every member of the archive with the same date: equal draws, equal bytes.
    np.savez(
        snakemake.output[0],
        **initial_weights(stream(seed, round, 0), training["hidden_units"]),
        order=batch_order(stream(seed, round, 1), training["epochs"], images),
    )


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    main(snakemake)
