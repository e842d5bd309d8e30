"""The perceptron in Keras on JAX, controlled track."""

import jax
import keras
from keras import layers

from toolbox.run import Run

run = Run.from_flags()
jax.config.update("jax_platforms", run.device)
jax.config.update("jax_enable_x64", run.dtype == "float64")
keras.config.set_floatx(run.dtype)

# ---- 1. Data ---------------------------------------------------------

images, labels = jax.device_put(run.training_set())

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
inputs, *inner, classes = run.layers
net = keras.Sequential([keras.Input([inputs])])
for outputs in inner:
    net.add(layers.Dense(outputs, activation="relu"))
net.add(layers.Dense(classes))
# Its weights are (inputs, outputs), the protocol's the other way.
net.set_weights([value.T for value in run.initial_weights()])

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.SGD(run.learning_rate)
optimizer.build(net.trainable_variables)


@jax.value_and_grad
def forward(weights, x, y):
    """The loss, and its gradients in the weights."""
    logits, _ = net.stateless_call(weights, [], x, training=True)
    return loss_fn(y, logits)


@jax.jit
def step(state, images, labels, batch):
    """The state after one step on a batch, and the loss."""
    weights, variables = state
    loss, gradients = forward(weights, images[batch], labels[batch])
    state = optimizer.stateless_apply(variables, gradients, weights)
    return state, loss


# ---- 4. Training loop ------------------------------------------------

variables = net.trainable_variables, optimizer.variables
state = tuple([v.value for v in several] for several in variables)
for epoch in run.epochs():
    with epoch.clock() as order:
        for batch in epoch.batches(order):
            state, loss = step(state, images, labels, batch)
            epoch.losses.append(loss)
        # To numbers in one go, which waits for the device.
        epoch.losses = jax.device_get(epoch.losses)
        epoch.finish(w.T for w in jax.device_get(state[0]))

run.finish(device=images.device.platform)
