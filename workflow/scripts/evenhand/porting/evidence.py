"""What the first step of a port shows: its arrays beside the reference's, and what follows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evenhand.checks import causes, gate
from evenhand.model import mlp, reference
from evenhand.porting.trial import BATCH_SIZE, LAYERS, LEARNING_RATE, Left, Training

# Relative: far more than rounding in float64, and less than any fault that was tried.
ROUNDING = 1e-12
FLOAT32 = 1e-5  # the same for float32
# Causes that are told by how losses go on, of which the first step may know more.
BY_LOSSES = (causes.ORDER, causes.ONE_BATCH, causes.DIVERGED, causes.FIRST_UPDATE)
BY_LOSSES += (causes.SECOND_UPDATE, causes.OTHER_UPDATE, causes.AVERAGES)


@dataclass(frozen=True)
class Compared:
    """An array of the port beside the reference's.

    `ratio`: of the least-squares fit, port = ratio x reference + rest; `rest`: the norm of that
    rest as a share of the port's. Where the shapes differ, nothing can be compared.
    """

    name: str
    shape: tuple[int, ...]
    reference_shape: tuple[int, ...]
    norm: float
    reference_norm: float
    largest_difference: float
    ratio: float
    rest: float
    sha256: str
    reference_sha256: str

    @property
    def agrees(self) -> bool:
        return self.largest_difference <= ROUNDING * self.reference_norm

    @property
    def is_rounded(self) -> bool:
        """Whether it is off by no more than rounding to float32."""
        return self.rest < FLOAT32 and abs(self.ratio - 1) < FLOAT32


def digest(array: np.ndarray) -> str:
    """SHA-256 of the numbers as little-endian float64 in C order, its first twelve digits."""
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<f8").tobytes()).hexdigest()[:12]


def loss_is_right(training: Training, left: Left) -> bool:
    """Whether the loss of the first step is the reference's."""
    expected = training.reference.losses[0, 0]
    return bool(abs(first_loss(left) - expected) <= ROUNDING * expected)


def first_loss(left: Left) -> float:
    """The loss of the first step; NaN where there is none."""
    return float(gate.aligned(left.trained.losses, (1, 1))[0, 0])


def first_step(training: Training) -> dict[str, np.ndarray]:
    """What the reference computes in the first step: pixels, logits, gradients by name."""
    pixels, labels = training.set_of("train", which=training.sampled["order"][0, :BATCH_SIZE])
    inputs, sums = reference.forward(pixels, training.weights)
    dz = reference.cross_entropy(sums[-1], labels)[1]
    gradients = reference.backward(inputs, sums, dz, training.weights)
    arrays = {"pixels": pixels, "logits": sums[-1]}
    for number, layer in enumerate(gradients, 1):
        arrays |= {f"gradient_w{number}": layer.w, f"gradient_b{number}": layer.b}
    return arrays


def updates(training: Training, left: Left) -> dict[str, np.ndarray]:
    """What the one step took off the weights, over the learning rate: plain SGD's gradient."""
    return {
        f"update_{name}": (training.sampled[name].astype(float) - left.arrays[name]) / LEARNING_RATE
        for name in mlp.weight_shapes(LAYERS)
    }


def compared(training: Training, left: Left) -> list[Compared]:
    """The arrays that the port handed over, and its updates, each beside the reference's."""
    expected, names = first_step(training), mlp.weight_shapes(LAYERS)
    shown = {name: left.arrays[name] for name in expected if name in left.arrays}
    expected |= {f"update_{name}": expected[f"gradient_{name}"] for name in names}
    return [
        beside(name, a, expected[name]) for name, a in (shown | updates(training, left)).items()
    ]


