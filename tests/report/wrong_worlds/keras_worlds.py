from functools import partial
from unittest.mock import patch

import jax.numpy as jnp
import keras
import keras_statements
import numpy as np
from keras import layers, ops
from worlds import other_samples, same_samples, same_weights

_ones = ops.ones
_Dense, _Conv2D, _SGD = layers.Dense, layers.Conv2D, keras.optimizers.SGD
_Loss = keras.losses.SparseCategoricalCrossentropy
_set_random_seed = keras.utils.set_random_seed

in_checks = partial(patch.object, keras_statements)


def built_dense(units):
    layer = _Dense(units)
    layer.build((None, 784))
    return layer


WORLDS = {
    "ones_plus_one": [
        ["differs", patch.object(ops, "ones", ops.zeros)],
        ["differs", patch.object(ops, "ones", lambda shape: np.ones(shape))],
    ],
    "shape_argument": [
        ["as in PyTorch", patch.object(ops, "ones", lambda *shape: _ones((5, 3)))],
    ],
    "input_size": [
        ["as in PyTorch", patch.object(layers, "Dense", lambda units: _Dense(1))],
    ],
    "activation_argument": [
        ["differs", patch.object(layers, "Dense", lambda units, activation: _Dense(units))],
        ["differs", patch.object(layers, "Conv2D", lambda *size, activation: _Conv2D(*size))],
    ],
    "initialization": [
        ["as in PyTorch", patch.object(layers, "Dense", built_dense)],
    ],
    "custom_forward": [
        ["differs", patch.object(ops, "relu", lambda x: x)],
        ["differs", patch.object(keras, "Sequential", lambda parts: parts[0])],
    ],
    "loss_and_sgd": [
        [
            "differs",
            patch.object(
                keras.optimizers, "SGD", lambda learning_rate: _SGD(1.001 * learning_rate)
            ),
        ],
        ["differs", patch.object(keras.optimizers, "SGD", partial(_SGD, momentum=0.01))],
        [
            "differs",
            patch.object(
                keras.losses, "SparseCategoricalCrossentropy", partial(_Loss, reduction="sum")
            ),
        ],
    ],
    "recording": [
        [
            "as in PyTorch",
            patch.object(type(jnp.ones(1)), "backward", lambda self: None, create=True),
        ],
    ],
    "runs_differ": [
        [
            "differs",
            patch.object(keras.utils, "set_random_seed", lambda seed: None),
            in_checks("fresh_process", other_samples),
        ],
        [
            "differs",
            patch.object(keras.utils, "set_random_seed", lambda seed: _set_random_seed(0)),
            in_checks("fresh_process", other_samples),
        ],
        ["differs", in_checks("fresh_process", same_samples)],
        ["differs", in_checks("fresh_process", same_weights)],
    ],
}
