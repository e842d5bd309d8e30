"""A port to PyTorch with a mistake: the net ends in a softmax, and the loss takes another one."""

import sys

import numpy as np
import torch
from torch import nn

given = np.load(sys.argv[1])
images, labels = torch.from_numpy(given["images"]), torch.from_numpy(given["labels"])
size, rate = int(given["batch_size"]), float(given["learning_rate"])

net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10), nn.Softmax(dim=1))
net.to(images.dtype)
weights = dict(zip(("w1", "b1", "w2", "b2"), net.parameters(), strict=True))
for name, weight in weights.items():
    weight.data = torch.from_numpy(given[name])

loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=rate)
losses, shown = [], {}

for order in torch.from_numpy(given["order"]):
    losses.append([])
    for batch in order.split(size):
        logits = net(images[batch])
        loss = loss_fn(logits, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        shown = shown or {"pixels": images[batch], "logits": logits.detach()}
        optimizer.step()
        losses[-1].append(loss.item())

weights = {name: weight.detach() for name, weight in weights.items()}
np.savez(sys.argv[2], losses=losses, **weights, **shown)
