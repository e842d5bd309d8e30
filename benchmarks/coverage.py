"""Error rates of intervals, verdicts and whole pages, in simulated experiments.

    python benchmarks/coverage.py [experiments]

The logarithm of a run's seconds is a sum: the competitor's, the machine's at that moment, and
noise. Prints five Markdown tables:

- intervals and verdicts of three competitors on a machine that drifts, for our schedule
  (interleaved: each round holds all in a random order) and, for comparison, the usual one (blocked:
  all runs of one competitor, then of the next);
- the default configuration's page, with Holm's adjustment over each table and over the page;
- a competitor that is fast or slow by turns;
- "k more rounds needed", followed once;
- rounds that a precision asks for, fixed by the first.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from evenhand.comparison import inference

NOISE = 0.02  # standard deviation of a run's log seconds
SIZE = 0.10  # log seconds that a machine drifts in an experiment
SLOW = 0.20  # log seconds between the two modes of a competitor that has two
DRIFTS = ("none", "trend", "random walk", "step", "interference")
MARGIN = np.log(1.03)
FOLLOWED = 100  # whoever is asked for more rounds than this adds so many
PRECISION = 0.02
MEDIAN = "rounds"


class Page(NamedTuple):
    """What is compared: tables of competitors, pairs of their runs, changes of pairs."""

    tables: tuple[int, ...]  # how many competitors each has
    pairs: tuple[tuple[int, int], ...]  # (a, b), numbered through the tables
    changes: tuple[tuple[int, int], ...] = ()  # (y, x), which are pairs

    def differences(self, values: np.ndarray) -> np.ndarray:
        """Of all pairs and changes, (..., pairs and changes), from the runs', (..., runs)."""
        pairs = np.stack([values[..., a] - values[..., b] for a, b in self.pairs], axis=-1)
        changes = [pairs[..., y : y + 1] - pairs[..., x : x + 1] for y, x in self.changes]
        return np.concatenate([pairs, *changes], axis=-1)


ONE = Page((2,), ((1, 0),))
THREE = Page((3,), ((1, 0), (2, 0), (2, 1)))
# The default configuration: two frameworks in the tutorial track, with their own threads and with
# one, and the change from the one to the other; three in the controlled track.
DEFAULT = Page((2, 2, 3), ((1, 0), (3, 2), (5, 4), (6, 4), (6, 5)), changes=((1, 0),))
A_TABLE_EACH = ([0], [1], [2, 3, 4], [5])  # its tables, and the change
DOUBLED, TENTH = np.log(2), np.log(1.1)


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


def schedule(
    tables: tuple[int, ...], blocked: bool, rounds: int, experiments: int, rng: np.random.Generator
) -> np.ndarray:
    """The moment of each run, (experiments, rounds, runs): table after table in each round."""
    runs, first = sum(tables), np.arange(rounds)[:, np.newaxis]
    if blocked:
        return np.broadcast_to(first + rounds * np.arange(runs), (experiments, rounds, runs))
    turns = [
        sum(tables[:place])
        + rng.permuted(np.broadcast_to(np.arange(size), (experiments, rounds, size)), axis=-1)
        for place, size in enumerate(tables)
    ]
    return runs * first + np.concatenate(turns, axis=-1)


def log_ratios(
    page: Page,
    truth: list[float],
    rounds: int,
    experiments: int,
    seed: int,
    drift: str = "none",
    blocked: bool = False,
    noise: float = NOISE,
    slow_share: float = 0,
) -> np.ndarray:
    """d of each experiment, pair or change, and round.

    `truth` holds the runs' true log seconds. With a `slow_share`, each table's second competitor is
    slow in that share of its runs and fast in the others; its true log seconds are their mean.
    """
    rng = np.random.default_rng(seed)
    drifts = machine(drift, rounds * sum(page.tables), experiments, rng)
    moments = schedule(page.tables, blocked, rounds, experiments, rng)
    noises = rng.normal(0, noise, size=moments.shape)
    log_seconds = truth + noises + drifts[np.arange(experiments)[:, None, None], moments]
    if slow_share:
        second = np.cumsum((0, *page.tables[:-1])) + 1
        slow = rng.random(moments[..., second].shape) < slow_share
        log_seconds[..., second] += SLOW * (slow - slow_share)
    return np.moveaxis(page.differences(log_seconds), -1, 1)


