"""The perceptron in TensorFlow, cured track."""

import tensorflow as tf
from tensorflow import keras

from toolbox.run import Run

run = Run.from_flags()
keras.utils.set_random_seed(run.seed)

# ---- 1. Data ---------------------------------------------------------

images, labels = run.arrays("train")
normalized = tf.image.convert_image_dtype(images, tf.float32)
normalized = (normalized - run.pixel_mean) / run.pixel_std


def gather(batch):  # of indices, and all its images at once
    return tf.gather(normalized, batch), tf.gather(labels, batch)


workers, opts = run.loader_workers, tf.data.Options()
opts.autotune.enabled = False  # no thread that nobody asked for
# These would load ahead without workers, too.
opts.experimental_optimization.apply_default_optimizations = workers > 0
opts.threading.private_threadpool_size = max(workers, 1)
loader = tf.data.Dataset.range(len(images)).with_options(opts)
loader = loader.shuffle(len(images)).batch(run.batch_size)
loader = loader.map(gather, workers or None).prefetch(workers)

# ---- 2. Model --------------------------------------------------------

run.phase("set_up")
_, *inner, classes = run.layers
net = keras.Sequential([keras.Input(images.shape[1:])])
net.add(keras.layers.Flatten())
for outputs in inner:
    net.add(keras.layers.Dense(outputs, activation="relu"))
net.add(keras.layers.Dense(classes))

# ---- 3. Loss and optimizer -------------------------------------------

loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.SGD(run.learning_rate)


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, net(x, training=True))
    gradients = tape.gradient(loss, net.trainable_variables)
    optimizer.apply(gradients, net.trainable_variables)
    return loss


# ---- 4. Training loop ------------------------------------------------

for epoch in run.epochs():
    with epoch.clock():
        for x, y in epoch.waits(loader):
            loss = step(x, y)
            epoch.losses.append(float(loss))
        epoch.finish(w.T for w in net.get_weights())

run.load_alone(loader)
run.finish(device=tf.DeviceSpec.from_string(loss.device).device_type)
