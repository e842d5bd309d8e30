"""The perceptron in PyTorch, cured track."""

from itertools import pairwise

import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    TensorDataset,
)
from torchvision import datasets, transforms

from toolbox.run import Run

run = Run.from_flags()
torch.manual_seed(run.seed)
device = torch.device(run.device)

# ---- 1. Data ---------------------------------------------------------

to_float = transforms.ConvertImageDtype(torch.float32)
normalize = transforms.Normalize((run.pixel_mean,), (run.pixel_std,))
mnist = datasets.MNIST(run.data, train=True)
# All images at once: (images, channel, rows, columns).
normalized = normalize(to_float(mnist.data.unsqueeze(1)))
dataset = TensorDataset(normalized, mnist.targets)
# The dataset is asked for whole batches, not for single images.
sampler = RandomSampler(dataset)
batches = BatchSampler(sampler, run.batch_size, drop_last=False)
# No workers: with run.loader_workers 2.9 times as long (measured).
loader = DataLoader(dataset, batch_size=None, sampler=batches)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
*inner, classes = run.layers
layers = []
for inputs, outputs in pairwise(inner):
    layers += [nn.Linear(inputs, outputs), nn.ReLU()]
net = nn.Sequential(*layers, nn.Linear(inner[-1], classes)).to(device)

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=run.learning_rate)

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock():
        for X, y in epoch.waits(loader):
            X, y = X.to(device), y.to(device)
            optimizer.zero_grad()
            loss = loss_fn(net(X.flatten(1)), y)
            loss.backward()
            optimizer.step()
            epoch.losses.append(loss.item())
        epoch.finish(p.detach().cpu().numpy() for p in net.parameters())

run.load_alone(loader)
run.finish(
    device=next(net.parameters()).device.type,
    threads=torch.get_num_threads(),
)
