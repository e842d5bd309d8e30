"""The perceptron in PyTorch, tuned track."""

import torch
from torch.ops import aten, mkldnn

from toolbox.run import Run

run = Run.from_flags()

# ---- 1. Data ---------------------------------------------------------

arrays = run.training_set()
images, labels = (torch.from_numpy(a).to(run.device) for a in arrays)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
weights = run.initial_weights()
weights = [torch.from_numpy(w).to(run.device) for w in weights]
net = list(zip(weights[::2], weights[1::2], strict=True))


def restart(arrays):
    for w, array in zip(weights, arrays, strict=True):
        w.copy_(torch.from_numpy(array))


def onednn(x, w, b):  # 0.64 of the time where MKL is slow, else 1
    return mkldnn._linear_pointwise(x, w, b, "none", [], "")


linear = onednn if run.device == "cpu" else aten.linear
dense = run.twin("oneDNN linear (CPU)", linear, aten.linear, restart)

# ---- 3. Loss and optimizer -------------------------------------------


def loss_fn(z, y):  # and its gradient by z
    p = torch.log_softmax(z, 1)
    loss, n = aten.nll_loss_forward(p, y, None, 1, -1)
    d = aten.nll_loss_backward(z.new_ones(()), p, y, None, 1, -1, n)
    return loss, aten._log_softmax_backward_data(d, p, 1, z.dtype)


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        order = torch.from_numpy(order).to(run.device)
        for batch in epoch.batches(order):
            hs = [images.index_select(0, batch)]  # [batch]: 1.06
            for w, b in net[:-1]:
                hs.append(dense(hs[-1], w, b).relu_())
            z = aten.linear(hs[-1], *net[-1])
            loss, d = loss_fn(z, labels.index_select(0, batch))
            epoch.losses.append(loss)
            for w, b in reversed(net):  # addmm_ updates in place: 0.90
                h, dz = hs.pop(), d
                d = hs and aten.threshold_backward(dz.mm(w), h, 0)
                w.addmm_(dz.t(), h, alpha=-run.learning_rate)
                b.sub_(dz.sum(0), alpha=run.learning_rate)
        epoch.losses = torch.stack(epoch.losses).tolist()
        epoch.finish(w.cpu().numpy() for w in weights)

run.finish(weights[0].device.type, threads=torch.get_num_threads())
