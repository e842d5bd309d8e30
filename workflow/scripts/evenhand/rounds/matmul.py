"""A program: how fast NumPy multiplies matrices with one thread and with more, as JSON.

    python workflow/scripts/evenhand/rounds/matmul.py THREADS BATCH_SIZE LAYER LAYER ...

Square matrices, and those of a training step: layers are the sizes from inputs to classes. A
process of its own, since a library reads the variables that steer it once, when it is loaded.
"""

import json
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

SIZES = (512, 1024, 2048, 4096)  # which is fastest depends on caches and on the number of threads
SECONDS = 0.3


def best_rate(threads: int, seconds: float = SECONDS) -> dict:
    """The best rate of float32 matrix multiplication with so many threads, in FLOP/s as `flops`.

    A product of two square matrices takes 2 size**3 floating-point operations. The best rate and
    not the mean: it is the limit that a run's share is measured against. All sizes get the same
    time; one whose product would take more than is left is passed over. `kernel` is the processor
    that the `library` computes for, as threadpoolctl names both, or None where it sees neither.
    """
    matrices, spent = {}, dict.fromkeys(SIZES, 0.0)

    def product(size: int) -> float:
        """The seconds of one product."""
        if size not in matrices:
            a = np.random.default_rng(0).random((size, size), dtype=np.float32)
            matrices[size] = a, np.zeros_like(a)
        a, out = matrices[size]
        begin = time.perf_counter()
        np.matmul(a, a, out=out)
        return time.perf_counter() - begin

    with threadpool_limits(limits=threads, user_api="blas"):
        end = time.monotonic() + seconds
        product(SIZES[0])  # starts the threads
        flops, best_size = 2 * SIZES[0] ** 3 / product(SIZES[0]), SIZES[0]
        while True:
            left = end - time.monotonic()
            fitting = [size for size in SIZES if 2 * size**3 / flops <= left]
            if not fitting:
                break
            size = min(fitting, key=spent.get)
            took = product(size)
            spent[size] += took
            flops, best_size = max((flops, best_size), (2 * size**3 / took, size))
    blas = next((pool for pool in threadpool_info() if pool["user_api"] == "blas"), {})
    return {
        "flops": flops,
        "size": best_size,
        "kernel": blas.get("architecture"),
        "library": " ".join(filter(None, [blas.get("internal_api"), blas.get("version")])) or None,
    }


def step_seconds(
    threads: int, batch_size: int, layers: Sequence[int], seconds: float = SECONDS
) -> float:
    """The bare matrix products of one training step, float32, with so many threads.

    Of a layer: x W', the gradient of W, and but for the first that of x; between fixed arrays, and
    nothing else. The least of many times: what these shapes allow, where large squares do not say.
    """
    rng = np.random.default_rng(0)
    products = []
    for layer, (inputs, outputs) in enumerate(pairwise(layers)):
        x, w, gradient = (
            rng.random(shape, dtype=np.float32)
            for shape in ((batch_size, inputs), (outputs, inputs), (batch_size, outputs))
        )
        products += [(x, w.T), (gradient.T, x)] + [(gradient, w)] * (layer > 0)
    products = [(a, b, np.empty((len(a), b.shape[1]), np.float32)) for a, b in products]
    least = float("inf")
    with threadpool_limits(limits=threads, user_api="blas"):
        end = time.monotonic() + seconds
        while least == float("inf") or time.monotonic() < end:
            begin = time.perf_counter()
            for a, b, out in products:
                np.matmul(a, b, out=out)
            least = min(least, time.perf_counter() - begin)
    return least


if __name__ == "__main__":
    all_threads, batch_size, *layers = map(int, sys.argv[1:])
    both = [
        best_rate(threads) | {"step_seconds": step_seconds(threads, batch_size, layers)}
        for threads in (1, all_threads)
    ]
    print(json.dumps(both))
