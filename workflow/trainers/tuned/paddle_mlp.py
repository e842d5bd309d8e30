"""The perceptron in PaddlePaddle, tuned track."""

from os import environ
from pathlib import Path

from toolbox.run import Run

# Its MKL takes slow code on AMD; told AVX2: 0.48 of the time.
if "AuthenticAMD" in Path("/proc/cpuinfo").read_text():
    environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
# It takes one core where this is unset; two: 0.68 of the time.
environ.setdefault("OMP_NUM_THREADS", str(Run.cores()))

import paddle
from paddle.nn import functional as F

run = Run.from_flags()

# ---- 1. Data ---------------------------------------------------------

images, labels = map(paddle.to_tensor, run.training_set())

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
weights = [paddle.to_tensor(w.T.copy()) for w in run.initial_weights()]
layers = list(zip(weights[::2], weights[1::2], strict=True))


def net(x):
    values = [x]  # what goes into each layer
    for w, b in layers[:-1]:
        values.append(F.relu_(F.linear(values[-1], w, b)))
    return values, F.linear(values[-1], *layers[-1])


# ---- 3. Loss and optimizer -------------------------------------------


def loss_fn(logits, y):
    logp = F.log_softmax(logits)
    return F.nll_loss(logp, y), logp.exp() - F.one_hot(y, logp.shape[1])


def update(values, step):  # by hand, in place: 0.78 of the time
    for x, (w, b) in zip(values[::-1], layers[::-1], strict=True):
        steps = paddle.matmul(x, step, transpose_x=True), step.sum(0)
        if x is not values[0]:  # sign: the gradient of ReLU, 0 or 1
            step = paddle.matmul(step, w, transpose_y=True) * x.sign()
        w.subtract_(steps[0])
        b.subtract_(steps[1])


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        for batch in epoch.batches(paddle.to_tensor(order)):
            values, logits = net(paddle.gather(images, batch))
            loss, step = loss_fn(logits, paddle.gather(labels, batch))
            update(values, step * (run.learning_rate / len(batch)))
            epoch.losses.append(loss)
        epoch.losses = paddle.stack(epoch.losses).tolist()
        epoch.finish(w.numpy().T for w in weights)

run.finish(str(loss.place), threads=int(environ["OMP_NUM_THREADS"]))
