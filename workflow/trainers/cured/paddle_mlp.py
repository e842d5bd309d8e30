"""The perceptron in PaddlePaddle, cured track."""

import os
from itertools import pairwise

import numpy as np
import paddle
from paddle import io, nn

from toolbox.run import Run

run = Run.from_flags()
paddle.seed(run.seed)
np.random.seed(run.seed)  # Paddle's samplers shuffle with NumPy

# ---- 1. Data ---------------------------------------------------------

images, labels = run.arrays("train")
images = images.astype("float32") / np.iinfo(images.dtype).max
images = (images - run.pixel_mean) / run.pixel_std  # all at once
labels = labels.astype("int64")


def gather(batch):  # of indices, and all its images at once
    x, y = images[batch], labels[batch]
    return paddle.to_tensor(x), paddle.to_tensor(y)


# No DataLoader: it would load ahead in a thread of its own, even with
# no workers; with run.loader_workers 1.3 times as long (measured).
class Loader(io.BatchSampler):
    def __iter__(self):
        return map(gather, super().__iter__())


size = run.batch_size
loader = Loader(range(len(labels)), batch_size=size, shuffle=True)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
layers = [nn.Flatten()]
for inputs, outputs in pairwise(run.layers):
    layers += [nn.Linear(inputs, outputs), nn.ReLU()]
net = nn.Sequential(*layers[:-1])  # no ReLU at the end

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = nn.CrossEntropyLoss()
optimizer = paddle.optimizer.SGD(run.learning_rate, net.parameters())

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock():
        for x, y in epoch.waits(loader):
            loss = loss_fn(net(x), y)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            epoch.losses.append(loss.item())
        epoch.finish(p.numpy().T for p in net.parameters())

run.load_alone(loader)
threads = int(os.environ["OMP_NUM_THREADS"])  # 1, if it was unset
run.finish(device=str(loss.place), threads=threads)
