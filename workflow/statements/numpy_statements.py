"""The tutorial's one statement about NumPy, checked."""

from contextlib import nullcontext

import numpy as np

from observing import fails

MODULES = ["numpy"]
DEVICES = {"cpu": nullcontext()}


def shape_argument():
    print(np.ones((5, 3)).shape)
    refused = fails(lambda: np.ones(5, 3), TypeError)
    return "holds" if refused else "no longer"
