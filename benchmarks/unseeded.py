"""Average losses from the weights that MXNet draws unless it is seeded, in several orders.

    PYTHONPATH=workflow/scripts python benchmarks/unseeded.py [orders]

The tutorial does not seed MXNet, which then starts every process from the same state. Takes these
weights from MXNet's environment, trains from them in NumPy by MXNet's rules, each time in another
order, and prints mean and standard deviation of each epoch's average loss as a Markdown row.
"""

import subprocess
import sys
import tempfile

import distribution
import numpy as np
import protocol
import reference
import settings
import yaml

RULES = settings.ROOT / "workflow/trainers/tutorial/mxnet.yaml"
DRAW = """
import sys

import numpy as np
from mxnet import init, nd
from mxnet.gluon import nn

net = nn.Sequential()
net.add(nn.Dense(int(sys.argv[2]), activation="relu"), nn.Dense(10))
net.initialize(init=init.Uniform())
net(nd.zeros((1, 784)))
weights = (p.data().asnumpy() for p in net.collect_params().values())
np.savez(sys.argv[1], **dict(zip(("w1", "b1", "w2", "b2"), weights)))
"""


def unseeded(hidden_units: int) -> reference.Weights:
    """What MXNet's initializer of the tutorial draws in a process that seeds nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/weights.npz"
        python = "results/environments/mxnet-cpu/bin/python"
        subprocess.run([python, "-c", DRAW, file, str(hidden_units)], check=True)
        with np.load(file) as weights:
            return reference.Weights(**weights)


def main(orders: int) -> None:
    training = settings.checked({})["scenarios"]["baseline"]
    sets = reference.data_sets("results/data/mnist.npz", training, "float32")
    digits, weights = distribution.sorted_by_use(*sets[0]), unseeded(training["hidden_units"])
    by_batch_size = yaml.safe_load(RULES.read_text())["last_batch"] == "batch_size"
    losses = []
    for seed in range(orders):
        order = protocol.batch_order(np.random.default_rng(seed), training["epochs"], len(digits.y))
        epochs = distribution.train(digits, sets[1], weights, order, training, by_batch_size)
        losses.append([loss for loss, _ in epochs])
    means, deviations = np.mean(losses, axis=0), np.std(losses, axis=0, ddof=1)
    cells = [f"{mean:.4f} ± {sd:.4f}" for mean, sd in zip(means, deviations, strict=True)]
    print(f"| MXNet's unseeded weights, {orders} orders |", " | ".join(cells), "|")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
