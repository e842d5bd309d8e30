"""The perceptron in NumPy, tuned track."""

import numpy as np

from toolbox.run import Run

run = Run.from_flags()

# ---- 1. Data ---------------------------------------------------------

images, labels = run.training_set()

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
# Kept as (inputs, outputs), 0.95 of the time (measured, as all below).
weights = [np.ascontiguousarray(w.T) for w in run.initial_weights()]
layers = list(zip(weights[::2], weights[1::2], strict=True))
# Buffers, so that no step looks for memory: 0.94 of the time.
values = [np.empty((run.batch_size, n), run.dtype) for n in run.layers]
slopes = [np.empty_like(value) for value in values]
changes = [np.empty_like(w) for w, _ in layers]


def net(n):  # the logits of n images, in the first of values
    for i, (w, b) in enumerate(layers):
        x, out = values[i][:n], values[i + 1][:n]
        np.matmul(np.maximum(x, 0, out=x) if i else x, w, out=out)
        out += b
    return out


# ---- 3. Loss and optimizer -------------------------------------------


def loss_fn(z, y):  # and its gradient in place of z
    truth = np.arange(len(y)), y
    z -= z.max(axis=1, keepdims=True)
    right = z[truth][:, None]
    total = np.exp(z, out=z).sum(axis=1, keepdims=True)
    z[truth] -= total[:, 0]
    z *= run.learning_rate / (len(y) * total)  # not the weights': 0.97
    return np.mean(np.log(total) - right), z


def update(slope, n):  # backward and SGD in one
    for i, (w, b) in reversed([*enumerate(layers)]):
        below = i and np.matmul(slope, w.T, out=slopes[i][:n])
        w -= np.matmul(values[i][:n].T, slope, out=changes[i])
        b -= slope.sum(axis=0)
        slope = i and np.multiply(below, values[i][:n] > 0, out=below)


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        for batch in epoch.batches(order):
            n = len(batch)  # gathered into its buffer: 0.92 of the time
            images.take(batch, 0, out=values[0][:n], mode="clip")
            loss, slope = loss_fn(net(n), labels[batch])
            update(slope, n)
            epoch.losses.append(loss)
        epoch.finish(w.T for w in weights)

run.finish(device="cpu", by_numpy=True)
