"""The perceptron in MXNet, cured track."""

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, init, nd
from mxnet.gluon import nn
from mxnet.gluon.data import DataLoader
from mxnet.gluon.data.vision import transforms

from toolbox.run import Run

run = Run.from_flags()
mx.random.seed(run.seed)
np.random.seed(run.seed)  # gluon's DataLoader shuffles with NumPy
device = {"cpu": mx.cpu(), "cuda": mx.gpu()}[run.device]

# ---- 1. Data ---------------------------------------------------------

images, labels = run.arrays("train")
images = nd.array(images[..., None], dtype="uint8")
images = transforms.ToTensor()(images)  # all at once
images = transforms.Normalize(run.pixel_mean, run.pixel_std)(images)


def gather(batch):  # of indices, and all its images at once
    x = images.take(nd.array(batch, dtype="int32"))
    return x, nd.array(labels[batch], dtype="int32")


loader = DataLoader(  # with run.loader_workers 1.8 times as long
    range(len(labels)), run.batch_size, shuffle=True, batchify_fn=gather
)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
net = nn.Sequential()
*inner, classes = run.layers
for outputs in inner[1:]:
    net.add(nn.Dense(outputs, activation="relu"))
net.add(nn.Dense(classes))
net.initialize(init=init.Uniform(), ctx=device)

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
optimizer = gluon.Trainer(
    net.collect_params(), "sgd", {"learning_rate": run.learning_rate}
)

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock():
        for X, y in epoch.waits(loader):
            X, y = X.as_in_context(device), y.as_in_context(device)
            with autograd.record():
                loss = loss_fn(net(X), y)
            loss.backward()
            optimizer.step(batch_size=run.batch_size)
            epoch.losses.append(loss.mean().asscalar())
        parameters = net.collect_params().values()
        epoch.finish(p.data().asnumpy() for p in parameters)

run.load_alone(loader)
run.finish(device=net[0].weight.data().context.device_type)
