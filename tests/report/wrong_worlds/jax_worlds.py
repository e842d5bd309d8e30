from functools import partial
from unittest.mock import patch

import jax
import jax.numpy as jnp
import jax_statements
from worlds import adding_up, other_samples, same_samples

_ones, _normal = jnp.ones, jax.random.normal
_grad, _value_and_grad = jax.grad, jax.value_and_grad
_log_softmax = jax.nn.log_softmax

Array = type(jnp.ones(1))
in_checks = partial(patch.object, jax_statements)
adding_gradients = adding_up(lambda function, x: _grad(function)(x))


def longer_steps(function):
    def value_and_grad(x):
        value, gradient = _value_and_grad(function)(x)
        return value, 1.001 * gradient

    return value_and_grad


WORLDS = {
    "ones_plus_one": [
        ["differs", patch.object(jnp, "ones", jnp.zeros)],
        ["differs", patch.object(Array, "__str__", lambda self: "twos")],
    ],
    "shape_argument": [
        ["as in PyTorch", patch.object(jnp, "ones", lambda *shape: _ones((5, 3)))],
    ],
    "loss_and_sgd": [
        ["differs", patch.object(jax, "value_and_grad", longer_steps)],
        ["differs", patch.object(jax.nn, "log_softmax", lambda z: 2 * _log_softmax(z))],
    ],
    "recording": [
        ["as in PyTorch", patch.object(Array, "backward", lambda self: None, create=True)],
    ],
    "gradient_writing": [
        [
            "as in PyTorch",
            patch.object(jax, "grad", lambda function: partial(adding_gradients, function)),
        ],
    ],
    "array_to_number": [
        ["differs", patch.object(Array, "item", lambda self: self)],
        ["differs", patch.object(jax, "jit", lambda function: function)],
    ],
    "runs_differ": [
        ["holds", in_checks("fresh_process", other_samples)],
        [
            "holds",
            patch.object(jax.random, "normal", lambda key=0, shape=(): _ones(shape)),
            in_checks("fresh_process", same_samples),
        ],
    ],
}
