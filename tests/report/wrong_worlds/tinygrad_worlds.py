from functools import partial
from unittest.mock import patch

import tinygrad_statements
from tinygrad import Context, Tensor, nn
from worlds import first_time_only, other_samples

_ones = Tensor.ones
_Linear, _SGD, _step = nn.Linear, nn.optim.SGD, nn.optim.Optimizer.step
_backward, _sum, _loss = Tensor.backward, Tensor.sum, Tensor.sparse_categorical_crossentropy

in_checks = partial(patch.object, tinygrad_statements)


def step_at_any_time(self):
    with Context(TRAINING=1):
        _step(self)


def take_batch_size(self, batch_size=None):
    if batch_size is None:
        _step(self)


def sum_at_once(self, *arguments, **options):
    return _sum(self, *arguments, **options).realize()


WORLDS = {
    "ones_plus_one": [
        ["holds", patch.object(Tensor, "__repr__", lambda self: str(self.numpy()))],
    ],
    "shape_argument": [
        ["no longer", patch.object(Tensor, "ones", lambda shape: _ones(shape))],
        ["differs", patch.object(Tensor, "ones", lambda *shape: _ones(5))],
    ],
    "input_size": [
        ["as in MXNet", patch.object(nn, "Linear", lambda outputs: _Linear(784, outputs))],
    ],
    "custom_forward": [
        ["differs", patch.object(Tensor, "relu", lambda self: self)],
        ["differs", patch.object(Tensor, "sequential", lambda self, parts: parts[0](self))],
    ],
    "loss_and_sgd": [
        ["differs", patch.object(nn.optim, "SGD", lambda params, lr: _SGD(params, 1.001 * lr))],
        ["differs", patch.object(nn.optim, "SGD", partial(_SGD, weight_decay=1e-3))],
        [
            "differs",
            patch.object(
                Tensor, "sparse_categorical_crossentropy", lambda z, y: _loss(z, y, reduction="sum")
            ),
        ],
    ],
    "gradient_writing": [
        ["differs", patch.object(Tensor, "backward", first_time_only(_backward))],
    ],
    "step_batch_size": [
        [
            "differs",
            patch.object(nn.optim.Optimizer, "step", take_batch_size),
        ],
        ["differs", patch.object(nn.optim.Optimizer, "step", step_at_any_time)],
        ["differs", patch.object(Tensor, "mean", lambda self: self.sum() / 128)],
    ],
    "array_to_number": [
        ["as in PyTorch", patch.object(Tensor, "sum", sum_at_once)],
    ],
    "runs_differ": [["holds", in_checks("fresh_process", other_samples)]],
}