def beside(name: str, array: np.ndarray, expected: np.ndarray) -> Compared:
    """One array beside another."""
    array = np.asarray(array, dtype=float)
    shapes, digests = (array.shape, expected.shape), (digest(array), digest(expected))
    norms = float(np.linalg.norm(array)), float(np.linalg.norm(expected))
    if array.shape != expected.shape:
        return Compared(name, *shapes, *norms, np.nan, np.nan, np.nan, *digests)
    with np.errstate(invalid="ignore"):  # of numbers that are not finite
        largest = float(np.abs(array - expected).max())
        ratio = float((array * expected).sum() / norms[1] ** 2)
        rest = float(np.linalg.norm(array - ratio * expected) / (norms[0] or 1))
    return Compared(name, *shapes, *norms, largest, ratio, rest, *digests)


def conclusions(training: Training, left: Left, rows: list[Compared]) -> list[str]:
    """What the arrays of the first step say about the fault, in sentences; none if they agree."""
    said, of = strange(training, left, rows), {row.name: row for row in rows}
    pixels, logits = of.get("pixels"), of.get("logits")
    wrong = [row for row in rows if row.name.startswith("update_") and not row.agrees]
    loss, loss_agrees = first_loss(left), loss_is_right(training, left)
    if comparable(pixels) and not pixels.agrees:
        said.append(pixels_differ(left.arrays["pixels"], first_step(training)["pixels"]))
    elif comparable(logits) and not (logits.agrees or logits.is_rounded or loss_agrees):
        right = comparable(pixels)
        known = "the pixels are right and the logits are not" if right else "the logits are others"
        said.append(f"{known}: look at the initial weights and at the layers")
    if abs(loss - loss_of_softmax_twice(training)) < FLOAT32:
        said.append("the loss is that of a softmax taken twice, once before the loss takes its own")
    if not loss_agrees and not wrong:
        said.append("the updates are right: it is the loss alone, as it is handed over")
    elif not loss_agrees and logits and logits.agrees:
        said.append("the logits are right and their loss is not: look at the labels and the loss")
    names, of_updates = ", ".join(row.name.removeprefix("update_") for row in wrong), []
    gradients = [of.get(row.name.replace("update", "gradient")) for row in wrong]
    if wrong and all(row and row.agrees for row in gradients):
        of_updates.append(f"the gradients of {names} are right, and what is made of them is not")
    elif wrong and loss_agrees and all(row and follows(row, left, training) for row in gradients):
        of_updates.append(f"the gradients of {names} are wrong: look at the backward pass")
    if wrong and (how := updates_differ(training, left, rows)):
        of_updates.append(how)
    if wrong and loss_agrees and not of_updates:
        said.append(f"the loss is right, and the updates of {names} are not plain SGD's of it")
    return said + of_updates


def follows(gradient: Compared, left: Left, training: Training) -> bool:
    """Whether what the step took off the weights is this gradient, as plain SGD has it."""
    array, name = left.arrays[gradient.name], gradient.name.replace("gradient", "update")
    return beside(name, updates(training, left)[name], np.asarray(array, dtype=float)).agrees


def refined(
    code: str, step: int | None, training: Training, left: Left, rows: list[Compared]
) -> str | None:
    """A more exact cause than the losses alone give, in a sentence, where the first step has one.

    `code`: theirs, of `evenhand.checks.causes`; `step`: the first whose loss deviates.
    """
    if code not in BY_LOSSES or step is None or not loss_is_right(training, left):
        return None
    of_updates = [row for row in rows if row.name.startswith("update_")]
    if not all(row.agrees or row.is_rounded for row in of_updates):
        return "the first update, since the loss before it is right"
    if step == 2:
        return "the second batch, since the first loss and the first update are right"
    if step == 3 and code == causes.DIVERGED:
        return (
            "what the optimizer remembers, since the first update is right and the training "
            "diverges from the third loss on: momentum, or gradients that add up"
        )
    return None


def comparable(row: Compared | None) -> bool:
    """Whether an array is there, of the right shape and finite."""
    return row is not None and bool(np.isfinite(row.largest_difference))


