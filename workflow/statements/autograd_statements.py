"""The tutorial's statements, answered by autograd."""

from contextlib import nullcontext

import autograd.numpy as np
from autograd import grad, value_and_grad

from observing import fails

MODULES = ["autograd", "numpy"]
DEVICES = {"cpu": nullcontext()}


def shape_argument():
    x = np.ones((5, 3))
    print(type(x), x.shape)
    refused = fails(lambda: np.ones(5, 3), TypeError)
    return "as in MXNet" if refused else "as in PyTorch"


def loss_and_sgd():
    X = np.array([[1.0, 2.0], [3.0, -1.0]])
    y = np.array([0, 1])
    weight = np.array([[0.5, -1.0], [0.0, 0.5]])

    def loss_fn(weight):
        z = X @ weight.T
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[[0, 1], y])

    for _ in range(2):
        loss, gradient = value_and_grad(loss_fn)(weight)
        weight -= 0.1 * gradient
        print("loss", np.round(loss, 4))
    print("weights", np.round(weight, 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(weight, by_hand, atol=1e-6)
    return "holds" if same else "differs"


def recording():
    x = np.array([1.0, 2.0, 3.0])
    y = np.sum(x * x)
    nothing_kept = fails(lambda: y.backward(), AttributeError)
    print(grad(lambda x: np.sum(x * x))(x))
    return "differs" if nothing_kept else "as in PyTorch"


def gradient_writing():
    x = np.array([1.0, 2.0, 3.0])
    gradients = []
    for _ in range(2):
        gradients.append(grad(lambda x: np.sum(x * x))(x).tolist())
        print(gradients[-1])
    accumulates = gradients == [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]
    return "as in PyTorch" if accumulates else "differs"


def array_to_number():
    x = np.array([0.25, 0.75])
    loss = np.mean(x)
    print(type(loss), loss)
    refused = fails(
        lambda: grad(lambda x: float(np.mean(x)))(x), TypeError
    )
    return "differs" if refused else "as in PyTorch"
