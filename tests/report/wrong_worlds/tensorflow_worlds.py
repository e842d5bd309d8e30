from functools import partial
from inspect import signature
from unittest.mock import patch

import tensorflow as tf
import tensorflow_statements
from worlds import adding_up, other_samples, same_samples, same_weights

_ones, _set_seed, _map = tf.ones, tf.keras.utils.set_random_seed, tf.data.Dataset.map
_Dense, _SGD = tf.keras.layers.Dense, tf.keras.optimizers.SGD
_cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
_gradient = tf.GradientTape.gradient

Tensor = type(tf.ones(1))
in_checks = partial(patch.object, tensorflow_statements)


def ones_of_one_shape(shape):
    return _ones(shape)


def map_first(self, change):
    if len(signature(change).parameters) == 1:
        return _map(self, lambda first, second: (change(first), second))
    return _map(self, change)


WORLDS = {
    "ones_plus_one": [
        ["differs", patch.object(tf, "ones", tf.zeros)],
        ["differs", patch.object(Tensor, "__str__", lambda self: "twos")],
    ],
    "shape_argument": [
        ["as in MXNet", patch.object(tf, "ones", ones_of_one_shape)],
        ["as in PyTorch", patch.object(tf, "ones", lambda *shape: _ones((5, 3)))],
    ],
    "transform_first": [
        ["as in MXNet", patch.object(tf.data.Dataset, "map", map_first)],
    ],
    "input_size": [
        ["as in PyTorch", patch.object(tf.keras.layers, "Dense", lambda units: _Dense(1))],
    ],
    "loss_and_sgd": [
        [
            "differs",
            patch.object(
                tf.keras.optimizers, "SGD", lambda learning_rate: _SGD(1.001 * learning_rate)
            ),
        ],
        ["differs", patch.object(tf.keras.optimizers, "SGD", partial(_SGD, momentum=0.01))],
        [
            "differs",
            patch.object(
                tf.nn,
                "sparse_softmax_cross_entropy_with_logits",
                lambda labels, logits: tf.reduce_mean(_cross_entropy(labels, logits)),
            ),
        ],
    ],
    "recording": [
        ["differs", patch.object(tf.GradientTape, "gradient", lambda self, y, x: 2 * x)],
    ],
    "gradient_writing": [
        ["as in PyTorch", patch.object(tf.GradientTape, "gradient", adding_up(_gradient))],
    ],
    "array_to_number": [
        ["as in PyTorch", patch.object(Tensor, "item", lambda self: 0.5, create=True)],
    ],
    "runs_differ": [
        [
            "differs",
            patch.object(tf.keras.utils, "set_random_seed", lambda seed: None),
            in_checks("fresh_process", other_samples),
        ],
        [
            "differs",
            patch.object(tf.keras.utils, "set_random_seed", lambda seed: _set_seed(0)),
            in_checks("fresh_process", other_samples),
        ],
        ["differs", in_checks("fresh_process", same_samples)],
        ["differs", in_checks("fresh_process", same_weights)],
    ],
}