def strange(training: Training, left: Left, rows: list[Compared]) -> list[str]:
    """What is wrong with arrays whatever their numbers: shapes, types, numbers not finite."""
    said = []
    for row in rows:
        if row.shape != row.reference_shape:
            said.append(f"the shape of {row.name} is {row.shape}, not {row.reference_shape}")
        elif not np.isfinite(row.norm):
            said.append(f"{row.name} has numbers that are not finite")
    types = {name: left.arrays[name].dtype for name in mlp.weight_shapes(LAYERS)}
    if other := {name: str(dtype) for name, dtype in types.items() if dtype != training.dtype}:
        names, found = ", ".join(other), " and ".join(sorted(set(other.values())))
        said.append(f"{names} are handed over in {found}, and {training.dtype} was asked for")
    return said


def loss_of_softmax_twice(training: Training) -> float:
    """The first loss if what the loss function is given are probabilities, and not logits."""
    labels = training.images["train_labels"][training.sampled["order"][0, :BATCH_SIZE]]
    powers = np.exp(first_step(training)["logits"])  # of small numbers, while weights are new
    return float(reference.cross_entropy(powers / powers.sum(axis=1, keepdims=True), labels)[0])


def pixels_differ(pixels: np.ndarray, expected: np.ndarray) -> str:
    """How the pixels differ: whether they are scaled and shifted, or other images."""
    if beside("pixels", pixels, expected).is_rounded:
        return "the pixels are off by no more than rounding to float32: they are given normalized"
    slope, shift = np.polyfit(expected.ravel(), pixels.ravel().astype(float), 1)
    if np.abs(slope * expected + shift - pixels).max() < FLOAT32 * np.abs(expected).max():
        return (
            f"the pixels are {slope:.9g} times the right ones, plus {shift:.3g}: "
            "they are scaled or normalized in another way"
        )
    return "the pixels are of other images, or in another place of the image"


def updates_differ(training: Training, left: Left, rows: list[Compared]) -> str | None:
    """How the first update differs from plain SGD's, where that can be told."""
    of = [row for row in rows if row.name.startswith("update_")]
    if not all(map(comparable, of)):
        return None
    if still := [row.name.removeprefix("update_") for row in of if row.norm == 0]:
        names = ", ".join(still)
        return f"{names} did not change: no update reached them, or older ones are handed over"
    ratios = np.array([row.ratio for row in of])
    ratio, unlike = ratios[0], np.ptp(ratios) / abs(ratios[0])
    rest = max(row.rest for row in of)
    if all(row.is_rounded for row in of) and max(rest, unlike) > ROUNDING:
        return "the updates are off by no more than rounding to float32"
    if max(rest, unlike) < FLOAT32:
        return (
            f"every update is {ratio:.9g} times the right one, as if the learning rate were "
            f"{ratio * LEARNING_RATE:.9g} instead of {LEARNING_RATE:.9g}, or the loss scaled"
        )
    if decay := weight_decay(training, left):
        return f"what is too much in the updates is {decay:.3g} times the weights: a weight decay"
    return None


def weight_decay(training: Training, left: Left) -> float | None:
    """The factor if, in every array of weights, the surplus of the update is the same multiple."""
    factors, expected = [], first_step(training)
    for name, update in updates(training, left).items():
        name = name.removeprefix("update_")
        if name.startswith("w"):  # biases are often left out
            weight = training.sampled[name].astype(float)
            surplus = update - expected[f"gradient_{name}"]
            factor = float((surplus * weight).sum() / (weight**2).sum())
            if not np.linalg.norm(surplus - factor * weight) < 1e-3 * np.linalg.norm(surplus):
                return None
            factors.append(factor)
    return factors[0] if np.ptp(factors) < 1e-3 * abs(factors[0]) else None


def as_dict(row: Compared) -> Mapping:
    """The row as JSON has it, with null where nothing can be compared."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in vars(row).items()
    } | {"agrees": row.agrees}
