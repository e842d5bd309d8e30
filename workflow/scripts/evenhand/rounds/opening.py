"""Open a round: who takes part in which order, on what machine, and how fast that machine is."""

import time
import uuid
from datetime import UTC, datetime

import numpy as np
from threadpoolctl import threadpool_limits

from toolbox.machine import load, machine
from toolbox.record import sealed


def matmul_peak(threads: int, size: int = 2048, seconds: float = 0.3) -> float:
    """The best rate of float32 matrix multiplication seen within `seconds`, in FLOP/s.

    A product of two square matrices takes 2 size**3 floating-point operations. The best rate and
    not the mean: it is the limit that a run's share is measured against.
    """
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    best, end = float("inf"), time.monotonic() + seconds
    with threadpool_limits(limits=threads):
        while time.monotonic() < end:
            begin = time.perf_counter()
            a @ a
            best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def open_round(
    track: str, scenario: str, round_: int, nodes: str, seed: int, order: list, threads
) -> dict:
    """The content of the file that opens a round, sealed.

    `nodes`: the kind that was requested. `threads`: a number, or `default` for every usable core.
    """
    here = machine()
    count = here["usable_cores"] if threads == "default" else threads
    before = load()
    content = {
        "schema": 1,
        "id": uuid.uuid4().hex,
        "track": track,
        "scenario": scenario,
        "round": round_,
        "nodes": nodes,
        "seed": seed,
        "order": order,
        "opened": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "machine": here,
        "load": before,
        "peak": {"threads": count, "flops": matmul_peak(count), "size": 2048},
    }
    return sealed(content)
