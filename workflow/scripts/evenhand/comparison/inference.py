"""Paired inference on training times: ratios, intervals, tests, verdicts, flags.

The replicate is the round. In round r, competitors A and B each ran once, and

    d_r = ln(seconds of A / seconds of B)

is its only observation, without unit. All functions are pure. In `d` and `seconds` the last axis
holds the rounds, so a simulation can pass thousands of experiments at once. docs/statistics.md
explains the choices and has their error rates.

Where the number of rounds was fixed by the spread of the first ones, `first` is how many these were
(Stein 1945). Estimates are then of all rounds, and the spread, with its degrees of freedom, is of
the first ones alone: it is independent of the mean of all, while the spread of all is not, once it
has had a say in how many these are.

Sources
    Student, "The probable error of a mean", Biometrika 6, 1908
    Stein, "A two-sample test for a linear hypothesis whose power is independent of the variance",
        Ann. Math. Stat. 16, 1945
    Fieller, "Some problems in interval estimation", J. Roy. Statist. Soc. B 16, 1954
    Grubbs, "Procedures for detecting outlying observations in samples", Technometrics 11, 1969
    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979
    Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for
        assessing the equivalence of average bioavailability", J. Pharmacokin. Biopharm. 15, 1987
    Chow, Shao, Wang, "Sample size calculations in clinical research", 2nd ed., 2008, chapter 3
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats takes a second to import

MOST_ROUNDS = 1000  # as far ahead as rounds_needed looks
POWER = 0.8  # the chance of a decision that rounds_needed plans for


class Effect(NamedTuple):
    """What the rounds say about a pair: floats, or arrays of the shape of `d` less its rounds.

    ratio, low and high have no unit (seconds over seconds); the p-values are not yet adjusted.
    """

    ratio: ArrayLike
    low: ArrayLike
    high: ArrayLike
    p_different: ArrayLike
    p_same: ArrayLike


class BreakEven(NamedTuple):
    """After how many epochs two ways of training have taken the same time, with its interval.

    Below 0 where the one that is to pay has nothing to make up for; infinite for never, NaN where
    the rounds do not tell.
    """

    epochs: float
    low: float
    high: float


def log_ratios(seconds_a: ArrayLike, seconds_b: ArrayLike) -> np.ndarray:
    """d = ln(seconds_a / seconds_b), round by round; both of shape (..., rounds), in seconds.

    Raises ValueError where a time is not a positive, finite number.
    """
    seconds = np.array([seconds_a, seconds_b], dtype=float)
    if not (np.isfinite(seconds) & (seconds > 0)).all():
        raise ValueError(f"seconds must be positive and finite, got {seconds[:, :10]}")
    return np.log(seconds[0]) - np.log(seconds[1])


def effect(
    d: ArrayLike, margin: float = 0.03, confidence: float = 0.95, first: int | None = None
) -> Effect:
    """The ratio of A to B, its interval, and its two tests; `d` of shape (..., rounds).

    With n rounds, m = mean(d), s = sd(d) with n - 1 degrees of freedom, and e = s / sqrt(n):

        ratio       = exp(m), the geometric mean of the rounds' ratios
        low, high   = exp(m -+ t(1 - alpha/2, n-1) e), alpha = 1 - confidence    (Student 1908)
        p_different = P(|T| >= |m| / e), two-sided, for "the ratio is 1"
        p_same      = the larger p-value of two one-sided tests, for "the ratio lies outside
                      1/(1+margin) to 1+margin", on the log scale -+ln(1+margin)  (Schuirmann 1987)

    With `first`, s and its degrees of freedom are of so many first rounds          (Stein 1945).
    Fewer than two rounds that tell s, or a NaN among all, give NaN. Without any variance the
    statistics take their limits: an interval of width zero, p-values of 0 or 1.
    """
    d = np.asarray(d, dtype=float)
    spreading = d[..., :first]
    freedom = spreading.shape[-1] - 1
    if freedom < 1:
        return Effect(*[np.full(d.shape[:-1], np.nan)[()]] * 5)
    mean = d.mean(axis=-1)
    error = spreading.std(axis=-1, ddof=1) / np.sqrt(d.shape[-1])
    half_width = stdtrit(freedom, (1 + confidence) / 2) * error
    p_different = 2 * stdtr(freedom, -_statistic(np.abs(mean), error))
    p_same = stdtr(freedom, -_statistic(np.log1p(margin) - np.abs(mean), error))
    return Effect(
        np.exp(mean), np.exp(mean - half_width), np.exp(mean + half_width), p_different, p_same
    )


def _statistic(distance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """distance / error, and at an error of zero its limit: 0 at no distance, else infinity."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / error)


