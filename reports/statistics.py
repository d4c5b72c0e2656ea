"""The statistics of a comparison: intervals of mean deltas, Holm's correction, win rates, the share of a gap closed.

A crossed suite of 10 identities and 20 drivings is not 200 independent cases: all cases of one driving share its
difficulty. The variance of a mean is therefore clustered in both directions (Cameron, Gelbach and Miller, 2011).
Everything here is in closed form: equal values give equal numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
"""Confidence of all intervals; a corrected p value counts as clear below 1 - LEVEL."""
MIN_DF = 2
"""Degrees of freedom below which an interval is printed and no verdict passed: two identities, drivings or clips are
a single difference. With the fewest clusters that are judged, 3 x 3 and 3 x 4, simulated crossed sets without a true
difference gave 1.6 to 4.2 % false alarms where 5 % are allowed."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        mean: NaN where there are no values.
        low: Lower end of the 95 % interval; NaN where it is undefined.
        high: Upper end.
        p: Two-sided p value of the hypothesis that the true mean is 0, from the same t statistic as the interval.
        n: Number of values.
        note: How the interval came about ("two-way, 5 x 8 clusters"), or why there is none.
        df: Degrees of freedom of the t quantile; 0 where there is no interval.
        scaling: Small-sample factors G/(G-1) of the variances, as text ("5/4, 8/7, 40/39"); "" where there is none.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int
    note: str
    df: int = 0
    scaling: str = ""


def two_way(values: ArrayLike, identities: Sequence[str], drivings: Sequence[str]) -> Estimate:
    """The mean of a crossed suite's values, clustered by identity and by driving.

    The variance is V_identity + V_driving - V_case, each ``G/(G-1) * sum(cluster sums of residuals squared) / n**2``
    with its own number G of clusters (a case is a cluster of one). The difference can come out at or below zero; then
    the largest of the three one-way variances stands in for it, which then is V_case: such data show no clustering, and
    V_identity and V_driving may both be 0 although the values differ. Quantiles are of Student's t with
    ``min(G_identity, G_driving) - 1`` degrees of freedom.

    Args:
        values: One per case, shape (n,), finite.
        identities: The identity of each case.
        drivings: The driving clip of each case.

    Returns:
        The estimate; without an interval when there are fewer than two identities or two drivings.
    """
    numbers = np.asarray(values, dtype=np.float64)
    counts = (len(set(identities)), len(set(drivings)))
    for count, what in zip(counts, ("identity", "driving clip"), strict=True):
        if count == 1:
            return _undefined(numbers, f"no interval: all cases are of one {what}")
    if not len(numbers):
        return _undefined(numbers, "no interval: no case has both values")
    by_identity, by_driving = clustered_variance(numbers, identities), clustered_variance(numbers, drivings)
    by_case = clustered_variance(numbers, range(len(numbers)))
    variance = by_identity + by_driving - by_case
    if variance <= 0:
        variance = max(by_identity, by_driving, by_case)
    scaling = ", ".join(f"{count}/{count - 1}" for count in (*counts, len(numbers)))
    return _student(numbers, variance, min(counts) - 1, f"two-way, {counts[0]} x {counts[1]} clusters", scaling)


