"""The tutorial's statements about MXNet, checked in MXNet."""

import tempfile

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn
from mxnet.gluon.data.vision import transforms

from observing import fails, fresh_process, installer

MODULES = ["mxnet", "numpy"]
DEVICES = {"cpu": mx.cpu(), "cuda": mx.gpu()}


def install(receipt):
    installed_by = installer("mxnet", receipt)
    if installed_by is None:
        return "no longer"
    # uv installs the wheels that pip would.
    return "holds" if installed_by in ("pip", "uv") else "changed"


def ones_plus_one():
    x = nd.ones((5, 3))
    y = x + 1
    print(y)
    if y.asnumpy().tolist() != [[2.0, 2.0, 2.0]] * 5:
        return "no longer"
    as_then = str(y).endswith(f"<NDArray 5x3 @{y.context}>")
    return "holds" if as_then else "changed"


def shape_argument():
    print(nd.ones((5, 3)).shape)
    refused = fails(lambda: nd.ones(5, 3), mx.MXNetError)
    return "holds" if refused else "no longer"


def transform_first():
    # Made-up images; the dataset class is what that of MNIST extends.
    pixels = nd.arange(3 * 784) % 256
    pixels = pixels.reshape((3, 28, 28, 1)).astype("uint8")
    data = gluon.data.ArrayDataset(pixels, [5, 0, 4])
    transformed = data.transform_first(transforms.ToTensor())
    status = "holds"
    for i in range(3):
        (pixels, before), (image, after) = data[i], transformed[i]
        print(image.shape, image.dtype.__name__, before, after)
        scaled = pixels.asnumpy()[:, :, 0] / 255
        if (
            not np.allclose(image[0].asnumpy(), scaled)
            or before != after
        ):
            status = "no longer"
    return status


def input_size():
    net = nn.Dense(256)
    net.initialize()
    print(net)
    net(nd.ones((128, 784)))
    print(net)
    inferred = net.weight.shape == (256, 784)
    return "holds" if inferred else "no longer"


def activation_argument():
    x = nd.random.normal(shape=(4, 1, 8, 8))
    status = "holds"
    for layer in (
        nn.Dense(256, activation="relu"),
        nn.Conv2D(8, 3, activation="relu"),
    ):
        layer.initialize()
        smallest = layer(x).min().asscalar()
        print(layer, "smallest output:", smallest)
        if smallest != 0:
            status = "no longer"
    return status


def name_scope():
    net, other = nn.Sequential(), nn.Sequential()
    for model in (net, other):
        with model.name_scope():
            model.add(nn.Dense(3, in_units=4))
            model.add(nn.Dense(2, in_units=3))
        model.initialize(mx.init.Uniform())
    parameters = net.collect_params()
    names = list(parameters)
    print(names)
    scoped = all(name.startswith(net.prefix) for name in names)
    unique = len({*names, *other.collect_params()}) == 2 * 4
    saved = net[0].weight.data().copy()
    with tempfile.NamedTemporaryFile() as file:
        parameters.save(file.name)
        by_name = list(nd.load(file.name)) == names
        net.initialize(mx.init.Zero(), force_reinit=True)
        parameters.load(file.name)
        net.save_parameters(file.name)
        names_in_file = list(nd.load(file.name))
        other.load_parameters(file.name)
    print("net.save_parameters:", names_in_file)
    loaded = all(
        (saved == model[0].weight.data()).asnumpy().all()
        for model in (net, other)
    )
    print("saved and loaded by name:", by_name, "- the same:", loaded)
    if not (scoped and unique and by_name and loaded):
        return "no longer"
    return "holds" if names_in_file == names else "changed"


def initialization():
    net = nn.Dense(256)
    x = nd.ones((128, 784))
    refused = fails(lambda: net(x), RuntimeError)
    net.initialize()
    print(net(x).shape)
    return "holds" if refused else "no longer"


def custom_forward():
    class Residual(nn.Block):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(2, use_bias=False, in_units=2)
            self.dense.initialize()
            weight = nd.array([[1.0, -2.0], [3.0, 4.0]])
            self.dense.weight.set_data(weight)

        def forward(self, x):
            return x + nd.relu(self.dense(x))

    x = nd.array([[1.0, 2.0], [2.0, -1.0]])
    once = Residual()(x).asnumpy().tolist()
    both = nn.Sequential()
    both.add(Residual(), Residual())
    twice = both(x).asnumpy().tolist()
    print(once)
    print(twice)
    right = once == [[1.0, 13.0], [6.0, 1.0]] and (
        twice == [[1.0, 68.0], [10.0, 23.0]]
    )
    return "holds" if right else "no longer"


