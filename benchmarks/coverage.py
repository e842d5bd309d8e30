"""Error rates of intervals and verdicts, in simulated experiments on a machine that drifts.

    python benchmarks/coverage.py [experiments]

Three competitors run once a round. The logarithm of a run's seconds is a sum: the competitor's, the
machine's at that moment, and noise. The schedule is ours (interleaved: each round holds all three
in a random order) or, for comparison, the usual one (blocked: all runs of one competitor, then of
the next). Prints one Markdown row for each schedule, number of rounds and kind of drift.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from evenhand.comparison import inference

COMPETITORS = 3
PAIRS = [(1, 0), (2, 0), (2, 1)]
NOISE = 0.02  # standard deviation of a run's log seconds
SIZE = 0.10  # log seconds that a machine drifts in an experiment
DRIFTS = ("none", "trend", "random walk", "step", "interference")


def machine(drift: str, moments: int, experiments: int, rng: np.random.Generator) -> np.ndarray:
    """Log seconds that the machine adds at each moment, (experiments, moments)."""
    now = np.arange(moments)
    sign = rng.choice([-1, 1], size=(experiments, 1))
    match drift:
        case "none":
            return np.zeros((experiments, moments))
        case "trend":
            return sign * SIZE * now / (moments - 1)
        case "random walk":
            steps = rng.normal(0, SIZE / np.sqrt(moments), size=(experiments, moments))
            return steps.cumsum(axis=1)
        case "step":
            return sign * SIZE * (now >= rng.integers(1, moments, size=(experiments, 1)))
        case "interference":  # one moment of ten, something else runs on the machine
            return 2 * SIZE * (rng.random((experiments, moments)) < 0.1)
    raise ValueError(f"drift must be one of {DRIFTS}, got {drift!r}")


def schedule(blocked: bool, rounds: int, experiments: int, rng: np.random.Generator) -> np.ndarray:
    """The moment of each run, (experiments, rounds, competitors)."""
    shape = (experiments, rounds, COMPETITORS)
    first = np.arange(rounds)[:, np.newaxis]
    if blocked:
        return np.broadcast_to(first + rounds * np.arange(COMPETITORS), shape)
    return COMPETITORS * first + rng.permuted(
        np.broadcast_to(np.arange(COMPETITORS), shape), axis=-1
    )


def log_ratios(
    truth: list[float], blocked: bool, rounds: int, drift: str, experiments: int, seed: int
) -> np.ndarray:
    """d for each experiment, pair and round; ``truth`` holds the competitors' true log seconds."""
    rng = np.random.default_rng(seed)
    drifts = machine(drift, rounds * COMPETITORS, experiments, rng)
    moments = schedule(blocked, rounds, experiments, rng)
    noise = rng.normal(0, NOISE, size=moments.shape)
    log_seconds = truth + noise + drifts[np.arange(experiments)[:, None, None], moments]
    return np.stack([log_seconds[..., a] - log_seconds[..., b] for a, b in PAIRS], axis=1)


def verdicts(found: inference.Effect) -> np.ndarray:
    """Verdicts, (experiments, pairs), as the workflow reaches them."""
    return inference.verdict(
        found.ratio, inference.holm(found.p_different), inference.holm(found.p_same)
    )


def rates(blocked: bool, rounds: int, drift: str, experiments: int, seed: int) -> dict[str, float]:
    """How often, as fractions of the experiments (of the pairs, for coverage and same)."""

    def simulate(*truth: float) -> inference.Effect:
        d = log_ratios(list(truth), blocked, rounds, drift, experiments, seed)
        return inference.effect(d)

    equal, apart = simulate(0, 0, 0), simulate(0, 0, np.log(1.1))
    at_margin = simulate(0, np.log(1.03), -np.log(1.03))
    ranked = ["faster", "slower"]
    return {
        "coverage": np.mean((equal.low <= 1) & (1 <= equal.high)),
        # all equal: any of the three pairs ranked
        "false rank, all equal": np.isin(verdicts(equal), ranked).any(axis=1).mean(),
        # one apart: the equal pair ranked; Holm's hardest case, its full alpha is left for it
        "false rank, one apart": np.isin(verdicts(apart)[:, 0], ranked).mean(),
        # two pairs exactly at the margin: either called the same
        "false same, at 3 %": (verdicts(at_margin)[:, :2] == "same").any(axis=1).mean(),
        "10 % found": (verdicts(apart)[:, 1] == "slower").mean(),
        "same found": (verdicts(equal) == "same").mean(),
    }


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    header = ["schedule", "rounds", "drift", *rates(False, 5, "none", 10, seed=0)]
    print(table_row(header), table_row(["---"] * len(header)), sep="\n")
    for blocked in (False, True):
        for rounds in (5, 10):
            for drift in DRIFTS:
                found = rates(blocked, rounds, drift, experiments, seed=2018).values()
                name = "blocked" if blocked else "interleaved"
                print(table_row([name, str(rounds), drift, *(f"{rate:.3f}" for rate in found)]))
