"""The perceptron in TensorFlow, controlled track."""

import tensorflow as tf
from tensorflow import keras

from toolbox.run import Run

run = Run.from_flags()
keras.config.set_floatx(run.dtype)

# ---- 1. Data ---------------------------------------------------------

images, labels = map(tf.constant, run.training_set())

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
inputs, *inner, classes = run.layers
net = keras.Sequential([keras.Input([inputs])])
for outputs in inner:
    net.add(keras.layers.Dense(outputs, activation="relu"))
net.add(keras.layers.Dense(classes))
# Keras keeps weights as (inputs, outputs), the protocol the other way.
net.set_weights([w.T for w in run.initial_weights()])

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.SGD(run.learning_rate)


@tf.function
def step(images, labels, batch):
    """One step on a batch; its loss."""
    x, y = tf.gather(images, batch), tf.gather(labels, batch)
    with tf.GradientTape() as tape:
        loss = loss_fn(y, net(x, training=True))
    gradients = tape.gradient(loss, net.trainable_variables)
    optimizer.apply(gradients, net.trainable_variables)
    return loss


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        order = tf.constant(order)
        for batch in epoch.batches(order):
            loss = step(images, labels, batch)
            epoch.losses.append(loss)
        # To numbers in one go.
        epoch.losses = tf.stack(epoch.losses).numpy().tolist()
        epoch.finish(w.T for w in net.get_weights())

run.finish(device=tf.DeviceSpec.from_string(loss.device).device_type)
