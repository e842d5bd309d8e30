"""A program: how fast NumPy multiplies matrices with one thread and with more, as JSON.

    python workflow/scripts/evenhand/rounds/matmul.py THREADS

A process of its own, since a library reads the variables that steer it once, when it is loaded.
"""

import json
import sys
import time

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


if __name__ == "__main__":
    with_one, with_all = (best_rate(threads) for threads in (1, int(sys.argv[1])))
    print(json.dumps([with_one, with_all]))
