"""The reference against calculus, and against its own numbers of earlier days."""

import ast
import inspect
from itertools import pairwise

import numpy as np
import pytest

from evenhand.model import protocol, reference
from evenhand.model.reference import Layer
from support import digits

pytestmark = pytest.mark.fast

DEPTHS = [[3], [32, 16], [5, 4, 3]]


def made_up_batch(rng, hidden=(3,)):
    layers = [784, *hidden, 10]
    weights = [
        Layer(rng.normal(0, 0.3, (outputs, inputs)), rng.normal(0, 0.3, outputs))
        for inputs, outputs in pairwise(layers)
    ]
    return rng.normal(size=(6, 784)), rng.integers(0, 10, 6), weights


def loss_and_gradient(x, y, weights):
    inputs, sums = reference.forward(x, weights)
    loss, dz = reference.cross_entropy(sums[-1], y)
    return loss, reference.backward(inputs, sums, dz, weights)


def moved(weights, distance, direction):
    return [
        Layer(here.w + distance * there.w, here.b + distance * there.b)
        for here, there in zip(weights, direction, strict=True)
    ]


@pytest.mark.parametrize("hidden", DEPTHS)
def test_the_references_gradient_is_the_slope_of_its_loss(hidden):
    rng = np.random.default_rng(0)
    x, y, weights = made_up_batch(rng, hidden)
    _, gradient = loss_and_gradient(x, y, weights)
    assert [g.w.shape for g in gradient] == [layer.w.shape for layer in weights]
    for layer, (w, b) in enumerate(weights):  # each layer by itself, then all of them
        direction = [Layer(np.zeros_like(w), np.zeros_like(b)) for w, b in weights]
        direction[layer] = Layer(rng.normal(size=w.shape), rng.normal(size=b.shape))
        slope_fits(x, y, weights, gradient, direction)
    everywhere = [Layer(rng.normal(size=w.shape), rng.normal(size=b.shape)) for w, b in weights]
    slope_fits(x, y, weights, gradient, everywhere)


def slope_fits(x, y, weights, gradient, direction):
    losses = [loss_and_gradient(x, y, moved(weights, d, direction))[0] for d in (1e-6, -1e-6)]
    along = sum(
        (g * d).sum()
        for of_layer, to in zip(gradient, direction, strict=True)
        for g, d in zip(of_layer, to, strict=True)
    )
    assert along == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("hidden", DEPTHS)
def test_the_references_loss_is_minus_the_logarithm_of_the_right_probability(hidden):
    x, y, weights = made_up_batch(np.random.default_rng(1), hidden)
    values = x
    for w, b in weights[:-1]:
        values = np.maximum(values @ w.T + b, 0)
    odds = np.exp(values @ weights[-1].w.T + weights[-1].b)
    right = odds[np.arange(6), y] / odds.sum(axis=1)
    assert loss_and_gradient(x, y, weights)[0] == pytest.approx(-np.log(right).mean())


def test_its_losses_are_more_exact_than_a_trainers_in_float64():
    """Whose last bits they do not share, though nothing of the training told the two apart."""
    rng = np.random.default_rng(3)
    _, _, weights = made_up_batch(rng)
    x, y = rng.normal(size=(12_800, 784)), rng.integers(0, 10, 12_800)
    order = np.arange(len(x))[None]
    exact = reference.train((x, y), (x[:10], y[:10]), weights, order, 128, 1e-30)["losses"][0]
    batches = np.split(order[0], 100)
    plain = np.array([loss_and_gradient(x[batch], y[batch], weights)[0] for batch in batches])
    np.testing.assert_allclose(exact, plain, rtol=0, atol=1e-14)
    assert np.mean(exact == plain) < 0.9


def test_where_rounding_shows_a_separate_training_seldom_finds_the_same_last_bit():
    """The same net with its hidden units in another order, which large losses hardly tell apart."""
    rng = np.random.default_rng(6)
    _, _, (lower, upper) = made_up_batch(rng, hidden=[32])
    x, y = rng.normal(size=(9_600, 784)), rng.integers(0, 10, 9_600)
    sets, order = [(x, y), (x[:10], y[:10])], np.arange(len(x))[None]
    turned = [
        reference.Layer(lower.w[::-1], lower.b[::-1]),
        reference.Layer(upper.w[:, ::-1], upper.b),
    ]
    run, other = (
        reference.train(*sets, weights, order, 64, 1e-3) for weights in ([lower, upper], turned)
    )
    same, shows = run["losses"] == other["losses"], run["shows_rounding"]
    assert shows.dtype == bool and shows.shape == same.shape == (1, 150)
    assert shows.any() and not shows.all()
    assert same[shows].mean() < 0.7 < same[~shows].mean()


