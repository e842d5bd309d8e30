"""The perceptron in NumPy, controlled track."""

import numpy as np

from toolbox.run import Run

run = Run.from_flags()

# ---- 1. Data ---------------------------------------------------------

images, labels = run.training_set()

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
weights = run.initial_weights()
layers = list(zip(weights[::2], weights[1::2], strict=True))


def net(x):
    """The inputs of each layer, and the logits."""
    values = [x]
    for w, b in layers[:-1]:
        values.append(np.maximum(values[-1] @ w.T + b, 0))
    w, b = layers[-1]
    return values, values[-1] @ w.T + b


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
    return loss, gradient / len(y)


def step(values, gradient):
    """Backward through the layers, and plain SGD in place."""
    for i in reversed(range(len(layers))):
        (w, b), x = layers[i], values[i]
        behind = (gradient @ w) * (x > 0) if i else None
        w -= run.learning_rate * (gradient.T @ x)
        b -= run.learning_rate * gradient.sum(axis=0)
        gradient = behind


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        for batch in epoch.batches(order):
            x, y = images[batch], labels[batch]
            values, logits = net(x)
            loss, gradient = loss_fn(logits, y)
            step(values, gradient)
            epoch.losses.append(loss)
        epoch.finish(weights)

run.finish(device="cpu", by_numpy=True)
