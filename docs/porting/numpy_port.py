"""A port that knows no toolbox, and passes: python numpy_port.py INPUT OUTPUT."""

import sys

import numpy as np

given = np.load(sys.argv[1])
images, labels = given["images"], given["labels"]
size, rate = int(given["batch_size"]), float(given["learning_rate"])
weights = {name: given[name] for name in ("w1", "b1", "w2", "b2")}
w1, b1, w2, b2 = weights.values()
losses, shown = [], {}

for order in given["order"]:
    losses.append([])
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        x, y = images[batch], labels[batch]
        hidden = np.maximum(x @ w1.T + b1, 0)
        logits = hidden @ w2.T + b2

        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = powers / powers.sum(axis=1, keepdims=True)
        right = np.arange(len(y)), y
        loss = -np.log(p[right]).mean()

        p[right] -= 1
        p /= len(y)
        behind = (p @ w2) * (hidden > 0)
        gradients = {"w1": behind.T @ x, "b1": behind.sum(axis=0)}
        gradients |= {"w2": p.T @ hidden, "b2": p.sum(axis=0)}
        shown = shown or {"pixels": x, "logits": logits}
        for name in weights:
            weights[name] -= rate * gradients[name]
        losses[-1].append(loss)

np.savez(sys.argv[2], losses=losses, **weights, **shown)