def test_the_last_batch_counts_as_its_own_mean():
    x, y, weights = made_up_batch(np.random.default_rng(2))
    order = np.arange(6)[None].repeat(2, axis=0)  # one batch of 6 an epoch, where 8 would fit
    run = reference.train((x, y), (x, y), weights, order, 8, 0.1)
    _, gradient = loss_and_gradient(x, y, weights)
    second, _ = loss_and_gradient(x, y, moved(weights, -0.1, gradient))
    assert run["losses"][1, 0] == pytest.approx(second, rel=1e-12)


def test_of_the_first_steps_the_loss_after_the_update_is_kept_too():
    x, y, weights = made_up_batch(np.random.default_rng(5))
    order = np.arange(6)[None].repeat(12, axis=0)  # one batch an epoch, always the same
    run = reference.train((x, y), (x, y), weights, order, 6, 0.1)
    next_losses = run["losses"].ravel()[1:11]
    np.testing.assert_allclose(run["losses_after_update"], next_losses, rtol=1e-14)


@pytest.mark.parametrize(("hidden", "layer"), [([3], 0), ([8, 4], 0), ([8, 4], 1)])
def test_the_reference_tells_how_near_a_relu_is_to_flipping(hidden, layer):
    x, y, weights = made_up_batch(np.random.default_rng(3), hidden)
    _, sums = reference.forward(x, weights)
    weights[layer].b[0] -= sums[layer][0, 0] - 1e-9  # now the first image's first ReLU is that near
    run = reference.train((x, y), (x, y), weights, np.arange(6)[None], 6, 0.1)
    rms = np.sqrt(np.mean(reference.forward(x, weights)[1][layer] ** 2))
    assert run["nearest_zero"][0, 0] == pytest.approx(1e-9 / rms, rel=1e-4)


def trained(tmp_path, layers, epochs=2):
    data = digits.packed(tmp_path, 300, 100) / "images.npz"
    shared = protocol.sample(2018, 3, layers, epochs, 300)
    sets = reference.data_sets(data, 0.13, 0.31, "float64")
    weights = reference.weights_of(shared, "float64")
    rate = float(np.float32(0.1))
    return reference.train(*sets, weights, shared["order"], 128, rate)


# As computed when the reference knew one hidden layer alone.
def test_one_hidden_layer_trains_as_it_always_did(tmp_path):
    run = trained(tmp_path, [784, 16, 10])
    losses = [
        [2.3500797192513057, 2.220916360158119, 2.0738370650949154],
        [1.94996526620307, 1.7874437846925924, 1.67558169433564],
    ]
    nearest_zero = [
        [7.9502905216117435e-05, 7.2903012488060367e-05, 1.0321278595543245e-04],
        [1.2326066795360754e-03, 1.0766091994609676e-03, 2.2531474372176549e-03],
    ]
    np.testing.assert_allclose(run["losses"], losses, rtol=1e-13)
    np.testing.assert_allclose(run["nearest_zero"], nearest_zero, rtol=1e-9)
    np.testing.assert_allclose(
        run["test_loss"], [1.9909401534502142, 1.5152054096578278], rtol=1e-13
    )
    assert run["test_accuracy"].tolist() == [0.43, 0.56]


def test_several_hidden_layers_learn(tmp_path):
    run = trained(tmp_path, [784, 32, 16, 10], epochs=20)
    assert run["losses"].shape == run["nearest_zero"].shape == (20, 3)
    assert run["test_accuracy"][-1] > 0.9


def test_training_leaves_the_weights_that_it_was_given():
    x, y, weights = made_up_batch(np.random.default_rng(4))
    before = weights[0].w.copy()
    reference.train((x, y), (x, y), weights, np.arange(6)[None], 6, 0.1)
    np.testing.assert_array_equal(weights[0].w, before)


def test_the_reference_shares_no_code_with_what_it_judges():
    tree = ast.parse(inspect.getsource(reference))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names == {"collections.abc", "typing", "numpy"}
