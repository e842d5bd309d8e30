"""The perceptron in MXNet 2, controlled track."""

from itertools import pairwise

import mxnet as mx
from mxnet import autograd, gluon, np, npx
from mxnet.gluon import nn

from toolbox.run import Run

run = Run.from_flags()
# Gluon now wants NumPy's arrays; means have the default dtype.
npx.set_np(dtype=run.dtype == "float64")
device = {"cpu": mx.cpu(), "cuda": mx.gpu()}[run.device]

# ---- 1. Data ---------------------------------------------------------

images, labels = run.training_set()
images = np.array(images, dtype=images.dtype, device=device)
labels = np.array(labels, dtype=labels.dtype, device=device)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
net = nn.Sequential()
*inner, classes = run.layers
for inputs, outputs in pairwise(inner):
    net.add(nn.Dense(outputs, activation="relu", in_units=inputs))
net.add(nn.Dense(classes, in_units=inner[-1]))
net.cast(images.dtype)
net.initialize(device=device)
parameters = net.collect_params().values()
weights = run.initial_weights()
for p, w in zip(parameters, weights, strict=True):
    p.set_data(np.array(w, dtype=w.dtype))

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
optimizer = gluon.Trainer(
    net.collect_params(), "sgd", {"learning_rate": run.learning_rate}
)

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        order = np.array(order, dtype=order.dtype, device=device)
        for batch in epoch.batches(order):
            x, y = images.take(batch, 0), labels.take(batch)
            with autograd.record():
                loss = loss_fn(net(x), y).mean()
            loss.backward()
            optimizer.step(1)  # the loss is a mean already
            epoch.losses.append(loss)
        # To numbers in one go, which waits for its engine.
        epoch.losses = np.stack(epoch.losses).asnumpy().tolist()
        epoch.finish(p.data().asnumpy() for p in parameters)

run.finish(device=net[0].weight.data().device.device_type)
