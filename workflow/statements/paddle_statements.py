"""The tutorial's statements, answered by PaddlePaddle."""

from contextlib import nullcontext

import numpy as np
import paddle
from paddle import nn

from observing import fails, fresh_process

MODULES = ["paddle"]
DEVICES = {"cpu": nullcontext()}


def shape_argument():
    numbers = paddle.ones(5, 3).shape
    parentheses = paddle.ones((5, 3)).shape
    print(numbers, parentheses)
    both = list(numbers) == list(parentheses) == [5, 3]
    return "as in PyTorch" if both else "differs"


def input_size():
    demanded = fails(lambda: nn.Linear(256), TypeError)
    shape = list(nn.Linear(784, 256).weight.shape)
    print("weights:", shape)
    as_said = demanded and shape == [784, 256]
    return "as in PyTorch" if as_said else "differs"


def initialization():
    net = nn.Linear(784, 256)
    largest, bias = (p.abs().max().item() for p in net.parameters())
    print(f"largest weight {largest:.4f}, bias {bias}")
    outputs = net(paddle.ones([128, 784]))
    print(outputs.shape)
    as_said = largest > 0 and bias == 0
    return "as in PyTorch" if as_said else "differs"


def loss_and_sgd():
    X = paddle.to_tensor([[1.0, 2.0], [3.0, -1.0]])
    y = paddle.to_tensor([0, 1])
    net = nn.Linear(2, 2, bias_attr=False)
    net.weight.set_value(np.array([[0.5, 0], [-1, 0.5]], "float32"))
    loss_fn = nn.CrossEntropyLoss()
    trainer = paddle.optimizer.SGD(
        learning_rate=0.1, parameters=net.parameters()
    )
    for _ in range(2):
        trainer.clear_grad()
        loss = loss_fn(net(X), y)
        loss.backward()
        trainer.step()
        print("loss", np.round(loss.item(), 4))
    transposed = net.weight.T.tolist()
    print("weights", np.round(transposed, 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(transposed, by_hand, atol=1e-6)
    return "holds" if same and list(loss.shape) == [] else "differs"


def recording():
    x = paddle.to_tensor([1.0, 2.0, 3.0])
    if fails((x * x).sum().backward, RuntimeError):
        return "as in PyTorch"
    print("stop_gradient", x.stop_gradient, "gradient", x.grad)
    x.stop_gradient = False
    (x * x).sum().backward()
    print("stop_gradient", x.stop_gradient, x.grad.tolist())
    return "differs"


def gradient_writing():
    x = paddle.to_tensor([1.0, 2.0, 3.0], stop_gradient=False)
    gradients = []
    for _ in range(2):
        (x * x).sum().backward()
        gradients.append(x.grad.tolist())
        print(gradients[-1])
    accumulates = gradients == [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]
    return "as in PyTorch" if accumulates else "differs"


def step_batch_size():
    net = nn.Linear(1, 1, bias_attr=False)
    net.weight.set_value(np.ones((1, 1), "float32"))
    trainer = paddle.optimizer.SGD(0.1, parameters=net.parameters())
    net(paddle.ones([96, 1])).mean().backward()
    refused = fails(lambda: trainer.step(128), TypeError)
    trainer.step()
    moved = 1 - net.weight.item()
    print(f"step() moves by {moved:.4f}")
    whole = abs(moved - 0.1) < 1e-6
    return "as in PyTorch" if refused and whole else "differs"


def array_to_number():
    loss = paddle.to_tensor([0.25, 0.75])
    number = loss.mean().item()
    print(type(number), number)
    right = isinstance(number, float) and number == 0.5
    return "as in PyTorch" if right else "differs"


def runs_differ():
    unseeded = """if True:
    import paddle
    print(paddle.nn.Linear(1, 3).weight.tolist())
    print(paddle.randperm(60000)[:8].tolist())
    """
    weights, order = fresh_process(unseeded).splitlines()
    weights_again, order_again = fresh_process(unseeded).splitlines()
    print(weights, weights_again, order, order_again, sep="\n")
    anew = weights != weights_again and order != order_again

    def drawn(seed):
        paddle.seed(seed)
        return nn.Linear(784, 256).weight.numpy()

    repeats = np.array_equal(drawn(seed=1), drawn(seed=1))
    differs = not np.array_equal(drawn(seed=1), drawn(seed=2))
    print("the same seed repeats:", repeats)
    print("another seed differs:", differs)
    return "holds" if anew and repeats and differs else "differs"
