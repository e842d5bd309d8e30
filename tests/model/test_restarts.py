"""The weights from which a trainer is restarted at every step are the reference's."""

import numpy as np
import pytest

from evenhand.model import protocol, reference, restarts

pytestmark = pytest.mark.fast

LAYERS, EPOCHS, IMAGES, SIZE, RATE = [12, 6, 5, 4], 2, 30, 8, 0.1
STEPS = 4  # an epoch: three batches of 8 images and one of 6


@pytest.fixture(scope="module")
def training():
    """Training set, weights and order of a small training."""
    rng = np.random.default_rng(0)
    train_set = rng.normal(size=(IMAGES, LAYERS[0])), rng.integers(0, LAYERS[-1], IMAGES)
    given = protocol.sample(1, 0, LAYERS, EPOCHS, IMAGES)
    return train_set, reference.weights_of(given, "float64"), given["order"]


def written(folder, training, nearest_zero):
    """The file of a training whose ReLUs are so near to zero."""
    restarts.write(folder / "weights.npy", *training, SIZE, RATE, nearest_zero)
    return np.load(folder / "weights.npy", mmap_mode="r")


def loss_of(row, training, step):
    """The loss of a step by what a file has of it, in float64."""
    (x, y), _, order = training
    epoch, place = divmod(step, STEPS)
    batches = [order[epoch][start : start + SIZE] for start in range(0, IMAGES, SIZE)]
    one_before, *arrays = row
    weights = [reference.Layer(*map(np.array, arrays[i : i + 2])) for i in range(0, 6, 2)]
    if one_before:
        batch = batches[place - 1]
        inputs, sums = reference.forward(x[batch], weights)
        dz = reference.cross_entropy(sums[-1], y[batch])[1]
        gradients = reference.backward(inputs, sums, dz, weights)
        weights = [
            reference.Layer(w - RATE * dw, b - RATE * db)
            for (w, b), (dw, db) in zip(weights, gradients, strict=True)
        ]
    logits = reference.forward(x[batches[place]], weights)[1][-1]
    return reference.cross_entropy(logits, y[batches[place]])[0]


@pytest.mark.parametrize("doubtful", [[], [(0, 1), (1, 0), (1, 2)]])
def test_each_step_restarts_from_the_weights_before_it_or_before_the_one_before(
    tmp_path, training, doubtful
):
    nearest = np.ones((EPOCHS, STEPS))
    for at in doubtful:
        nearest[at] = reference.FLIPS / 2
    rows = written(tmp_path, training, nearest)
    train_set, weights, order = training
    losses = reference.train(train_set, train_set, weights, order, SIZE, RATE)["losses"]
    found = [loss_of(row, training, step) for step, row in enumerate(rows)]
    np.testing.assert_allclose(found, losses.ravel(), atol=3e-7)
    expected = np.ones((EPOCHS, STEPS), bool)
    expected[:, 0] = False  # the step before is of another epoch
    for epoch, place in doubtful:
        expected[epoch, place + 1] = False
    assert rows["one_before"].tolist() == expected.ravel().tolist()


def test_the_weights_are_those_of_the_reference_in_float32(tmp_path, training):
    rows = written(tmp_path, training, np.zeros((EPOCHS, STEPS)))
    kept = []
    train_set, weights, order = training

    def keep(now):
        kept.append([array.astype(np.float32) for layer in now for array in layer])

    reference.train(train_set, train_set, weights, order, SIZE, RATE, keep)
    for row, arrays in zip(rows, kept, strict=True):
        assert not row["one_before"]
        for name, array in zip(rows.dtype.names[1:], arrays, strict=True):
            np.testing.assert_array_equal(row[name], array)
