"""The multilayer perceptron that everybody trains, in numbers: shapes, operations, ReLUs.

`layers` are the sizes from inputs to classes, [784, 256, 10] for the tutorial's.
"""

from collections.abc import Sequence
from itertools import pairwise


def weight_shapes(layers: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The shape of each array of parameters, in the protocol's order and by its names.

    w1 (outputs, inputs), b1 (outputs,), and so on for every layer.
    """
    shapes = {}
    for layer, (inputs, outputs) in enumerate(pairwise(layers), 1):
        shapes |= {f"w{layer}": (outputs, inputs), f"b{layer}": (outputs,)}
    return shapes


def flop_per_image(layers: Sequence[int]) -> int:
    """Floating-point operations of one training step per image.

    A matrix product takes 2 operations for each weight and image. The first layer takes two
    products (forward, gradient of its weights), every other a third (gradient of its inputs), which
    the first layer does not need. The rest (bias, ReLU, softmax) is not counted.
    """
    first, *others = (inputs * outputs for inputs, outputs in pairwise(layers))
    return 2 * 2 * first + 3 * 2 * sum(others)


def relus_per_image(layers: Sequence[int]) -> int:
    """How many ReLUs one image passes: the units of all hidden layers."""
    return sum(layers[1:-1])
