"""The perceptron in PyTorch, controlled track."""

from itertools import pairwise

import torch
from torch import nn

from toolbox.run import Run

run = Run.from_flags()
device = torch.device(run.device)

# ---- 1. Data ---------------------------------------------------------

images, labels = run.training_set()
images = torch.from_numpy(images).to(device)
labels = torch.from_numpy(labels).to(device)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
*inner, classes = run.layers
layers = []
for inputs, outputs in pairwise(inner):
    layers += [nn.Linear(inputs, outputs), nn.ReLU()]
net = nn.Sequential(*layers, nn.Linear(inner[-1], classes))
net = net.to(device, images.dtype)
weights = run.initial_weights()
with torch.no_grad():
    for p, w in zip(net.parameters(), weights, strict=True):
        p.copy_(torch.from_numpy(w))

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=run.learning_rate)

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        order = torch.from_numpy(order).to(device)
        for batch in epoch.batches(order):
            x, y = images[batch], labels[batch]
            optimizer.zero_grad()
            loss = loss_fn(net(x), y)
            loss.backward()
            optimizer.step()
            epoch.losses.append(loss.detach())
        # To numbers in one go, which waits for the device.
        epoch.losses = torch.stack(epoch.losses).tolist()
        epoch.finish(p.detach().cpu().numpy() for p in net.parameters())

run.finish(
    device=next(net.parameters()).device.type,
    threads=torch.get_num_threads(),
)
