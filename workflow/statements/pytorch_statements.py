"""The tutorial's statements about PyTorch, checked in PyTorch."""

import tempfile

import numpy as np
import torch
from torch import nn
from torch.autograd import Variable
from torchvision import datasets, transforms

from observing import fails, fresh_process, installer

MODULES = ["torch", "torchvision"]
DEVICES = {
    "cpu": torch.device("cpu"),
    "cuda": torch.device("cuda"),
}


def install(receipt):
    installed_by = installer("torch", receipt)
    if installed_by is None:
        return "no longer"
    return "holds" if installed_by == "conda" else "changed"


def ones_plus_one():
    x = torch.ones(5, 3)
    y = x + 1
    print(y)
    if y.tolist() != [[2.0, 2.0, 2.0]] * 5:
        return "no longer"
    as_then = str(y).endswith("[torch.FloatTensor of size 5x3]")
    return "holds" if as_then else "changed"


def shape_argument():
    numbers = torch.ones(5, 3).shape
    parentheses = torch.ones((5, 3)).shape
    print(numbers, parentheses)
    both = numbers == parentheses == (5, 3)
    return "holds" if both else "no longer"


def transform_first():
    # Made-up images; the dataset class works as that of MNIST does.
    size = {"size": 3, "image_size": (1, 28, 28), "num_classes": 10}
    data = datasets.FakeData(**size)
    transformed = datasets.FakeData(
        **size, transform=transforms.ToTensor()
    )
    status = "holds"
    for i in range(3):
        (pixels, before), (image, after) = data[i], transformed[i]
        print(tuple(image.shape), image.dtype, before, after)
        scaled = np.asarray(pixels) / 255
        if not np.allclose(image[0], scaled) or before != after:
            status = "no longer"
    return status


def input_size():
    demanded = fails(lambda: nn.Linear(256), TypeError)
    if not demanded:
        return "no longer"
    if not hasattr(nn, "LazyLinear"):
        return "holds"
    net = nn.LazyLinear(256)
    print(net)
    net(torch.ones(128, 784))
    print(net)
    inferred = net.weight.shape == (256, 784)
    return "changed" if inferred else "holds"


def activation_argument():
    dense = fails(
        lambda: nn.Linear(784, 256, activation="relu"), TypeError
    )
    convolution = fails(
        lambda: nn.Conv2d(1, 8, 3, activation="relu"), TypeError
    )
    return "holds" if dense and convolution else "no longer"


def name_scope():
    net, other = (
        nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
        for _ in range(2)
    )
    names = [name for name, _ in net.named_parameters()]
    print(names)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(net.state_dict(), file.name)
        other.load_state_dict(torch.load(file.name))
    loaded = torch.equal(net[0].weight, other[0].weight)
    print("loaded by name:", loaded)
    unique = len(set(names)) == 4
    return "holds" if unique and loaded else "no longer"


def initialization():
    net = nn.Linear(784, 256)
    largest = net.weight.abs().max().item()
    print(f"largest weight {largest:.4f}")
    outputs = net(torch.ones(128, 784))
    print(outputs.shape)
    return "holds" if largest > 0 else "no longer"


def custom_forward():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Linear(2, 2, bias=False)
            weight = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
            self.dense.weight = nn.Parameter(weight)

        def forward(self, x):
            return x + torch.relu(self.dense(x))

    x = torch.tensor([[1.0, 2.0], [2.0, -1.0]])
    once = Residual()(x).tolist()
    twice = nn.Sequential(Residual(), Residual())(x).tolist()
    print(once)
    print(twice)
    right = once == [[1.0, 13.0], [6.0, 1.0]] and (
        twice == [[1.0, 68.0], [10.0, 23.0]]
    )
    return "holds" if right else "no longer"


def loss_and_sgd():
    X = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    y = torch.tensor([0, 1])
    net = nn.Linear(2, 2, bias=False)
    net.weight = nn.Parameter(torch.tensor([[0.5, -1.0], [0.0, 0.5]]))
    loss_fn = nn.CrossEntropyLoss()
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        trainer.zero_grad()
        loss = loss_fn(net(X), y)
        loss.backward()
        trainer.step()
        print("loss", np.round(loss.tolist(), 4))
    print("weights", np.round(net.weight.tolist(), 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(net.weight.tolist(), by_hand, atol=1e-6)
    mean = loss.shape == ()
    return "holds" if same and mean else "no longer"


def recording():
    net = nn.Linear(3, 1)
    X = torch.ones(2, 3)
    wrapped = Variable(X)
    same_memory = wrapped.data_ptr() == X.data_ptr()
    print(type(wrapped), "in the same memory:", same_memory)
    if fails(lambda: net(X).sum().backward(), TypeError):
        return "holds"
    print(net.weight.grad)
    does_nothing = type(wrapped) is type(X) and same_memory
    return "no longer" if does_nothing else "changed"


def gradient_writing():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    gradients = []
    for _ in range(2):
        (x * x).sum().backward()
        gradients.append(x.grad.tolist())
        print(x.grad)
    accumulates = gradients == [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]
    return "holds" if accumulates else "no longer"


def step_batch_size():
    net = nn.Linear(1, 1, bias=False)
    net.weight = nn.Parameter(torch.ones(1, 1))
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.ones(96, 1)).mean().backward()
    refused = fails(lambda: trainer.step(128), TypeError)
    trainer.step()
    moved = 1 - net.weight.item()
    print(f"step() moves by {moved:.4f}")
    whole = abs(moved - 0.1) < 1e-6
    return "holds" if refused and whole else "no longer"


def array_to_number():
    loss = torch.tensor([0.25, 0.75])
    number = loss.mean().item()
    print(type(number), number)
    right = isinstance(number, float) and number == 0.5
    return "holds" if right else "no longer"


def runs_differ():
    unseeded = """if True:
    import torch
    print(torch.nn.Linear(3, 1).weight.tolist())
    print(torch.randperm(60000)[:8].tolist())
    """
    weights, order = fresh_process(unseeded).splitlines()
    weights_again, order_again = fresh_process(unseeded).splitlines()
    print(weights, weights_again, order, order_again, sep="\n")

    X = torch.arange(512 * 784).sin().view(512, 784)
    y = torch.arange(512) % 10

    def train(seed):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)
        )
        trainer = torch.optim.SGD(net.parameters(), lr=0.1)
        for batch in torch.randperm(512).view(4, 128):
            trainer.zero_grad()
            loss = nn.functional.cross_entropy(net(X[batch]), y[batch])
            loss.backward()
            trainer.step()
        return [net[0].weight, net[2].weight]

    first, again, other = train(seed=1), train(seed=1), train(seed=2)
    repeats = all(map(torch.equal, first, again))
    differs = not any(map(torch.equal, first, other))
    print("the same seed repeats to the bit:", repeats)
    print("another seed differs:", differs)
    if not (repeats and differs and order != order_again):
        return "no longer"
    return "changed" if weights == weights_again else "holds"
