"""The perceptron in TensorFlow, tuned track."""

import tensorflow as tf

from toolbox.run import Run

run = Run.from_flags()
tf.config.experimental.enable_tensor_float_32_execution(False)

# ---- 1. Data ---------------------------------------------------------

images, labels = map(tf.constant, run.training_set())

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
# As (inputs, outputs); the protocol has them the other way.
weights = [tf.Variable(w.T) for w in run.initial_weights()]
parameters = list(zip(weights[::2], weights[1::2], strict=True))


def net(x):
    """The logits."""
    for w, b in parameters[:-1]:
        x = tf.nn.relu(x @ w + b)
    w, b = parameters[-1]
    return x @ w + b


# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = tf.nn.sparse_softmax_cross_entropy_with_logits


# The epoch as one loop that XLA compiles: 0.71 of the time.
@tf.function(jit_compile=True)
def train(images, labels, batches, steps):
    """Plain SGD on the first batches, as many as steps; the losses."""
    losses = tf.TensorArray(run.dtype, len(batches))
    for i in tf.range(steps):
        x, y = (tf.gather(a, batches[i]) for a in (images, labels))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(loss_fn(y, net(x)))
        slopes = tape.gradient(loss, weights)
        for w, slope in zip(weights, slopes, strict=True):
            w.assign_sub(run.learning_rate * slope)
        losses = losses.write(i, loss)
    return losses.stack()


run.phase("compile")
steps, rest = divmod(len(labels), run.batch_size)
for shape in (steps, run.batch_size), (1, rest):
    train(images, labels, tf.zeros(shape, tf.int64), tf.constant(0))

# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock() as order:
        full, rest = map(tf.constant, epoch.whole(order))
        for some in (full, rest[None])[: 1 + bool(len(rest))]:
            loss = train(images, labels, some, tf.constant(len(some)))
            epoch.losses.extend(loss.numpy())
        epoch.finish(w.numpy().T for w in weights)

run.finish(device=tf.DeviceSpec.from_string(loss.device).device_type)
