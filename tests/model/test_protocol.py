"""What all frameworks of a round share depends on seed, round and sizes, and on nothing else."""

import hashlib

import numpy as np
import pytest

from evenhand.model import protocol

pytestmark = pytest.mark.fast


def sample(seed=2018, round_=0, layers=(784, 16, 10), epochs=2, images=300):
    return protocol.sample(seed, round_, layers, epochs, images)


def test_equal_questions_get_equal_values():
    once, again = sample(), sample()
    assert list(once) == ["w1", "b1", "w2", "b2", "order"]
    for name, values in once.items():
        np.testing.assert_array_equal(values, again[name])


# Published results rest on these: what samples them may change, the bytes may not.
@pytest.mark.parametrize(
    ("round_", "hidden", "sha256"),
    [
        (0, 256, "bde06b487120f43b9011890755d5c9a51f2a904223a4a4fcea08f573534cedf7"),
        (3, 16, "04fbf70fe7f4b9dfb392d1461e3ea5463adab16583f112be9dae3f7878889ec0"),
    ],
)
def test_the_weights_of_a_seed_and_round_stay_the_same_bytes(round_, hidden, sha256):
    weights = protocol.initial_weights(protocol.stream(2018, round_, 0), [784, hidden, 10])
    data = b"".join(weights[name].tobytes() for name in ("w1", "b1", "w2", "b2"))
    assert hashlib.sha256(data).hexdigest() == sha256


def test_the_order_of_a_seed_and_round_stays_the_same_bytes():
    order = sample(round_=3)["order"]
    assert hashlib.sha256(order.tobytes()).hexdigest().startswith("459bd99a923b0c59")


@pytest.mark.parametrize("other", [{"seed": 2019}, {"round_": 1}])
def test_another_seed_or_round_gets_other_weights_and_orders(other):
    here, there = sample(), sample(**other)
    for name in ("w1", "b1", "w2", "b2", "order"):
        assert (here[name] != there[name]).mean() > 0.9


@pytest.mark.parametrize("layers", [(784, 32, 10), (784, 16, 16, 10)])
def test_other_layers_or_more_epochs_leave_the_order_as_it_is(layers):
    here, there = sample(), sample(layers=layers, epochs=3)
    np.testing.assert_array_equal(here["order"], there["order"][:2])


@pytest.mark.parametrize("layers", [(784, 16, 10), (784, 32, 16, 10), (108, 24, 4)])
def test_weights_are_float32_within_their_bounds(layers):
    sampled = sample(layers=layers)
    assert len(sampled) == 2 * (len(layers) - 1) + 1
    for layer in range(1, len(layers)):
        inputs, outputs = layers[layer - 1 : layer + 1]
        bound = 1 / np.sqrt(inputs)
        for name, shape in ((f"w{layer}", (outputs, inputs)), (f"b{layer}", (outputs,))):
            assert sampled[name].shape == shape
            assert sampled[name].dtype == np.float32
            assert bound / 2 < np.abs(sampled[name]).max() <= np.float32(bound)


def test_each_epoch_sees_every_image_once():
    order = sample()["order"]
    assert order.shape == (2, 300)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), [np.arange(300)] * 2)
    assert (order[0] != order[1]).any()


def test_a_bound_may_be_a_number():
    rng = np.random.default_rng(0)
    sampled = protocol.initial_weights(rng, [784, 16, 10], weights=0.07, biases=0)
    assert 0.06 < np.abs(sampled["w1"]).max() <= np.float32(0.07)
    assert 0.06 < np.abs(sampled["w2"]).max() <= np.float32(0.07)
    assert not sampled["b1"].any()
    assert not sampled["b2"].any()


def test_a_bound_may_depend_on_the_layers_on_both_sides():
    """Glorot and Bengio (2010), equation 16."""
    rng = np.random.default_rng(0)
    bounds = {"weights": "sqrt(6/(inputs+outputs))", "biases": 0}
    sampled = protocol.initial_weights(rng, [784, 16, 10], **bounds)
    for name, bound in {"w1": np.sqrt(6 / (784 + 16)), "w2": np.sqrt(6 / (16 + 10))}.items():
        assert 0.9 * bound < np.abs(sampled[name]).max() <= np.float32(bound)
    assert not sampled["b1"].any() and not sampled["b2"].any()
