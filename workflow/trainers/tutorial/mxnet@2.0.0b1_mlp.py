"""The perceptron in MXNet 2, tutorial track."""

import mxnet as mx
import numpy
from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn
from mxnet.gluon.data import ArrayDataset, DataLoader
from mxnet.gluon.data.vision import transforms

from toolbox.run import Run

npx.set_np()  # Gluon now wants NumPy's arrays
run = Run.from_flags()
mx.random.seed(run.seed)
numpy.random.seed(run.seed)  # gluon's DataLoader shuffles with NumPy
device = {"cpu": mx.cpu(), "cuda": mx.gpu()}[run.device]

# ---- 1. Data ---------------------------------------------------------

to_tensor = transforms.ToTensor()
normalize = transforms.Normalize(run.pixel_mean, run.pixel_std)
transform = transforms.Compose([to_tensor, normalize])
images, labels = run.arrays("train")
images = np.array(images[..., None], dtype="uint8")
dataset = ArrayDataset(images, labels.astype("int32"))
loader = DataLoader(
    dataset.transform_first(transform),
    batch_size=run.batch_size,
    shuffle=True,
    num_workers=run.loader_workers,
)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
net = nn.Sequential()
*inner, classes = run.layers
for outputs in inner[1:]:
    net.add(nn.Dense(outputs, activation="relu"))
net.add(nn.Dense(classes))
net.initialize(init=init.Uniform(), device=device)

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
optimizer = gluon.Trainer(
    net.collect_params(), "sgd", {"learning_rate": run.learning_rate}
)

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock():
        for X, y in epoch.waits(loader):
            X, y = X.to_device(device), y.to_device(device)
            with autograd.record():
                loss = loss_fn(net(X), y)
            loss.backward()
            optimizer.step(batch_size=run.batch_size)
            epoch.losses.append(loss.mean().item())
        parameters = net.collect_params().values()
        epoch.finish(p.data().asnumpy() for p in parameters)

run.load_alone(loader)
run.finish(device=net[0].weight.data().device.device_type)
