"""The tutorial's statements, answered by TensorFlow."""

import numpy as np
import tensorflow as tf

from observing import fails, fresh_process

MODULES = ["tensorflow", "keras"]
DEVICES = {"cpu": tf.device("CPU"), "cuda": tf.device("GPU")}


def ones_plus_one():
    x = tf.ones((5, 3))
    y = x + 1
    print(y)
    twos = y.numpy().tolist() == [[2.0, 2.0, 2.0]] * 5
    named = str(y).endswith("shape=(5, 3), dtype=float32)")
    return "holds" if twos and named else "differs"


def shape_argument():
    print(tf.ones((5, 3)).shape)
    if fails(lambda: print(tf.ones(5, 3)), TypeError):
        return "as in MXNet"
    as_asked = tf.ones(5, 3).shape == (5, 3)
    return "as in PyTorch" if as_asked else "differs"


def transform_first():
    # Made-up images.
    images = tf.reshape(tf.range(3 * 784) % 256, (3, 28, 28))
    data = tf.data.Dataset.from_tensor_slices((images, [5, 0, 4]))
    refused = fails(
        lambda: data.map(lambda image: image / 255), TypeError
    )
    for image, label in data.map(lambda x, y: (x / 255, y)):
        print(image.shape, image.dtype.name, label.numpy())
    return "differs" if refused else "as in MXNet"


def input_size():
    net = tf.keras.layers.Dense(256)
    print(net, net.weights)
    net(tf.ones((128, 784)))
    print(net, net.weights[0].shape)
    inferred = net.weights[0].shape == (784, 256)
    return "as in MXNet" if inferred else "as in PyTorch"


def loss_and_sgd():
    X = tf.constant([[1.0, 2.0], [3.0, -1.0]])
    y = tf.constant([0, 1])
    weight = tf.Variable([[0.5, 0.0], [-1.0, 0.5]])
    trainer = tf.keras.optimizers.SGD(learning_rate=0.1)
    loss_fn = tf.nn.sparse_softmax_cross_entropy_with_logits
    for _ in range(2):
        with tf.GradientTape() as tape:
            losses = loss_fn(labels=y, logits=X @ weight)
            loss = tf.reduce_mean(losses)
        trainer.apply_gradients([(tape.gradient(loss, weight), weight)])
        print("loss", np.round(losses.numpy().tolist(), 4))
    transposed = weight.numpy().T.tolist()
    print("weights", np.round(transposed, 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(transposed, by_hand, atol=1e-6)
    return "holds" if same and losses.shape == (2,) else "differs"


def recording():
    x = tf.Variable([1.0, 2.0, 3.0])
    before = tf.reduce_sum(x * x)
    with tf.GradientTape(persistent=True) as tape:
        recorded = tf.reduce_sum(x * x)
    outside, inside = (
        tape.gradient(before, x),
        tape.gradient(recorded, x),
    )
    print(outside, inside, sep="\n")
    right = outside is None and inside.numpy().tolist() == [2, 4, 6]
    return "as in MXNet" if right else "differs"


def gradient_writing():
    x = tf.Variable([1.0, 2.0, 3.0])
    gradients = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(x * x)
        gradients.append(tape.gradient(y, x).numpy().tolist())
        print(gradients[-1])
    accumulates = gradients == [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]
    return "as in PyTorch" if accumulates else "differs"


def array_to_number():
    loss = tf.reduce_mean(tf.constant([0.25, 0.75]))
    missing = fails(lambda: loss.item(), AttributeError)
    print(type(loss.numpy()), loss.numpy())
    print(type(float(loss)), float(loss))
    return "differs" if missing else "as in PyTorch"


def runs_differ():
    unseeded = """if True:
    import tensorflow as tf
    dense = tf.keras.layers.Dense(3)
    dense.build((None, 1))
    print(dense.kernel.numpy().tolist())
    print(tf.random.shuffle(tf.range(60000))[:8].numpy().tolist())
    """
    weights, order = fresh_process(unseeded).splitlines()
    weights_again, order_again = fresh_process(unseeded).splitlines()
    print(weights, weights_again, order, order_again, sep="\n")
    anew = weights != weights_again and order != order_again

    def drawn(seed):
        tf.keras.utils.set_random_seed(seed)
        dense = tf.keras.layers.Dense(256)
        dense.build((None, 784))
        return dense.kernel.numpy()

    repeats = np.array_equal(drawn(seed=1), drawn(seed=1))
    differs = not np.array_equal(drawn(seed=1), drawn(seed=2))
    print("the same seed repeats:", repeats)
    print("another seed differs:", differs)
    return "holds" if anew and repeats and differs else "differs"
