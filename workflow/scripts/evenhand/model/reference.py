"""Train the perceptron in NumPy float64: what the gate compares with.

Written as the textbook has it, and apart from the trainers: it shares no code with them or their
toolbox, so that a mistake there shows as a deviation. Goodfellow, Bengio, Courville, "Deep
Learning", 2016, sections 6.2.2 (softmax and cross-entropy), 6.5 (back-propagation), 8.3.1 (SGD).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """The parameters of a layer, or their gradients."""

    w: np.ndarray  # (outputs, inputs)
    b: np.ndarray  # (outputs,)


Weights = list[Layer]  # from the first layer to the last

# A ReLU whose input is this near to zero, relative to all inputs' root mean square, may flip in
# float32: rounding errors near zero are 2.3e-7 of it, root mean square, and 2e-6 at most.
FLIPS = 2e-6
# Of so many first steps the loss after the update is kept, too: a trainer may take it by mistake.
STEPS_LOOKED_AT_TWICE = 10


def weights_of(arrays: Mapping[str, np.ndarray], dtype: str) -> Weights:
    """The weights w1, b1, w2, ... of a protocol, in this precision."""
    depth = sum(name.startswith("w") for name in arrays)
    return [
        Layer(arrays[f"w{layer}"].astype(dtype), arrays[f"b{layer}"].astype(dtype))
        for layer in range(1, depth + 1)
    ]


def normalized(images: np.ndarray, mean: float, std: float) -> np.ndarray:
    """uint8 (N, rows, columns) to float32 (N, pixels): in [0, 1], less the mean, over the std."""
    scaled = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    return (scaled - np.float32(mean)) / np.float32(std)


def forward(x: np.ndarray, weights: Weights) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For each layer its inputs h, and a = h W' + b; the next one's are h = max(0, a).

    The first layer's inputs are the images x; the last layer's a are the logits.
    """
    inputs, sums = [x], []
    for layer in weights:
        if sums:
            inputs.append(np.maximum(sums[-1], 0))
        sums.append(inputs[-1] @ layer.w.T + layer.b)
    return inputs, sums


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """ln p_k = z_k - ln sum_j exp z_j; the largest logit is taken out first, against overflow."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of -ln p_y, where p = softmax(z), and its gradient dz = (p - onehot(y)) / n."""
    log_p = log_softmax(logits)
    right = np.arange(len(y)), y
    dz = np.exp(log_p)
    dz[right] -= 1
    return -log_p[right].mean(), dz / len(y)


def backward(
    inputs: list[np.ndarray], sums: list[np.ndarray], dz: np.ndarray, weights: Weights
) -> Weights:
    """For each layer, from the last: dW = da' h, db = sum da; below, da W where a > 0 and else 0.

    `dz` is the loss's gradient by the logits, the last layer's da.
    """
    gradients, da = [], dz
    for index in reversed(range(len(weights))):
        gradients.append(Layer(da.T @ inputs[index], da.sum(axis=0)))
        if index:
            da = (da @ weights[index].w) * (sums[index - 1] > 0)
    return gradients[::-1]


def exact_loss(logits: np.ndarray, y: np.ndarray) -> float:
    """The loss of float64 logits, more exact than in float64.

    So no trainer finds the same last bit every time, unless the logits alone decide it.
    """
    return float(-log_softmax(logits.astype(np.longdouble))[np.arange(len(y)), y].mean())


def backwards(h: np.ndarray, layer: Layer) -> np.ndarray:
    """A layer's a = h W' + b, each sum added up from its end: as right, and rounded otherwise."""
    return h[:, ::-1] @ layer.w[:, ::-1].T + layer.b


def nearest_zero(hidden_sums: list[np.ndarray]) -> float:
    """How near a ReLU is to flipping: the smallest |a| over the root mean square of its layer's."""
    return min(np.abs(a).min() / np.sqrt(np.square(a).mean()) for a in hidden_sums)


def evaluate(x: np.ndarray, y: np.ndarray, weights: Weights) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, a fraction, of these weights."""
    logits = forward(x, weights)[1][-1]
    return cross_entropy(logits, y)[0], (logits.argmax(axis=1) == y).mean()


def train(
    train_set: tuple[np.ndarray, np.ndarray],
    test_set: tuple[np.ndarray, np.ndarray],
    weights: Weights,
    order: Iterable[np.ndarray],
    batch_size: int,
    learning_rate: float,
    before_step: Callable[[Weights], None] = lambda weights: None,
) -> dict[str, np.ndarray]:
    """Plain SGD from `weights`, one epoch for each permutation in `order`.

    The last batch of an epoch is what remains; loss and gradient are its own mean. Computes in the
    precision of the images and weights. `before_step` is shown the weights before each step, which
    change afterwards. Returns losses, nearest_zero and shows_rounding (epochs, steps), the last
    whether a step's loss has another last bit where the logits are added up backwards; of the
    first batches losses_after_update (steps,), and after each epoch test_loss and test_accuracy, a
    fraction, (epochs,).
    """
    x, y = train_set
    weights = [Layer(layer.w.copy(), layer.b.copy()) for layer in weights]
    steps, after_update, tests = [], [], []
    for epoch in order:
        for start in range(0, len(epoch), batch_size):
            before_step(weights)
            batch = epoch[start : start + batch_size]
            images, labels = x[batch], y[batch]
            inputs, sums = forward(images, weights)
            dz = cross_entropy(sums[-1], labels)[1]
            loss = exact_loss(sums[-1], labels)
            rounded = exact_loss(backwards(inputs[-1], weights[-1]), labels) != loss
            for layer, gradients in zip(weights, backward(inputs, sums, dz, weights), strict=True):
                for weight, gradient in zip(layer, gradients, strict=True):
                    # in place: with temporaries, training takes twice as long
                    gradient *= learning_rate
                    weight -= gradient
            steps.append((loss, nearest_zero(sums[:-1]), rounded))
            if len(steps) <= STEPS_LOOKED_AT_TWICE:
                after_update.append(evaluate(images, labels, weights)[0])
        tests.append(evaluate(*test_set, weights))
    losses, nearest, rounded = np.transpose(steps).reshape(3, len(tests), -1)
    test_loss, test_accuracy = np.transpose(tests)
    return {
        "losses": losses,
        "nearest_zero": nearest,
        "shows_rounding": rounded.astype(bool),
        "losses_after_update": np.array(after_update),
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
    }


def data_sets(
    path: str, pixel_mean: float, pixel_std: float, dtype: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test set: images (N, pixels) of this dtype, normalized, and labels (N,).

    Normalized in float32 and then widened, since those are the numbers that trainers are given.
    """
    with np.load(path) as data:
        return [
            (
                normalized(data[f"{part}_images"], pixel_mean, pixel_std).astype(dtype),
                data[f"{part}_labels"],
            )
            for part in ("train", "test")
        ]
