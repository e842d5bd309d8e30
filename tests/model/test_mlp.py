"""What the model's sizes say of its arrays and of its work."""

import pytest

from evenhand.model import mlp

pytestmark = pytest.mark.fast


def test_each_layer_has_weights_and_biases_in_the_protocols_order():
    shapes = mlp.weight_shapes([784, 32, 16, 10])
    assert list(shapes) == ["w1", "b1", "w2", "b2", "w3", "b3"]
    assert shapes["w1"] == (32, 784)
    assert shapes["w2"] == (16, 32)
    assert shapes["b2"] == (16,)
    assert shapes["w3"] == (10, 16)


def test_the_tutorials_model_takes_818_thousand_operations_an_image():
    assert mlp.flop_per_image([784, 256, 10]) == 2 * 2 * 784 * 256 + 3 * 2 * 256 * 10 == 818_176


def test_every_layer_but_the_first_passes_its_gradient_on():
    # forward and gradient of the weights for all of them, gradient of the inputs for two of three
    forward = 2 * (784 * 32 + 32 * 16 + 16 * 10)
    assert mlp.flop_per_image([784, 32, 16, 10]) == 2 * forward + 2 * (32 * 16 + 16 * 10)


@pytest.mark.parametrize(("layers", "relus"), [([784, 256, 10], 256), ([784, 32, 16, 10], 48)])
def test_all_hidden_units_are_relus(layers, relus):
    assert mlp.relus_per_image(layers) == relus
