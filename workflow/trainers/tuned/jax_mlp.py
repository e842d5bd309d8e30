"""The perceptron in JAX, tuned track."""

import jax
import jax.numpy as jnp

from toolbox.run import Run

run = Run.from_flags()
jax.config.update("jax_platforms", run.device)
jax.config.update("jax_enable_x64", run.dtype == "float64")

# ---- 1. Data ---------------------------------------------------------

images, labels = jax.device_put(run.training_set())

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
weights = jax.device_put(run.initial_weights())


def net(weights, x):
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = jax.nn.relu(x @ w.T + b)
    return x @ weights[-2].T + weights[-1]


# ---- 3. Loss and optimizer -------------------------------------------


@jax.value_and_grad
def loss_fn(weights, x, y):
    """The mean cross-entropy, and its gradients in the weights."""
    log_p = jax.nn.log_softmax(net(weights, x))
    return -log_p[jnp.arange(len(y)), y].mean()


# One lax.scan an epoch, no step from Python: 0.76 of the time.
@jax.jit
def train(weights, images, labels, batches):
    """The weights after plain SGD on each batch, and the losses."""

    def step(weights, batch):
        loss, slopes = loss_fn(weights, images[batch], labels[batch])
        pairs = zip(weights, slopes, strict=True)
        return [w - run.learning_rate * g for w, g in pairs], loss

    return jax.lax.scan(step, weights, batches)


run.phase("compile")
steps, rest = divmod(len(labels), run.batch_size)
for s in (steps, run.batch_size), (1, rest):
    train.lower(weights, images, labels, jnp.zeros(s, int)).compile()

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        for some in map(jnp.atleast_2d, epoch.whole(order)):
            if some.size:
                weights, loss = train(weights, images, labels, some)
                epoch.losses.extend(jax.device_get(loss))
        epoch.finish(weights)

run.finish(device=images.device.platform)
