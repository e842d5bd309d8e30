"""The perceptron in tinygrad, controlled track."""

from functools import cache
from itertools import pairwise

from tinygrad import Context, Tensor, TinyJit, nn
from tinygrad.helpers import DEV, NUM_CPU_THREADS

from toolbox.run import Run

run = Run.from_flags()
DEV.value = run.device

# ---- 1. Data ---------------------------------------------------------

images, labels = run.training_set()

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
*inner, classes = run.layers
layers = []
for inputs, outputs in pairwise(inner):
    layers += [nn.Linear(inputs, outputs), Tensor.relu]
layers.append(nn.Linear(inner[-1], classes))
parameters = nn.state.get_parameters(layers)
for p, w in zip(parameters, run.initial_weights(), strict=True):
    p.replace(Tensor(w)).realize()


def net(x):
    return x.sequential(layers)


# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = Tensor.sparse_categorical_crossentropy
optimizer = nn.optim.SGD(parameters, lr=run.learning_rate)


@Context(TRAINING=1)
def step(x, y):
    optimizer.zero_grad()
    loss = loss_fn(net(x), y).backward()
    # Together: afterwards it would be the loss of the new weights.
    return loss.realize(*optimizer.schedule_step())


# One for each size of a batch: what is compiled replays no other.
compiled = cache(lambda size: TinyJit(step))

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        for batch in epoch.batches(order):
            x, y = Tensor(images[batch]), Tensor(labels[batch])
            loss = compiled(len(batch))(x, y)
            # At once: a replay writes into the same buffer again.
            epoch.losses.append(loss.item())
        epoch.finish(p.numpy() for p in parameters)

device = parameters[0].device.lower()
run.finish(device=device, threads=NUM_CPU_THREADS.value)
