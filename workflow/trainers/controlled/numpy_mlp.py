"""The MNIST perceptron in NumPy, controlled track."""

import numpy as np

from toolbox.run import Run

run = Run.from_flags()

# ---- 1. Data ---------------------------------------------------------

images, labels = run.training_set()

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
w1, b1, w2, b2 = run.initial_weights()


def net(x):
    hidden = np.maximum(x @ w1.T + b1, 0)
    return hidden, hidden @ w2.T + b2


# ---- 3. Loss and optimizer -------------------------------------------


def loss_fn(logits, y):
    """The mean cross-entropy, and its gradient in the logits."""
    rows = np.arange(len(y))
    logits = logits - logits.max(axis=1, keepdims=True)
    gradient = np.exp(logits)
    total = gradient.sum(axis=1, keepdims=True)
    loss = (np.log(total[:, 0]) - logits[rows, y]).mean()
    gradient /= total
    gradient[rows, y] -= 1
    gradient /= len(y)
    return loss, gradient


def step(x, hidden, gradient):
    """Backward through the two layers, then plain SGD in place."""
    behind = (gradient @ w2) * (hidden > 0)
    w2_gradient, w1_gradient = gradient.T @ hidden, behind.T @ x
    w1[...] -= run.learning_rate * w1_gradient
    b1[...] -= run.learning_rate * behind.sum(axis=0)
    w2[...] -= run.learning_rate * w2_gradient
    b2[...] -= run.learning_rate * gradient.sum(axis=0)


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock():
        for batch in epoch.batches(epoch.order):
            x, y = images[batch], labels[batch]
            hidden, logits = net(x)
            loss, gradient = loss_fn(logits, y)
            step(x, hidden, gradient)
            epoch.losses.append(loss)
    epoch.finish([w1, b1, w2, b2])

run.finish(device="cpu")
