from functools import partial
from unittest.mock import patch

import paddle
import paddle_statements
from paddle import nn, optimizer
from worlds import first_time_only, other_samples, same_samples, same_weights

_ones, _seed = paddle.ones, paddle.seed
_Linear, _CrossEntropyLoss = nn.Linear, nn.CrossEntropyLoss
_SGD, _step, _backward = optimizer.SGD, optimizer.SGD.step, paddle.Tensor.backward

in_checks = partial(patch.object, paddle_statements)


def dense_with(**attributes):
    return lambda inputs, outputs: _Linear(inputs, outputs, **attributes)


def refuse_without_gradients(self):
    if self.stop_gradient:
        raise RuntimeError("nothing needs a gradient")
    _backward(self)


WORLDS = {
    "shape_argument": [
        ["no longer", patch.object(paddle, "ones", lambda shape: _ones(shape))],
        ["differs", patch.object(paddle, "ones", lambda *shape: _ones([5]))],
    ],
    "input_size": [
        ["differs", patch.object(nn, "Linear", lambda *sizes: _Linear(784, sizes[-1]))],
        ["differs", patch.object(nn, "Linear", lambda rows, columns: _Linear(columns, rows))],
    ],
    "initialization": [
        [
            "differs",
            patch.object(nn, "Linear", dense_with(weight_attr=nn.initializer.Constant(0))),
        ],
        [
            "differs",
            patch.object(nn, "Linear", dense_with(bias_attr=nn.initializer.Constant(1))),
        ],
    ],
    "loss_and_sgd": [
        [
            "differs",
            patch.object(
                optimizer,
                "SGD",
                lambda learning_rate, parameters: _SGD(1.001 * learning_rate, parameters),
            ),
        ],
        ["differs", patch.object(optimizer, "SGD", partial(_SGD, weight_decay=1e-3))],
        [
            "differs",
            patch.object(nn, "CrossEntropyLoss", partial(_CrossEntropyLoss, reduction="sum")),
        ],
        [
            "differs",
            patch.object(
                nn,
                "CrossEntropyLoss",
                lambda: lambda z, y: _CrossEntropyLoss()(z, y).reshape([1]),
            ),
        ],
    ],
    "recording": [
        ["as in PyTorch", patch.object(paddle.Tensor, "backward", refuse_without_gradients)],
    ],
    "gradient_writing": [
        ["differs", patch.object(paddle.Tensor, "backward", first_time_only(_backward))],
    ],
    "step_batch_size": [
        ["differs", patch.object(_SGD, "step", lambda self, batch_size=None: _step(self))],
        ["differs", patch.object(paddle.Tensor, "mean", lambda self: self.sum() / 128)],
    ],
    "array_to_number": [
        ["differs", patch.object(paddle.Tensor, "item", lambda self: self.numpy())],
    ],
    "runs_differ": [
        [
            "differs",
            patch.object(paddle, "seed", lambda seed: None),
            in_checks("fresh_process", other_samples),
        ],
        [
            "differs",
            patch.object(paddle, "seed", lambda seed: _seed(0)),
            in_checks("fresh_process", other_samples),
        ],
        ["differs", in_checks("fresh_process", same_samples)],
        ["differs", in_checks("fresh_process", same_weights)],
    ],
}
