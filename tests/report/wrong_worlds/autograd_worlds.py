from functools import partial
from unittest.mock import patch

import autograd_statements
import numpy
from autograd import grad, value_and_grad
from autograd import numpy as np
from autograd.tracer import Box
from worlds import adding_up

_ones, _sum = np.ones, np.sum

in_checks = partial(patch.object, autograd_statements)
adding_gradients = adding_up(lambda function, x: grad(function)(x))


class Result(float):
    def backward(self):
        pass


def sum_with_backward(x):
    total = _sum(x)
    return Result(total) if isinstance(total, numpy.float64) else total


def longer_steps(function):
    def patched(x):
        value, gradient = value_and_grad(function)(x)
        return value, 1.001 * gradient

    return patched


WORLDS = {
    "shape_argument": [
        ["as in PyTorch", patch.object(np, "ones", lambda *shape: _ones((5, 3)))],
    ],
    "loss_and_sgd": [
        ["differs", in_checks("value_and_grad", longer_steps)],
        ["differs", patch.object(np, "log", lambda x: x)],
    ],
    "recording": [
        ["as in PyTorch", patch.object(np, "sum", sum_with_backward)],
    ],
    "gradient_writing": [
        [
            "as in PyTorch",
            in_checks("grad", lambda function: partial(adding_gradients, function)),
        ],
    ],
    "array_to_number": [
        [
            "as in PyTorch",
            patch.object(Box, "__float__", lambda self: float(self._value), create=True),
        ],
    ],
}