def holm(p: ArrayLike) -> np.ndarray:
    """Holm's adjusted p-values over the last axis, which holds one family of tests (Holm 1979).

    The k-th smallest of m becomes max over j <= k of min(1, (m - j + 1) p_(j)). Rejecting those at
    most alpha keeps the chance of any false rejection in the family at most alpha, whatever the
    dependence (pairs share competitors). NaN, a test that could not be made, stays NaN and does not
    count in m.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, axis=-1)  # NaN goes last
    tests = np.sum(~np.isnan(p), axis=-1, keepdims=True)
    scaled = (tests - np.arange(p.shape[-1])) * np.take_along_axis(p, order, axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(
        adjusted, order, np.minimum(1, np.maximum.accumulate(scaled, axis=-1)), axis=-1
    )
    return adjusted


def verdict(
    ratio: ArrayLike, p_different: ArrayLike, p_same: ArrayLike, confidence: float = 0.95
) -> np.ndarray:
    """The verdict on A that the adjusted p-values allow, at alpha = 1 - confidence.

    "same" comes first: a difference that is proved to be smaller than the margin does not matter,
    even where it is also proved not to be zero. Then "faster" (ratio below 1) or "slower", else
    "undecided"; "not ranked" where there was no test.
    """
    ratio, p_different, p_same = (np.asarray(of, float) for of in (ratio, p_different, p_same))
    alpha = 1 - confidence
    different = p_different <= alpha
    return np.select(
        [np.isnan(p_different), p_same <= alpha, different & (ratio < 1), different],
        ["not ranked", "same", "faster", "slower"],
        "undecided",
    )


def change_verdict(change: ArrayLike, p_changed: ArrayLike, confidence: float = 0.95) -> np.ndarray:
    """Where a ratio goes from one scenario to another, as its adjusted p-value allows.

    "rises" (change above 1) or "falls", else "undecided"; "not tested" where there was no test.
    """
    change, p_changed = (np.asarray(of, float) for of in (change, p_changed))
    changed = p_changed <= 1 - confidence
    return np.select(
        [np.isnan(p_changed), changed & (change > 1), changed],
        ["not tested", "rises", "falls"],
        "undecided",
    )


def rounds_for_precision(d: ArrayLike, precision: float, confidence: float = 0.95) -> np.ndarray:
    """How many rounds in all give an interval of this precision; `d` of the first, (..., rounds).

    The smallest N, and no fewer than there are, at which (Stein 1945)

        t(1 - alpha/2, n-1) s / sqrt(N) <= ln(1 + precision)

    with n and s of the first rounds, which the interval keeps whatever the others are. NaN for
    fewer than two rounds.
    """
    d = np.asarray(d, dtype=float)
    rounds = d.shape[-1]
    if rounds < 2:
        return np.full(d.shape[:-1], np.nan)[()]
    half_width = stdtrit(rounds - 1, (1 + confidence) / 2) * d.std(axis=-1, ddof=1)
    return np.maximum(rounds, np.ceil((half_width / np.log1p(precision)) ** 2))


def rounds_needed(
    d: ArrayLike,
    tests: int = 1,
    margin: float = 0.03,
    confidence: float = 0.95,
    first: int | None = None,
) -> np.ndarray:
    """How many rounds more than `d` holds until a verdict is likely; `d` of shape (..., rounds).

    If m and s, the mean and standard deviation seen, are the true ones, the smallest N at which
    one of two tests succeeds with a chance of 80 % or more (Chow, Shao, Wang 2008):

        difference: (t(1 - alpha/2, N-1) + t(0.8, N-1)) s / sqrt(N) <= |m|
        sameness:   (t(1 - alpha,   N-1) + t(0.9, N-1)) s / sqrt(N) <= ln(1+margin) - |m|

    with alpha = (1 - confidence) / tests. `tests`: how many differences, changes and gains are
    tested together; alpha is then Holm's strictest step for a difference. Sameness is adjusted over
    pairs and gains alone, which are fewer where changes are tested too: its condition is a little
    stricter than it need be. With `first`, s is of so many first rounds, and their degrees of
    freedom stand for N-1, since no later round adds any. Returns N - rounds, at least 1, or
    infinity where that is more than 1000; NaN where fewer than two rounds tell s. m and s are
    estimates: this plans the size of the next experiment and promises nothing.
    """
    d = np.asarray(d, dtype=float)
    rounds, spreading = d.shape[-1], d[..., :first]
    if spreading.shape[-1] < 2:
        return np.full(d.shape[:-1], np.nan)[()]
    more = np.arange(1, MOST_ROUNDS + 1)
    total = rounds + more
    freedom = total - 1 if first is None else spreading.shape[-1] - 1
    alpha = (1 - confidence) / tests
    mean = np.abs(d.mean(axis=-1, keepdims=True))
    error = spreading.std(axis=-1, ddof=1, keepdims=True) / np.sqrt(total)

    def reach(level: float, power: float) -> np.ndarray:
        return (stdtrit(freedom, level) + stdtrit(freedom, power)) * error

    enough = (reach(1 - alpha / 2, POWER) <= mean) | (
        reach(1 - alpha, (1 + POWER) / 2) <= np.log1p(margin) - mean
    )
    return np.where(enough.any(axis=-1), more[enough.argmax(axis=-1)], np.inf)[()]


def words(verdict: str, needed: float, margin: float = 0.03) -> str:
    """The verdict as it ends the sentence "Compared with B, A is ..."; `needed`: rounds_needed."""
    if verdict == "same":
        return f"the same within {100 * margin:g} %"
    if verdict == "not ranked":
        return "not ranked, fewer than two rounds with both"
    if verdict != "undecided":
        return verdict
    if np.isinf(needed):
        return f"undecided, more than {MOST_ROUNDS} more rounds needed"
    return f"undecided, about {needed:.0f} more round{'s' if needed > 1 else ''} needed"


def break_even(
    cost: ArrayLike, saving: ArrayLike, confidence: float = 0.95, first: int | None = None
) -> BreakEven:
    """After how many epochs a way that costs more once is even, by what it saves each epoch.

    `cost` and `saving` in seconds, of shape (rounds,), paired. With means c and s, the time that n
    epochs take less is n s - c. The interval holds every n at which Student's test does not reject
    that this is 0 (Fieller 1954): between the roots of

        (s^2 - t^2 v_s) n^2 - 2 (c s - t^2 v_cs) n + (c^2 - t^2 v_c) = 0,

    v_c, v_s and v_cs being the variances and the covariance of the means, with `first` those that
    so many first rounds tell. Where s is not different from 0 by the same test, there is no such
    interval, and the rounds do not tell; where it is below, the answer is never.
    """
    cost, saving = (np.asarray(of, float) for of in (cost, saving))
    freedom = len(cost[:first]) - 1
    if freedom < 1:
        return BreakEven(np.nan, np.nan, np.nan)
    c, s = cost.mean(), saving.mean()
    (v_c, v_cs), (_, v_s) = np.cov(cost[:first], saving[:first]) / len(cost)
    t = stdtrit(freedom, (1 + confidence) / 2)
    square = s**2 - t**2 * v_s
    if square <= 0:
        return BreakEven(np.nan, np.nan, np.nan)
    if s < 0:
        return BreakEven(np.inf, np.inf, np.inf)
    half, constant = c * s - t**2 * v_cs, c**2 - t**2 * v_c
    root = np.sqrt(max(0.0, half**2 - square * constant))
    return BreakEven(c / s, (half - root) / square, (half + root) / square)


def first_that_pays(break_even: float) -> float:
    """The number of epochs, a whole one, from which on a process takes less time; 1 or more."""
    return max(1.0, np.ceil(break_even)) if np.isfinite(break_even) else break_even


def spread(seconds: ArrayLike) -> float:
    """The coefficient of variation sd / mean of a competitor's times, a fraction; (..., rounds).

    It includes the machine's drift, from which the paired ratio is free: a large one says that the
    machine was not quiet, not that the ratio is wrong. NaN for fewer than two rounds.
    """
    seconds = np.asarray(seconds, dtype=float)
    if seconds.shape[-1] < 2:
        return np.full(seconds.shape[:-1], np.nan)[()]
    return seconds.std(axis=-1, ddof=1) / seconds.mean(axis=-1)


def outliers(d: ArrayLike, level: float = 0.05) -> np.ndarray:
    """Which rounds Grubbs' two-sided test flags, a mask of the shape of `d`, (..., rounds).

    With n rounds and q = t(1 - level/(2n), n-2), a round is flagged where (Grubbs 1969)

        |d - mean| / s  >  (n-1)/sqrt(n) * sqrt(q^2 / (n-2+q^2))

    so that clean, normal rounds are flagged in one experiment of twenty, whatever n. (The modified
    z-score above 3.5 flags one clean experiment of five at five rounds.) Fewer than three rounds,
    or none that differ, have no outlier. A flag is shown; it never removes a round.
    """
    d = np.asarray(d, dtype=float)
    rounds = d.shape[-1]
    if rounds < 3:
        return np.zeros(d.shape, dtype=bool)
    quantile = stdtrit(rounds - 2, 1 - level / (2 * rounds))
    limit = (rounds - 1) / np.sqrt(rounds) * np.sqrt(quantile**2 / (rounds - 2 + quantile**2))
    distance = np.abs(d - d.mean(axis=-1, keepdims=True))
    return distance > limit * d.std(axis=-1, ddof=1, keepdims=True)
