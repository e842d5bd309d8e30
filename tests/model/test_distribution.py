"""The distribution trains as the reference does, by a framework's own rules."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from evenhand.core import axes
from evenhand.model import distribution, reference
from evenhand.model.distribution import Sgd
from evenhand.model.reference import Layer
from support import digits

pytestmark = pytest.mark.fast


def with_black_margins(tmp_path):
    """Made-up digits with black margins, as MNIST's: in all training images, or in most.

    The test images have none.
    """
    data = digits.packed(tmp_path, 300, 100) / "images.npz"
    with np.load(data) as made:
        arrays = dict(made)
    arrays["train_images"][:, :6] = 0
    arrays["train_images"][:290, 20:] = 0
    np.savez(data, **arrays)
    return data


def trained(data, seeds, layers, initializer, last_batch):
    train_set, test_set = reference.data_sets(data, 0.13, 0.31, "float32")
    images = distribution.sorted_by_use(*train_set)
    sgd = Sgd(128, 0.1, last_batch)
    tables = [
        distribution.trained(seed, images, test_set, layers, 2, sgd, initializer)
        for seed in range(seeds)
    ]
    return pd.concat(tables)


@pytest.mark.parametrize("hidden", [[16], [32, 16]])
@pytest.mark.parametrize("framework", ["pytorch", "mxnet"])
def test_the_distribution_trains_by_the_frameworks_own_rules(tmp_path, framework, hidden):
    data = with_black_margins(tmp_path)
    layers, rules = [784, *hidden, 10], axes.framework(framework)
    table = trained(data, 3, layers, rules["initializer"], rules["last_batch"])
    assert table["seed"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["epoch"].tolist() == [0, 1] * 3
    assert table["average_loss"].nunique() == 6

    # The same seed's weights, drawn and trained here by what docs/gate.md says of the framework.
    rng = np.random.default_rng(1)
    weights = []
    for inputs, outputs in pairwise(layers):
        bounds = {"pytorch": [1 / np.sqrt(inputs)] * 2, "mxnet": [0.07, 0]}
        w, b = bounds[framework]
        weights.append(Layer(rng.uniform(-w, w, (outputs, inputs)), rng.uniform(-b, b, outputs)))
    (x, y), test_set = reference.data_sets(data, 0.13, 0.31, "float64")
    epochs = []
    for order in [rng.permutation(300) for _ in range(2)]:
        losses = []
        for batch in np.split(order, [128, 256]):  # the last of 44 images
            inputs, sums = reference.forward(x[batch], weights)
            loss, dz = reference.cross_entropy(sums[-1], y[batch])
            rate = 0.1 * (len(batch) / 128 if framework == "mxnet" else 1)
            gradients = reference.backward(inputs, sums, dz, weights)
            weights = [
                Layer(here.w - rate * slope.w, here.b - rate * slope.b)
                for here, slope in zip(weights, gradients, strict=True)
            ]
            losses.append(loss)
        epochs.append((np.mean(losses), reference.evaluate(*test_set, weights)[1]))
    found = table[["average_loss", "test_accuracy"]][2:4]
    np.testing.assert_allclose(found, epochs, rtol=1e-5)


# As computed when the distribution knew one hidden layer alone.
@pytest.mark.parametrize(
    ("framework", "losses", "accuracies"),
    [
        ("pytorch", [2.22158145904541, 1.7160505056381226], [0.79, 0.9]),
        ("mxnet", [2.303781270980835, 2.240396022796631], [0.21, 0.35]),
    ],
)
def test_one_hidden_layer_trains_as_it_always_did(tmp_path, framework, losses, accuracies):
    data, rules = digits.packed(tmp_path, 300, 100) / "images.npz", axes.framework(framework)
    table = trained(data, 2, [784, 16, 10], rules["initializer"], rules["last_batch"])
    of_seed = table[table["seed"] == 1]
    np.testing.assert_allclose(of_seed["average_loss"], losses, rtol=1e-6)
    assert of_seed["test_accuracy"].tolist() == accuracies


def test_images_of_another_size_are_trained_on(tmp_path):
    data = digits.packed(tmp_path, 300, 100, image=(12, 9), classes=4) / "images.npz"
    bounds = {"weights": "1/sqrt(inputs)", "biases": "1/sqrt(inputs)"}
    table = trained(data, 1, [108, 16, 4], bounds, "own size")
    assert table["average_loss"].is_monotonic_decreasing
