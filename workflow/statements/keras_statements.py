"""The tutorial's statements, answered by Keras on JAX."""

import jax
import keras
import numpy as np
from keras import layers, ops

from observing import fails, fresh_process

MODULES = ["keras", "jax"]
# Not keras.device, which looks for the device at once.
DEVICES = {
    "cpu": jax.default_device("cpu"),
    "cuda": jax.default_device("gpu"),
}


def ones_plus_one():
    x = ops.ones((5, 3))
    y = x + 1
    print(type(y), y, sep="\n")
    as_numpy = str(y) == str(np.full((5, 3), 2.0))
    of_backend = isinstance(y, jax.Array)
    return "holds" if as_numpy and of_backend else "differs"


def shape_argument():
    print(ops.ones((5, 3)).shape)
    refused = fails(lambda: ops.ones(5, 3), TypeError)
    return "as in MXNet" if refused else "as in PyTorch"


def input_size():
    net = layers.Dense(256)
    print(net)
    net(ops.ones((128, 784)))
    print(net, net.kernel.shape)
    inferred = net.kernel.shape == (784, 256)
    return "as in MXNet" if inferred else "as in PyTorch"


def activation_argument():
    x = keras.random.normal((4, 8, 8, 1))
    status = "as in MXNet"
    for layer in (
        layers.Dense(256, activation="relu"),
        layers.Conv2D(8, 3, activation="relu"),
    ):
        smallest = float(ops.min(layer(x)))
        print(layer.name, "smallest output:", smallest)
        if smallest != 0:
            status = "differs"
    return status


def initialization():
    net = layers.Dense(256)
    at_first = net.weights
    print("weights:", at_first)
    outputs = net(ops.ones((128, 784)))
    largest = float(ops.max(ops.abs(net.kernel)))
    print(outputs.shape, f"largest weight {largest:.4f}")
    return "as in PyTorch" if at_first else "differs"


def custom_forward():
    class Residual(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, use_bias=False)
            self.dense.build((None, 2))
            self.dense.set_weights([np.array([[1, 3], [-2, 4]])])

        def call(self, x):
            return x + ops.relu(self.dense(x))

    x = ops.array([[1.0, 2.0], [2.0, -1.0]])
    once = Residual()(x).tolist()
    twice = keras.Sequential([Residual(), Residual()])(x).tolist()
    print(once)
    print(twice)
    right = once == [[1.0, 13.0], [6.0, 1.0]] and (
        twice == [[1.0, 68.0], [10.0, 23.0]]
    )
    return "holds" if right else "differs"


def loss_and_sgd():
    X = np.array([[1.0, 2.0], [3.0, -1.0]])
    y = np.array([0, 1])
    net = keras.Sequential(
        [keras.Input((2,)), layers.Dense(2, use_bias=False)]
    )
    net.set_weights([np.array([[0.5, 0.0], [-1.0, 0.5]])])
    loss_fn = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True
    )
    net.compile(keras.optimizers.SGD(learning_rate=0.1), loss_fn)
    for _ in range(2):
        print("loss", np.round(net.train_on_batch(X, y), 4))
    transposed = net.get_weights()[0].T.tolist()
    print("weights", np.round(transposed, 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(transposed, by_hand, atol=1e-6)
    return "holds" if same else "differs"


def recording():
    net = layers.Dense(1, use_bias=False)
    X = ops.ones((2, 3))
    y = ops.sum(net(X))
    nothing_kept = fails(lambda: y.backward(), AttributeError)

    def total(weights):
        outputs, _ = net.stateless_call(weights, [], X)
        return ops.sum(outputs)

    print(jax.grad(total)([net.kernel.value]))
    return "differs" if nothing_kept else "as in PyTorch"


def runs_differ():
    unseeded = """if True:
    import keras, numpy
    print(keras.random.normal((3,)).tolist())
    print(keras.random.shuffle(numpy.arange(60000))[:8].tolist())
    """
    weights, order = fresh_process(unseeded).splitlines()
    weights_again, order_again = fresh_process(unseeded).splitlines()
    print(weights, weights_again, order, order_again, sep="\n")
    anew = weights != weights_again and order != order_again

    def drawn(seed):
        keras.utils.set_random_seed(seed)
        net = layers.Dense(256)
        net.build((None, 784))
        return net.get_weights()[0]

    repeats = np.array_equal(drawn(seed=1), drawn(seed=1))
    differs = not np.array_equal(drawn(seed=1), drawn(seed=2))
    print("the same seed repeats:", repeats)
    print("another seed differs:", differs)
    return "holds" if anew and repeats and differs else "differs"
