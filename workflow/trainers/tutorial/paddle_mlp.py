"""The perceptron in PaddlePaddle, tutorial track."""

import os
from itertools import pairwise

import numpy as np
import paddle
from paddle import io, nn
from paddle.vision.transforms import Normalize

from toolbox.run import Run

run = Run.from_flags()
paddle.seed(run.seed)
np.random.seed(run.seed)  # Paddle's DataLoader shuffles with NumPy

# ---- 1. Data ---------------------------------------------------------

images, labels = run.arrays("train")
white = np.iinfo(images.dtype).max  # Normalize takes them unscaled
normalize = Normalize([white * run.pixel_mean], [white * run.pixel_std])


class TrainingSet(io.Dataset):
    def __getitem__(self, index):
        return normalize(images[index]), int(labels[index])

    def __len__(self):
        return len(labels)


loader = io.DataLoader(
    TrainingSet(),
    batch_size=run.batch_size,
    shuffle=True,
    num_workers=run.loader_workers,
)

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
