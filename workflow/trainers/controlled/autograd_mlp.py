"""The perceptron in autograd, controlled track."""

import autograd.numpy as np
from autograd import value_and_grad
from autograd.scipy.special import logsumexp

from toolbox.run import Run

run = Run.from_flags()

# ---- 1. Data ---------------------------------------------------------

images, labels = run.training_set()

# ---- 2. Model --------------------------------------------------------

# No np.maximum, np.where or np.mean in what is differentiated: their
# gradients are float64, whatever the run's dtype is.

run.phase("set_up")
weights = run.initial_weights()
parameters = list(zip(weights[::2], weights[1::2], strict=True))


def net(parameters, x):
    """The logits."""
    for w, b in parameters[:-1]:
        x = x @ w.T + b
        x = x * (x > 0)
    w, b = parameters[-1]
    return x @ w.T + b


# ---- 3. Loss and optimizer -------------------------------------------


@value_and_grad
def loss_fn(parameters, x, y):
    """The mean cross-entropy, and its gradients in the parameters."""
    logits = net(parameters, x)
    truth = logits[np.arange(len(y)), y]
    return np.sum(logsumexp(logits, axis=1) - truth) / len(y)


def step(parameters, gradients):
    """The parameters after plain SGD."""
    return [
        (w - run.learning_rate * dw, b - run.learning_rate * db)
        for (w, b), (dw, db) in zip(parameters, gradients, strict=True)
    ]


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        for batch in epoch.batches(order):
            x, y = images[batch], labels[batch]
            loss, gradients = loss_fn(parameters, x, y)
            parameters = step(parameters, gradients)
            epoch.losses.append(loss)
        epoch.finish(value for layer in parameters for value in layer)

run.finish(device="cpu", by_numpy=True)