def loss_and_sgd():
    X = nd.array([[1.0, 2.0], [3.0, -1.0]])
    y = nd.array([0, 1])
    net = nn.Dense(2, use_bias=False, in_units=2)
    net.initialize()
    net.weight.set_data(nd.array([[0.5, -1.0], [0.0, 0.5]]))
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(
        net.collect_params(), "sgd", {"learning_rate": 0.1}
    )
    for _ in range(2):
        with autograd.record():
            loss = loss_fn(net(X), y)
        loss.backward()
        trainer.step(batch_size=2)
        print("loss", np.round(loss.asnumpy().tolist(), 4))
    weight = net.weight.data().asnumpy().tolist()
    print("weights", np.round(weight, 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(weight, by_hand, atol=1e-6)
    vector = loss.shape == (2,)
    return "holds" if same and vector else "no longer"


def recording():
    x = nd.array([1.0, 2.0, 3.0])
    x.attach_grad()
    y = (x * x).sum()
    refused = fails(y.backward, mx.MXNetError)
    with autograd.record():
        y = (x * x).sum()
    y.backward()
    print(x.grad)
    recorded = x.grad.asnumpy().tolist() == [2.0, 4.0, 6.0]
    return "holds" if refused and recorded else "no longer"


def gradient_writing():
    x = nd.array([1.0, 2.0, 3.0])
    gradients = {}
    for request in ("write", "add"):
        x.attach_grad(grad_req=request)
        for _ in range(2):
            with autograd.record():
                y = (x * x).sum()
            y.backward()
        gradients[request] = x.grad.asnumpy().tolist()
    print(gradients)
    right = gradients["write"] == [2.0, 4.0, 6.0] and (
        gradients["add"] == [4.0, 8.0, 12.0]
    )
    return "holds" if right else "no longer"


def step_batch_size():
    def moved(*batch_size):
        net = nn.Dense(1, use_bias=False, in_units=1)
        net.initialize(mx.init.One())
        trainer = gluon.Trainer(
            net.collect_params(), "sgd", {"learning_rate": 0.1}
        )
        with autograd.record():
            loss = net(nd.ones((96, 1)))
        loss.backward()
        trainer.step(*batch_size)
        return 1 - net.weight.data()[0, 0].asscalar()

    demanded = fails(moved, TypeError)
    whole, short = moved(96), moved(128)
    print(f"step(96) moves by {whole:.4f}, step(128) by {short:.4f}")
    divides = np.allclose([whole, short], [0.1, 0.075])
    return "holds" if demanded and divides else "no longer"


def array_to_number():
    loss = nd.array([0.25, 0.75])
    number = loss.mean().asscalar()
    print(type(number), number)
    right = isinstance(number, np.float32) and number == 0.5
    return "holds" if right else "no longer"


def runs_differ():
    unseeded = """if True:
    from mxnet import gluon
    net = gluon.nn.Dense(1, in_units=3)
    net.initialize()
    print(net.weight.data().asnumpy().tolist())
    print(list(gluon.data.RandomSampler(60000))[:8])
    """
    weights, order = fresh_process(unseeded).splitlines()
    weights_again, order_again = fresh_process(unseeded).splitlines()
    print(weights, weights_again, order, order_again, sep="\n")

    X = nd.arange(512 * 784).sin().reshape((512, 784))
    y = nd.arange(512) % 10

    def train(seed):
        mx.random.seed(seed)
        np.random.seed(seed)
        net = nn.Sequential()
        net.add(nn.Dense(256, activation="relu"), nn.Dense(10))
        net.initialize()
        loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
        trainer = gluon.Trainer(
            net.collect_params(), "sgd", {"learning_rate": 0.1}
        )
        shuffled = gluon.data.RandomSampler(512)
        for batch in gluon.data.BatchSampler(shuffled, 128):
            with autograd.record():
                loss = loss_fn(net(X[batch]), y[batch])
            loss.backward()
            trainer.step(batch_size=128)
        return [layer.weight.data().asnumpy() for layer in net]

    first, again, other = train(seed=1), train(seed=1), train(seed=2)
    repeats = all(map(np.array_equal, first, again))
    differs = not any(map(np.array_equal, first, other))
    print("the same seed repeats to the bit:", repeats)
    print("another seed differs:", differs)
    if not (repeats and differs and order != order_again):
        return "no longer"
    return "changed" if weights == weights_again else "holds"
