"""What all frameworks of a round share depends on seed, round and sizes, and on nothing else."""

from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import protocol
import pytest


@pytest.fixture
def draw(tmp_path):
    """Runs the rule's script and returns the path of the protocol."""
    data = tmp_path / "mnist.npz"
    np.savez(data, train_labels=np.zeros(300, np.uint8))

    def draw(name: str, seed: int = 2018, round: int = 0, hidden_units: int = 16, epochs: int = 2):
        path = tmp_path / f"{name}.npz"
        training = {"hidden_units": hidden_units, "epochs": epochs}
        params = {"training": training, "seed": seed, "round": round}
        protocol.main(
            SimpleNamespace(input=SimpleNamespace(data=data), output=[path], params=params)
        )
        return path

    return draw


def test_equal_questions_get_equal_bytes(draw):
    once, again = draw("once"), draw("again")
    assert once.read_bytes() == again.read_bytes()
    # Nor does the time of day enter: the archive's members bear no date but zip's first.
    dates = {member.date_time for member in ZipFile(once).infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("other", [{"seed": 2019}, {"round": 1}])
def test_another_seed_or_round_gets_other_weights_and_orders(draw, other):
    here, there = np.load(draw("here")), np.load(draw("there", **other))
    for name in ("w1", "b1", "w2", "b2", "order"):
        assert (here[name] != there[name]).mean() > 0.9


def test_a_wider_layer_or_more_epochs_leave_the_order_as_it_is(draw):
    here, there = np.load(draw("here")), np.load(draw("there", hidden_units=32, epochs=3))
    np.testing.assert_array_equal(here["order"], there["order"][:2])


def test_weights_are_float32_within_their_bounds(draw):
    drawn = np.load(draw("drawn"))
    shapes = {"w1": (16, 784), "b1": (16,), "w2": (10, 16), "b2": (10,)}
    for name, shape in shapes.items():
        bound = 1 / np.sqrt(784 if name[1] == "1" else 16)
        assert drawn[name].shape == shape
        assert drawn[name].dtype == np.float32
        assert bound / 2 < np.abs(drawn[name]).max() <= np.float32(bound)


def test_each_epoch_sees_every_image_once(draw):
    order = np.load(draw("drawn"))["order"]
    assert order.shape == (2, 300)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), [np.arange(300)] * 2)
    assert (order[0] != order[1]).any()


def test_a_bound_may_be_a_number():
    drawn = protocol.initial_weights(np.random.default_rng(0), 16, weights=0.07, biases=0)
    assert 0.06 < np.abs(drawn["w1"]).max() <= np.float32(0.07)
    assert 0.06 < np.abs(drawn["w2"]).max() <= np.float32(0.07)
    assert not drawn["b1"].any()
    assert not drawn["b2"].any()
