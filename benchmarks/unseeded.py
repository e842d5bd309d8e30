"""Average losses from the weights that MXNet samples unless it is seeded, in several orders.

    PYTHONPATH=workflow/scripts python benchmarks/unseeded.py [orders]

The tutorial does not seed MXNet, which then starts every process from the same state. Takes these
weights from MXNet's environment, trains from them in NumPy by MXNet's rules, each time in another
order, and prints mean and standard deviation of each epoch's average loss as a Markdown row.
"""

import subprocess
import sys
import tempfile

import numpy as np

from evenhand.core import axes, config
from evenhand.core.experiment import Experiment
from evenhand.model import distribution, mlp, protocol, reference

SAMPLE = """
import sys

import numpy as np
from mxnet import init, nd
from mxnet.gluon import nn

file, inputs, *hidden, classes = sys.argv[1], *map(int, sys.argv[2:])
net = nn.Sequential()
net.add(*(nn.Dense(units, activation="relu") for units in hidden), nn.Dense(classes))
net.initialize(init=init.Uniform())
net(nd.zeros((1, inputs)))
np.savez(file, *(p.data().asnumpy() for p in net.collect_params().values()))
"""


def unseeded(layers: list[int]) -> reference.Weights:
    """What MXNet's initializer of the tutorial samples in a process that seeds nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/weights.npz"
        python = "results/environments/mxnet-cpu/bin/python"
        subprocess.run([python, "-c", SAMPLE, file, *map(str, layers)], check=True)
        with np.load(file) as arrays:
            named = dict(zip(mlp.weight_shapes(layers), arrays.values(), strict=True))
            return reference.weights_of(named, "float32")


def main(orders: int) -> None:
    training = Experiment(config.checked({})).training("baseline")
    data = f"results/data/{training['dataset']}/images.npz"
    train_set, test_set = reference.data_sets(
        data, training["pixel_mean"], training["pixel_std"], "float32"
    )
    images, weights = distribution.sorted_by_use(*train_set), unseeded(training["layers"])
    last_batch = axes.framework("mxnet")["last_batch"]
    sgd = distribution.Sgd(training["batch_size"], training["learning_rate"], last_batch)
    losses = []
    for seed in range(orders):
        rng = np.random.default_rng(seed)
        order = protocol.batch_order(rng, training["epochs"], len(images.y))
        epochs = distribution.train(images, test_set, weights, order, sgd)
        losses.append([loss for loss, _ in epochs])
    means, deviations = np.mean(losses, axis=0), np.std(losses, axis=0, ddof=1)
    cells = [f"{mean:.4f} ± {sd:.4f}" for mean, sd in zip(means, deviations, strict=True)]
    print(f"| MXNet's unseeded weights, {orders} orders |", " | ".join(cells), "|")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
