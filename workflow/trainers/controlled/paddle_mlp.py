"""The perceptron in PaddlePaddle, controlled track."""

import os
from itertools import pairwise

import paddle
from paddle import nn

from toolbox.run import Run

run = Run.from_flags()
paddle.set_default_dtype(run.dtype)

# ---- 1. Data ---------------------------------------------------------

images, labels = map(paddle.to_tensor, run.training_set())

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
*inner, classes = run.layers
layers = []
for inputs, outputs in pairwise(inner):
    layers += [nn.Linear(inputs, outputs), nn.ReLU()]
net = nn.Sequential(*layers, nn.Linear(inner[-1], classes))
weights = run.initial_weights()
# Paddle keeps weights as (inputs, outputs), the protocol the other way.
for p, w in zip(net.parameters(), weights, strict=True):
    p.set_value(w.T)

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = nn.CrossEntropyLoss()
optimizer = paddle.optimizer.SGD(run.learning_rate, net.parameters())

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        order = paddle.to_tensor(order)
        for batch in epoch.batches(order):
            x = paddle.gather(images, batch)
            y = paddle.gather(labels, batch)
            loss = loss_fn(net(x), y)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            epoch.losses.append(loss.detach())
        # To numbers in one go.
        epoch.losses = paddle.stack(epoch.losses).tolist()
        epoch.finish(p.numpy().T for p in net.parameters())

threads = int(os.environ["OMP_NUM_THREADS"])  # 1, if it was unset
run.finish(device=str(loss.place), threads=threads)
