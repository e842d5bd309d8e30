from unittest.mock import patch

import numpy as np

_ones = np.ones

WORLDS = {
    "shape_argument": [
        ["no longer", patch.object(np, "ones", lambda *shape: _ones((5, 3)))],
    ],
}
