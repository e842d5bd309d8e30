from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

import numpy as np
import pytorch_statements
import torch
from torch import nn, optim
from torchvision import datasets, transforms
from worlds import installed_by, other_samples

_ones, _manual_seed = torch.ones, torch.manual_seed
_Linear, _Conv2d = nn.Linear, nn.Conv2d
_SGD, _step, _backward = optim.SGD, optim.SGD.step, torch.Tensor.backward
_getitem = datasets.FakeData.__getitem__
_fresh_process = pytorch_statements.fresh_process
_cross_entropy = nn.functional.cross_entropy

in_checks = partial(patch.object, pytorch_statements)


@contextmanager
def without(module, name):
    kept = getattr(module, name)
    delattr(module, name)
    yield
    setattr(module, name, kept)


def label_transformed_too(self, index):
    image, label = _getitem(self, index)
    return image, label + (self.transform is not None)


def not_scaled(self, image):
    return torch.tensor(np.array(image))[None]


def refuse_plain_tensors(self, x):
    raise TypeError("Variable expected")


def write_gradients(self):
    nodes = [self.grad_fn]
    for node in nodes:
        nodes += [following for following, _ in node.next_functions]
        if hasattr(node, "variable"):
            node.variable.grad = None
    _backward(self)


def process_seeded_with(code):
    return lambda program: _fresh_process(f"import torch\n{code}\n{program}")


def same_weights_only(program):
    reseeded = program.replace("print(torch.randperm", "torch.seed(); print(torch.randperm")
    return process_seeded_with("torch.manual_seed(0)")(reseeded)


WORLDS = {
    "install": [
        ["holds", installed_by("conda")],
        ["no longer", installed_by(None)],
    ],
    "ones_plus_one": [
        ["no longer", patch.object(torch, "ones", torch.zeros)],
        [
            "holds",
            patch.object(torch.Tensor, "__repr__", lambda _: "[torch.FloatTensor of size 5x3]"),
        ],
    ],
    "shape_argument": [
        ["no longer", patch.object(torch, "ones", lambda shape: _ones(shape))],
        ["no longer", patch.object(torch, "ones", lambda rows, columns: _ones(rows, columns))],
    ],
    "transform_first": [
        ["no longer", patch.object(datasets.FakeData, "__getitem__", label_transformed_too)],
        ["no longer", patch.object(transforms.ToTensor, "__call__", not_scaled)],
    ],
    "input_size": [
        ["no longer", patch.object(nn, "Linear", lambda outputs: _Linear(784, outputs))],
        ["holds", without(nn, "LazyLinear")],
        ["holds", patch.object(nn, "LazyLinear", lambda outputs: _Linear(784, 1))],
    ],
    "activation_argument": [
        ["no longer", patch.object(nn, "Linear", lambda *a, activation: _Linear(*a))],
        ["no longer", patch.object(nn, "Conv2d", lambda *a, activation: _Conv2d(*a))],
    ],
    "name_scope": [
        ["no longer", patch.object(nn.Module, "load_state_dict", lambda self, state: None)],
        ["no longer", patch.object(nn.Module, "named_parameters", lambda self: [("w", 0)] * 4)],
    ],
    "initialization": [
        [
            "no longer",
            patch.object(_Linear, "reset_parameters", lambda self: nn.init.zeros_(self.weight)),
        ],
    ],
    "custom_forward": [
        ["no longer", patch.object(torch, "relu", lambda x: x)],
        ["no longer", patch.object(nn.Sequential, "forward", lambda self, x: self[0](x))],
    ],
    "loss_and_sgd": [
        ["no longer", patch.object(optim, "SGD", partial(_SGD, weight_decay=1e-3))],
        ["no longer", patch.object(optim, "SGD", partial(_SGD, momentum=0.01))],
        ["no longer", patch.object(optim, "SGD", lambda params, lr: _SGD(params, lr * 1.001))],
        [
            "no longer",
            patch.object(nn, "CrossEntropyLoss", lambda: partial(_cross_entropy, reduction="sum")),
        ],
        [
            "no longer",
            patch.object(
                nn, "CrossEntropyLoss", lambda: lambda z, y: _cross_entropy(z, y).reshape(1)
            ),
        ],
    ],
    "recording": [
        ["holds", patch.object(_Linear, "forward", refuse_plain_tensors)],
        ["changed", in_checks("Variable", torch.clone)],
    ],
    "gradient_writing": [
        ["no longer", patch.object(torch.Tensor, "backward", write_gradients)],
    ],
    "step_batch_size": [
        ["no longer", patch.object(_SGD, "step", lambda self, batch_size=None: _step(self))],
        ["no longer", patch.object(torch.Tensor, "mean", lambda self: self.sum() / 128)],
    ],
    "array_to_number": [
        ["no longer", patch.object(torch.Tensor, "item", lambda self: self.numpy())],
    ],
    "runs_differ": [
        [
            "no longer",
            patch.object(torch, "manual_seed", lambda seed: None),
            in_checks("fresh_process", other_samples),
        ],
        [
            "no longer",
            patch.object(torch, "manual_seed", lambda seed: _manual_seed(0)),
            in_checks("fresh_process", other_samples),
        ],
        ["no longer", in_checks("fresh_process", process_seeded_with("torch.manual_seed(0)"))],
        ["changed", in_checks("fresh_process", same_weights_only)],
    ],
}
