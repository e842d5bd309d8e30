"""The tutorial's statements, answered by tinygrad."""

import numpy as np
from tinygrad import Context, Tensor, nn

from observing import fails, fresh_process

MODULES = ["tinygrad", "numpy"]
DEVICES = {"cpu": Context(DEV="CPU")}


def ones_plus_one():
    x = Tensor.ones(5, 3)
    y = x + 1
    print(y)
    print(y.numpy())
    shown = str(y.numpy()) in str(y)
    return "holds" if shown else "differs"


def shape_argument():
    numbers = Tensor.ones(5, 3).shape
    parentheses = Tensor.ones((5, 3)).shape
    print(numbers, parentheses)
    both = numbers == parentheses == (5, 3)
    return "as in PyTorch" if both else "differs"


def input_size():
    demanded = fails(lambda: nn.Linear(256), TypeError)
    return "as in PyTorch" if demanded else "as in MXNet"


def custom_forward():
    class Residual:
        def __init__(self):
            self.dense = nn.Linear(2, 2, bias=False)
            self.dense.weight = Tensor([[1.0, -2.0], [3.0, 4.0]])

        def __call__(self, x):
            return x + self.dense(x).relu()

    x = Tensor([[1.0, 2.0], [2.0, -1.0]])
    once = Residual()(x).tolist()
    twice = x.sequential([Residual(), Residual()]).tolist()
    print(once)
    print(twice)
    right = once == [[1.0, 13.0], [6.0, 1.0]] and (
        twice == [[1.0, 68.0], [10.0, 23.0]]
    )
    return "holds" if right else "differs"


def loss_and_sgd():
    X = Tensor([[1.0, 2.0], [3.0, -1.0]])
    y = Tensor([0, 1])
    net = nn.Linear(2, 2, bias=False)
    net.weight.assign(Tensor([[0.5, -1.0], [0.0, 0.5]]))
    trainer = nn.optim.SGD([net.weight], lr=0.1)
    for _ in range(2):
        trainer.zero_grad()
        loss = net(X).sparse_categorical_crossentropy(y)
        loss.backward()
        print("loss", np.round(loss.item(), 4))
        with Context(TRAINING=1):
            trainer.step()
    weight = net.weight.tolist()
    print("weights", np.round(weight, 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(weight, by_hand, atol=1e-6)
    return "holds" if same else "differs"


def gradient_writing():
    x = Tensor([1.0, 2.0, 3.0])
    gradients = []
    for _ in range(2):
        (x * x).sum().backward()
        gradients.append(x.grad.tolist())
        print(gradients[-1])
    accumulates = gradients == [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]
    return "as in PyTorch" if accumulates else "differs"


def step_batch_size():
    net = nn.Linear(1, 1, bias=False)
    net.weight.assign(Tensor.ones(1, 1))
    trainer = nn.optim.SGD([net.weight], lr=0.1)
    net(Tensor.ones(96, 1)).mean().backward()
    refused = fails(lambda: trainer.step(128), TypeError)
    idle = fails(trainer.step, RuntimeError)
    with Context(TRAINING=1):
        trainer.step()
    moved = 1 - net.weight.item()
    print(f"step() moves by {moved:.4f}")
    as_said = refused and idle and abs(moved - 0.1) < 1e-6
    return "as in PyTorch" if as_said else "differs"


def array_to_number():
    number = Tensor([0.25, 0.75]).mean().item()
    print(type(number), number)
    weight = Tensor([3.0])
    loss = (weight * weight).sum()
    weight.assign(weight - 1).realize()
    print("the loss of 3, asked for after the step to 2:", loss.item())
    return "differs" if loss.item() == 4 else "as in PyTorch"


def runs_differ():
    # Without a seed, the clock is the seed: here, it is set.
    def started_at(seconds):
        return fresh_process(f"""if True:
        import time
        time.time = lambda: {seconds}
        from tinygrad import Tensor, nn
        print(nn.Linear(3, 1).weight.tolist())
        print(Tensor.randint(8, high=60000).tolist())
        """).splitlines()

    first, soon, later = map(started_at, (1000.0, 1000.9, 1001.0))
    print("at 1000.0 s:", *first, "at 1000.9 s:", *soon, sep="\n")
    print("at 1001.0 s:", *later, sep="\n")
    anew = len({*first, *soon, *later}) == 6

    def drawn(seed):
        Tensor.manual_seed(seed)
        return nn.Linear(784, 256).weight.numpy()

    repeats = np.array_equal(drawn(seed=1), drawn(seed=1))
    differs = not np.array_equal(drawn(seed=1), drawn(seed=2))
    print("the same seed repeats:", repeats)
    print("another seed differs:", differs)
    return "holds" if anew else "differs"
