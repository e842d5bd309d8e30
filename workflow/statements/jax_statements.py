"""The tutorial's statements, answered by JAX."""

import jax
import jax.numpy as jnp
import numpy as np

from observing import fails, fresh_process

MODULES = ["jax", "jaxlib"]
DEVICES = {
    "cpu": jax.default_device("cpu"),
    "cuda": jax.default_device("gpu"),
}


def ones_plus_one():
    x = jnp.ones((5, 3))
    y = x + 1
    print(y)
    as_numpy = str(y) == str(np.full((5, 3), 2.0))
    return "holds" if as_numpy else "differs"


def shape_argument():
    print(jnp.ones((5, 3)).shape)
    refused = fails(lambda: jnp.ones(5, 3), TypeError)
    return "as in MXNet" if refused else "as in PyTorch"


def loss_and_sgd():
    X = jnp.array([[1.0, 2.0], [3.0, -1.0]])
    y = jnp.array([0, 1])
    weight = jnp.array([[0.5, -1.0], [0.0, 0.5]])

    def loss_fn(weight):
        log_p = jax.nn.log_softmax(X @ weight.T)
        return -log_p[jnp.arange(2), y].mean()

    for _ in range(2):
        loss, gradient = jax.value_and_grad(loss_fn)(weight)
        weight = weight - 0.1 * gradient
        print("loss", np.round(loss.tolist(), 4))
    print("weights", np.round(weight.tolist(), 4).tolist())
    by_hand = [[0.313818, -0.725813], [0.186182, 0.225813]]
    same = np.allclose(weight, by_hand, atol=1e-6)
    return "holds" if same else "differs"


def recording():
    x = jnp.array([1.0, 2.0, 3.0])
    y = (x * x).sum()
    nothing_kept = fails(lambda: y.backward(), AttributeError)
    print(jax.grad(lambda x: (x * x).sum())(x))
    return "differs" if nothing_kept else "as in PyTorch"


def gradient_writing():
    x = jnp.array([1.0, 2.0, 3.0])
    gradients = []
    for _ in range(2):
        gradients.append(jax.grad(lambda x: (x * x).sum())(x).tolist())
        print(gradients[-1])
    accumulates = gradients == [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]
    return "as in PyTorch" if accumulates else "differs"


def array_to_number():
    loss = jnp.array([0.25, 0.75])
    number = loss.mean().item()
    print(type(number), number)
    compiled = jax.jit(lambda loss: loss.mean().item())
    refused = fails(
        lambda: compiled(loss), jax.errors.ConcretizationTypeError
    )
    right = isinstance(number, float) and number == 0.5
    return "as in PyTorch" if right and refused else "differs"


def runs_differ():
    demanded = fails(lambda: jax.random.normal(shape=(3,)), TypeError)
    program = """if True:
    import jax
    key = jax.random.key(1)
    print(jax.random.normal(key, (3,)).tolist())
    print(jax.random.permutation(key, 60000)[:8].tolist())
    """
    once, again = fresh_process(program), fresh_process(program)
    print(once + again, end="")
    repeats = once == again
    return "differs" if demanded and repeats else "holds"
