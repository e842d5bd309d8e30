from contextlib import nullcontext
from functools import partial
from unittest.mock import patch

import mxnet as mx
import mxnet_statements
import numpy as np
from mxnet import gluon, nd
from mxnet.gluon import nn
from worlds import installed_by, other_samples

_ones, _Dense, _Conv2D = nd.ones, nn.Dense, nn.Conv2D
_Trainer, _step = gluon.Trainer, gluon.Trainer.step
_loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
_attach_grad, _backward = nd.NDArray.attach_grad, nd.NDArray.backward
_seed, _numpy_seed = mx.random.seed, np.random.seed
_fresh_process = mxnet_statements.fresh_process

in_checks = partial(patch.object, mxnet_statements)


def save_by_position(self, file):
    nd.save(file, {str(number): value.data() for number, value in enumerate(self.values())})


def load_by_position(self, file):
    for parameter, value in zip(self.values(), nd.load(file).values(), strict=True):
        parameter.set_data(value)


def initialized_dense(units):
    layer = _Dense(units)
    layer.initialize()
    return layer


def trainer_with(**changes):
    return lambda params, name, options: _Trainer(params, name, {**options, **changes})


def always(request):
    return lambda self, grad_req: _attach_grad(self, request)


def process_seeded_with(code):
    return lambda program: _fresh_process(f"import mxnet, numpy, os\n{code}\n{program}")


WORLDS = {
    "install": [
        ["changed", installed_by("conda")],
        ["no longer", installed_by(None)],
    ],
    "ones_plus_one": [
        ["no longer", patch.object(nd, "ones", nd.zeros)],
        ["changed", patch.object(nd.NDArray, "__repr__", lambda self: "twos")],
    ],
    "shape_argument": [
        ["no longer", patch.object(nd, "ones", lambda *shape: _ones((5, 3)))],
    ],
    "transform_first": [
        [
            "no longer",
            patch.object(
                gluon.data.Dataset,
                "transform_first",
                lambda self, change: self.transform(lambda x, y: (change(x), y + 1)),
            ),
        ],
        ["no longer", patch.object(gluon.data.Dataset, "transform_first", lambda self, _: self)],
    ],
    "input_size": [
        ["no longer", patch.object(nn, "Dense", lambda units, in_units: _Dense(units))],
        ["no longer", patch.object(nn, "Dense", lambda units: _Dense(1))],
    ],
    "activation_argument": [
        ["no longer", patch.object(nn, "Dense", lambda units, activation: _Dense(units))],
        ["no longer", patch.object(nn, "Conv2D", lambda *a, activation: _Conv2D(*a))],
    ],
    "name_scope": [
        ["no longer", patch.object(gluon.Block, "load_parameters", lambda self, file: None)],
        ["no longer", patch.object(gluon.ParameterDict, "load", lambda self, file: None)],
        [
            "no longer",
            patch.object(gluon.ParameterDict, "save", save_by_position),
            patch.object(gluon.ParameterDict, "load", load_by_position),
        ],
        ["no longer", patch.object(gluon.Block, "name_scope", lambda self: nullcontext())],
        ["no longer", patch.object(mx.name.NameManager, "get", lambda self, name, hint: hint)],
        [
            "holds",
            patch.object(
                gluon.Block, "save_parameters", lambda self, file: self.collect_params().save(file)
            ),
            patch.object(
                gluon.Block,
                "load_parameters",
                lambda self, file: load_by_position(self.collect_params(), file),
            ),
        ],
    ],
    "initialization": [
        ["no longer", patch.object(nn, "Dense", initialized_dense)],
    ],
    "custom_forward": [
        ["no longer", patch.object(nd, "relu", lambda x: x)],
        ["no longer", patch.object(nn.Sequential, "forward", lambda self, x: self[0](x))],
    ],
    "loss_and_sgd": [
        ["no longer", patch.object(gluon, "Trainer", trainer_with(wd=1e-3))],
        ["no longer", patch.object(gluon, "Trainer", trainer_with(momentum=0.01))],
        ["no longer", patch.object(gluon, "Trainer", trainer_with(learning_rate=0.1001))],
        [
            "no longer",
            patch.object(
                gluon.loss,
                "SoftmaxCrossEntropyLoss",
                lambda: lambda z, y: _loss_fn(z, y).sum(),
            ),
        ],
    ],
    "recording": [
        ["no longer", patch.object(nd.NDArray, "backward", lambda self: None)],
        [
            "no longer",
            patch.object(nd.NDArray, "backward", lambda self: _backward(self, nd.array([2]))),
        ],
    ],
    "gradient_writing": [
        ["no longer", patch.object(nd.NDArray, "attach_grad", always("add"))],
        ["no longer", patch.object(nd.NDArray, "attach_grad", always("write"))],
    ],
    "step_batch_size": [
        [
            "no longer",
            patch.object(
                gluon.Trainer, "step", lambda self, batch_size=128: _step(self, batch_size)
            ),
        ],
        [
            "no longer",
            patch.object(gluon.Trainer, "step", lambda self, batch_size: _step(self, 96)),
        ],
    ],
    "array_to_number": [
        ["no longer", patch.object(nd.NDArray, "asscalar", lambda self: self)],
    ],
    "runs_differ": [
        [
            "no longer",
            patch.object(mx.random, "seed", lambda seed: None),
            in_checks("fresh_process", other_samples),
        ],
        [
            "no longer",
            patch.object(mx.random, "seed", lambda seed: _seed(0)),
            patch.object(np.random, "seed", lambda seed: _numpy_seed(0)),
            in_checks("fresh_process", other_samples),
        ],
        ["no longer", in_checks("fresh_process", process_seeded_with("numpy.random.seed(0)"))],
        [
            "holds",
            in_checks(
                "fresh_process",
                process_seeded_with("mxnet.random.seed(int.from_bytes(os.urandom(3), 'big'))"),
            ),
        ],
    ],
}