def per_clip(values: ArrayLike) -> Estimate:
    """The mean of independent values with the ordinary t interval: every clip of a self suite stands alone.

    Args:
        values: One per clip, shape (n,), finite.

    Returns:
        The estimate; without an interval when there are fewer than two clips.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2:
        return _undefined(numbers, "no interval: one clip" if len(numbers) else "no interval: no clip has both values")
    variance = clustered_variance(numbers, range(len(numbers)))
    count = len(numbers)
    return _student(numbers, variance, count - 1, f"per clip, {count} clips", f"{count}/{count - 1}")


def clustered_variance(values: Floats, clusters: Sequence[object]) -> float:
    """The sandwich variance of a mean, clustered one way, with the factor G/(G-1) for G clusters.

    Args:
        values: Shape (n,).
        clusters: The cluster of each value; at least two different ones.

    >>> clustered_variance(np.array([1.0, 2.0, 3.0]), "abc")  # the sample variance over n
    0.3333333333333333
    """
    names = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    sums = np.bincount([names[name] for name in clusters], weights=values - values.mean())
    return float(len(names) / (len(names) - 1) * (sums**2).sum() / len(values) ** 2)


def holm(p_values: ArrayLike) -> Floats:
    """Holm's correction: adjusted p values that bound the chance of even one false alarm among all.

    Args:
        p_values: Shape (k,). NaN (no test was made) stays NaN and does not count.

    Returns:
        Adjusted values of the same shape, at most 1.

    >>> holm([0.01, 0.04, 0.03, float("nan")]).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = given.copy()
    order = [index for index in np.argsort(given, kind="stable") if not math.isnan(given[index])]
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, float((len(order) - rank) * given[index])))
        adjusted[index] = running
    return adjusted


def smallest_seen(estimate: Estimate, alpha: float = 1 - LEVEL, power: float = 0.8) -> float:
    """The smallest true change that a test with an estimate's spread would call clear most of the time.

    Args:
        estimate: Of paired deltas.
        alpha: Level of the two-sided test.
        power: How often the change is to be seen.

    Returns:
        (t(1 - alpha/2) + t(power)) standard errors, a usual approximation; NaN where there is no interval.

    >>> deltas = [1.0, 2.0, 3.0, 4.0, 5.0]  # standard error 0.707, quantiles 2.776 and 0.941 with 4 degrees of freedom
    >>> round(smallest_seen(per_clip(deltas)), 3)
    2.629
    """
    if not estimate.df:
        return math.nan
    quantile = float(stdtrit(estimate.df, (1 + LEVEL) / 2))
    error = (estimate.high - estimate.mean) / quantile
    return float(stdtrit(estimate.df, 1 - alpha / 2) + stdtrit(estimate.df, power)) * error


def win_rate(deltas: ArrayLike, higher_is_better: bool) -> float:
    """The share of paired cases where the method is strictly better; a tie counts half. NaN without cases.

    >>> win_rate([-1.0, 0.0, 2.0, 3.0], higher_is_better=False)
    0.375
    """
    gains = np.asarray(deltas, dtype=np.float64) * (1 if higher_is_better else -1)
    return float(((gains > 0) + 0.5 * (gains == 0)).mean()) if len(gains) else math.nan


def gap_closed(base: ArrayLike, method: ArrayLike, ideal: ArrayLike, higher_is_better: bool) -> float:
    """How much of the way from the baseline to the ideal output a method has gone, from the means over cases.

    Args:
        base: The baseline's values, shape (n,).
        method: The method's values of the same cases.
        ideal: The ideal output's values of the same cases: the floor (or ceiling) of the metric on this suite.
        higher_is_better: Direction.

    Returns:
        (base - method) / (base - ideal): 0 for the baseline, 1 for the ideal output, negative for a step back. NaN
        without cases, or where the ideal output is no better than the baseline, so that there is no gap to close.
    """
    start, reached, end = (np.asarray(values, dtype=np.float64) for values in (base, method, ideal))
    gap = float(end.mean() - start.mean()) if len(start) else 0.0
    if (gap if higher_is_better else -gap) <= 0:
        return math.nan
    return float(reached.mean() - start.mean()) / gap


def _student(values: Floats, variance: float, freedom: int, note: str, scaling: str) -> Estimate:
    mean, error = float(values.mean()), math.sqrt(variance)
    margin = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    # Without any spread the statistic is 0/0 or infinite: equal deltas of 0 say nothing, other equal deltas all.
    statistic = abs(mean) / error if error else math.inf if mean else 0.0
    p = float(2 * stdtr(freedom, -statistic))
    return Estimate(mean, mean - margin, mean + margin, p, len(values), note, freedom, scaling)


def _undefined(values: Floats, note: str) -> Estimate:
    mean = float(values.mean()) if len(values) else math.nan
    return Estimate(mean, math.nan, math.nan, math.nan, len(values), note)
