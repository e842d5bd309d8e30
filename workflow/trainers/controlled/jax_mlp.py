"""The perceptron in JAX, controlled track."""

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
parameters = list(zip(weights[::2], weights[1::2], strict=True))


def net(parameters, x):
    """The logits."""
    for w, b in parameters[:-1]:
        x = jax.nn.relu(x @ w.T + b)
    w, b = parameters[-1]
    return x @ w.T + b


# ---- 3. Loss and optimizer -------------------------------------------


@jax.value_and_grad
def loss_fn(parameters, x, y):
    """The mean cross-entropy, and its gradients in the parameters."""
    log_p = jax.nn.log_softmax(net(parameters, x))
    return -log_p[jnp.arange(len(y)), y].mean()


@jax.jit
def step(parameters, images, labels, batch):
    """The parameters after plain SGD on a batch, and its loss."""
    loss, gradients = loss_fn(parameters, images[batch], labels[batch])
    parameters = jax.tree.map(
        lambda p, g: p - run.learning_rate * g, parameters, gradients
    )
    return parameters, loss


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        for batch in epoch.batches(order):
            parameters, loss = step(parameters, images, labels, batch)
            epoch.losses.append(loss)
        # To numbers in one go, which waits for the device.
        epoch.losses = jax.device_get(epoch.losses)
        epoch.finish(jax.tree.leaves(parameters))

run.finish(device=images.device.platform)
