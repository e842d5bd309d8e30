"""The perceptron in Keras on JAX, tuned track."""

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
hidden = [layers.Dense(outputs, activation="relu") for outputs in inner]
net = keras.Sequential([*hidden, layers.Dense(classes)])
net.build((None, inputs))
# Its weights are (inputs, outputs), the protocol's the other way.
net.set_weights([value.T for value in run.initial_weights()])

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.SGD(run.learning_rate)
optimizer.build(net.trainable_variables)


@jax.value_and_grad
def forward(weights, x, y):
    """The loss, and its gradients in the weights."""
    return loss_fn(y, net.stateless_call(weights, [], x)[0])


# One lax.scan an epoch, no step from Python: 0.67 of the time.
@jax.jit
def train(state, images, labels, batches):
    """The state after one step on each batch, and the losses."""

    def step(state, batch):
        weights, own = state
        loss, gradients = forward(weights, images[batch], labels[batch])
        return optimizer.stateless_apply(own, gradients, weights), loss

    return jax.lax.scan(step, state, batches)


# ---- 4. Training loop ------------------------------------------------

variables = net.trainable_variables, optimizer.variables
state = tuple([v.value for v in several] for several in variables)
for epoch in run.epochs():
    with epoch.clock() as order:
        for some in map(jax.numpy.atleast_2d, epoch.whole(order)):
            if some.size:
                state, loss = train(state, images, labels, some)
                epoch.losses.extend(jax.device_get(loss))
        epoch.finish(w.T for w in jax.device_get(state[0]))

run.finish(device=images.device.platform)