def verdicts(
    page: Page,
    d: np.ndarray,
    confidence: float = 0.95,
    families: Sequence[list[int]] | None = None,
) -> np.ndarray:
    """On each pair and change, (experiments, pairs and changes), as the workflow reaches them.

    `families`: which of them are adjusted together; without, all are.
    """
    found, count = inference.effect(d), len(page.pairs)
    different, same = found.p_different.copy(), found.p_same.copy()
    for family in families or [list(range(d.shape[1]))]:
        pairs = [member for member in family if member < count]
        different[:, family] = inference.holm(different[:, family])
        same[:, pairs] = inference.holm(same[:, pairs])
    of_pairs, of_changes = (
        [values[:, part] for values in (found.ratio, different, same)]
        for part in (slice(count), slice(count, None))
    )
    ranks = inference.verdict(*of_pairs, confidence)
    return np.hstack([ranks, inference.change_verdict(*of_changes[:2], confidence)])


def mistakes(page: Page, said: np.ndarray, truth: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Whether anything on each page is wrongly called different, and the same; (experiments,)."""
    true = page.differences(np.array(truth, dtype=float)).round(9)
    down = np.isin(said, ["faster", "falls"]) & (true >= 0)
    up = np.isin(said, ["slower", "rises"]) & (true <= 0)
    same = (said == "same") & (np.abs(true) >= MARGIN.round(9))
    return (down | up).any(axis=1), same.any(axis=1)


def rates(blocked: bool, rounds: int, drift: str, experiments: int, seed: int) -> dict[str, float]:
    """How often, as fractions of the experiments (of the pairs, for coverage and same)."""

    def simulate(*truth: float) -> np.ndarray:
        return log_ratios(THREE, list(truth), rounds, experiments, seed, drift, blocked)

    equal, apart = simulate(0, 0, 0), simulate(0, 0, TENTH)
    said, said_apart = verdicts(THREE, equal), verdicts(THREE, apart)
    at_margin = verdicts(THREE, simulate(0, MARGIN, -MARGIN))
    found, ranked = inference.effect(equal), ["faster", "slower"]
    return {
        "coverage": np.mean((found.low <= 1) & (1 <= found.high)),
        # all equal: any of the three pairs ranked
        "false rank, all equal": np.isin(said, ranked).any(axis=1).mean(),
        # one apart: the equal pair ranked; Holm's hardest case, its full alpha is left for it
        "false rank, one apart": np.isin(said_apart[:, 0], ranked).mean(),
        # two pairs exactly at the margin: either called the same
        "false same, at 3 %": (at_margin[:, :2] == "same").any(axis=1).mean(),
        "10 % found": (said_apart[:, 1] == "slower").mean(),
        "same found": (said == "same").mean(),
    }


# The true log seconds of the default page's seven runs.
EQUAL = [0.0] * 7
ALL_BUT_ONE_PAIR = [0, 0, 0, DOUBLED, 0, DOUBLED, 2 * DOUBLED]
ALL_BUT_THE_CHANGE = [0, DOUBLED, 0, DOUBLED, 0, DOUBLED, 2 * DOUBLED]
AT_MARGIN = [0, MARGIN, 0, MARGIN, 0, MARGIN, -MARGIN]  # and no change
TENTHS = [0, TENTH, 0, 2 * TENTH, 0, TENTH, 2 * TENTH]


def page_rates(
    a_table_each: bool, rounds: int, drift: str, experiments: int, seed: int
) -> dict[str, float]:
    """How often anything is wrong on the default page, and how often its pairs are decided.

    `a_table_each`: Holm's adjustment over each table for itself, not over the page.
    """
    families = A_TABLE_EACH if a_table_each else None

    def simulate(truth: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        d = log_ratios(DEFAULT, truth, rounds, experiments, seed, drift)
        said = verdicts(DEFAULT, d, families=families)
        return said, *mistakes(DEFAULT, said, truth)

    equal, at_margin = simulate(EQUAL), simulate(AT_MARGIN)
    return {
        "all equal: false rank": np.isin(equal[0][:, :5], ["faster", "slower"]).any(axis=1).mean(),
        "all equal: or change": equal[1].mean(),
        "one equal: false rank": simulate(ALL_BUT_ONE_PAIR)[1].mean(),
        "no change: false change": simulate(ALL_BUT_THE_CHANGE)[1].mean(),
        "at 3 %: false same": at_margin[2].mean(),
        "at 3 %: same or change": (at_margin[1] | at_margin[2]).mean(),
        "10 % found": (simulate(TENTHS)[0][:, 0] == "slower").mean(),
        "same found": (equal[0][:, :5] == "same").mean(),
    }


def mode_rates(slow_share: float, rounds: int, experiments: int, seed: int) -> dict[str, float]:
    """A competitor with two modes, as fast in the mean as one that has a single mode."""

    def simulate(page: Page, truth: list[float]) -> np.ndarray:
        return log_ratios(page, truth, rounds, experiments, seed, slow_share=slow_share)

    alone, whole = simulate(ONE, [0, 0]), simulate(DEFAULT, EQUAL)
    found = inference.effect(alone)
    of_pair, _ = mistakes(ONE, verdicts(ONE, alone), [0, 0])
    of_page, _ = mistakes(DEFAULT, verdicts(DEFAULT, whole), EQUAL)
    return {
        "coverage": np.mean((found.low <= 1) & (1 <= found.high)),
        "one pair: false rank": of_pair.mean(),
        "the page: false rank or change": of_page.mean(),
    }


FOLLOWED_WORLDS = {
    ONE: {"equal": [0, 0], "at 3 %": [0, MARGIN]},
    DEFAULT: {
        "all equal": EQUAL,
        "one pair equal": ALL_BUT_ONE_PAIR,
        "at 3 %": AT_MARGIN,
        "10 % apart": TENTHS,
    },
}
FOLLOWED_FROM = {ONE: (5, 3, 2), DEFAULT: (5,)}  # rounds
PREPARED = {
    5: 0.98,
    3: 0.985,
    2: 0.985,
}  # by rounds, the confidence that keeps 5 % after both looks
ADDED = "rounds added"


def follow_rates(
    page: Page,
    truth: list[float],
    noise: float,
    rounds: int,
    experiments: int,
    seed: int,
    confidence: float = 0.95,
) -> dict[str, float]:
    """A page with undecided pairs gets as many more rounds as its most needy pair asks for."""
    tests, pairs = len(page.pairs) + len(page.changes), len(page.pairs)
    whole = log_ratios(page, truth, rounds + FOLLOWED, experiments, seed, noise=noise)
    before = verdicts(page, whole[..., :rounds], confidence)
    undecided = before[:, :pairs] == "undecided"
    needed = np.zeros(undecided.shape)
    d = whole[:, :pairs, :rounds]
    needed[undecided] = inference.rounds_needed(d[undecided], tests, confidence=confidence)
    added = np.minimum(needed.max(axis=1), FOLLOWED).astype(int)
    after = before.copy()
    for more in set(added[added > 0]):
        of_so_many = added == more
        after[of_so_many] = verdicts(page, whole[of_so_many][..., : rounds + more], confidence)
    decided = (after[:, :pairs] != "undecided")[undecided]
    different, same = mistakes(page, before, truth)
    different_then, same_then = mistakes(page, after, truth)
    return {
        "undecided": undecided.mean(),
        ADDED: np.median(added[added > 0]),
        "then decided": decided.mean(),
        "false rank or change": different.mean(),
        "then": different_then.mean(),
        "false same": same.mean(),
        "same then": same_then.mean(),
    }


def prepared_rates(
    page: Page, truth: list[float], noise: float, rounds: int, experiments: int, seed: int
) -> dict[str, float]:
    """`follow_rates` at the default confidence, and what comes out at the one that prepares."""
    of = (page, truth, noise, rounds, experiments, seed)
    found, prepared = follow_rates(*of), follow_rates(*of, confidence=PREPARED[rounds])
    last = {f"prepared: {name}": prepared[name] for name in ("then decided", "then", "same then")}
    return found | {"prepared": PREPARED[rounds]} | last


def two_stage_rates(
    first: int, limit: int, drift: str, experiments: int, seed: int
) -> dict[str, float]:
    """An equal pair gets as many rounds as a precision asks for; beside it, what others would do.

    They look after each round from the first ones on, and stop where Student's interval is as
    narrow, or where the two differ.
    """
    d = log_ratios(ONE, [0, 0], limit, experiments, seed, drift)[:, 0]
    asked = inference.rounds_for_precision(d[:, :first], PRECISION)
    rounds = np.minimum(asked, limit).astype(int)
    every = np.arange(experiments)

    def looks(first: int | None) -> dict[str, np.ndarray]:
        """After each number of rounds, (experiments, numbers)."""
        counts = range(1, limit + 1)
        found = [inference.effect(d[:, :count], first=first) for count in counts]
        return {
            "covered": np.stack([(of.low <= 1) & (1 <= of.high) for of in found], axis=1),
            "narrow": np.stack(
                [np.sqrt(of.high / of.low) <= 1 + PRECISION for of in found], axis=1
            ),
            "differs": np.stack([of.p_different <= 0.05 for of in found], axis=1),
        }

    fixed, student = looks(first), looks(None)
    for of in student.values():
        of[:, : first - 1] = False
    student["narrow"][:, -1] = True  # the limit
    stops = student["narrow"].argmax(axis=1)
    return {
        MEDIAN: np.median(rounds),
        "cut": np.mean(asked > limit),
        "coverage": fixed["covered"][every, rounds - 1].mean(),
        "false difference": fixed["differs"][every, rounds - 1].mean(),
        "Student’s of all: coverage": student["covered"][every, rounds - 1].mean(),
        "until narrow: coverage": student["covered"][every, stops].mean(),
        "until they differ: false difference": student["differs"].any(axis=1).mean(),
    }


def write(rows: Iterator[tuple[dict[str, str], dict[str, float]]]) -> None:
    """A Markdown table: what was simulated, and the rates."""
    for place, (of, found) in enumerate(rows):
        if not place:
            print(table_row([*of, *found]), table_row(["---"] * len(of | found)), sep="\n")
        cells = (
            f"{rate:.0f}" if name in (ADDED, MEDIAN) else f"{rate:.3f}"
            for name, rate in found.items()
        )
        print(table_row([*of.values(), *cells]), flush=True)
    print()


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    experiments, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, 2018
    write(
        (
            {
                "schedule": "blocked" if blocked else "interleaved",
                "rounds": str(rounds),
                "drift": drift,
            },
            rates(blocked, rounds, drift, experiments, seed),
        )
        for blocked in (False, True)
        for rounds in (5, 10)
        for drift in DRIFTS
    )
    write(
        (
            {
                "Holm over": "a table" if a_table_each else "the page",
                "rounds": str(rounds),
                "drift": drift,
            },
            page_rates(a_table_each, rounds, drift, experiments, seed),
        )
        for a_table_each in (True, False)
        for rounds in (5, 10, 20)
        for drift in ("none", "random walk")
    )
    write(
        (
            {"slow runs": f"{100 * share:g} %", "rounds": str(rounds)},
            mode_rates(share, rounds, experiments, seed),
        )
        for share in (0.5, 0.2)
        for rounds in (5, 10, 20)
    )
    write(
        (
            {
                "page": "one pair" if page is ONE else "default",
                "truth": truth,
                "rounds": str(rounds),
                "noise": f"{100 * noise:g} %",
            },
            prepared_rates(page, of_truth, noise, rounds, experiments // len(page.pairs), seed),
        )
        for page, worlds in FOLLOWED_WORLDS.items()
        for rounds in FOLLOWED_FROM[page]
        for truth, of_truth in worlds.items()
        for noise in (0.02, 0.05, 0.3)
    )
    write(
        (
            {"first": str(first), "limit": str(limit), "drift": drift},
            two_stage_rates(first, limit, drift, experiments, seed),
        )
        for limit in (40, 12)
        for first in (5, 8, 10)
        for drift in DRIFTS
    )
