"""Intervals, Holm and win rates: against brute-force loops, SciPy, closed forms, and a simulation of coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from portraitbench.reports.statistics import clustered_variance, gap_closed, holm, per_clip, two_way, win_rate

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def sandwich(values, *groupings) -> float:
    """The variance of the mean by a loop over all pairs of cases that share a cluster in every grouping."""
    mean, n = sum(values) / len(values), len(values)
    clusters = list(zip(*groupings, strict=True))
    count = len(set(clusters))
    pairs = ((values[i] - mean) * (values[j] - mean) for i in range(n) for j in range(n) if clusters[i] == clusters[j])
    return count / (count - 1) * sum(pairs) / n**2


def crossed(seed, rows, columns, share=1.0):
    """Deltas of a crossed suite with effects of both sides; with ``share`` < 1 some cases are missing."""
    rng = np.random.default_rng(seed)
    values = 0.3 + rng.normal(size=(rows, 1)) + rng.normal(size=(1, columns)) + rng.normal(size=(rows, columns))
    i, j = np.nonzero(rng.random(values.shape) < share)
    return values[i, j], [f"i{row}" for row in i], [f"d{column}" for column in j]


@pytest.mark.parametrize(
    ("seed", "rows", "columns", "share"), [(0, 5, 8, 1), (1, 3, 4, 1), (2, 6, 5, 0.7), (3, 2, 9, 1)]
)
def test_two_way_against_the_sandwich_formula(seed, rows, columns, share):
    values, identities, drivings = crossed(seed, rows, columns, share)
    variance = sandwich(values, identities) + sandwich(values, drivings) - sandwich(values, identities, drivings)
    assert variance > 0
    student = stats.t(min(rows, columns) - 1, loc=values.mean(), scale=math.sqrt(variance))
    estimate = two_way(values, identities, drivings)
    assert (estimate.low, estimate.high) == pytest.approx(student.interval(0.95))
    assert estimate.p == pytest.approx(2 * min(student.cdf(0), student.sf(0)))
    assert (estimate.mean, estimate.n) == (pytest.approx(values.mean()), len(values))
    assert estimate.note == f"two-way, {rows} x {columns} clusters"


def test_clusters_of_one_are_the_ordinary_variance():
    values = np.random.default_rng(4).normal(size=9)
    assert clustered_variance(values, range(9)) == pytest.approx(values.var(ddof=1) / 9)


def test_balanced_clusters_are_the_variance_of_their_means():
    values = np.random.default_rng(5).normal(size=(6, 4))
    clusters = np.repeat(np.arange(6), 4).tolist()
    assert clustered_variance(values.ravel(), clusters) == pytest.approx(values.mean(axis=1).var(ddof=1) / 6)


def test_a_non_positive_difference_falls_back_to_the_largest_variance():
    """Sums over rows and columns are zero, so both clustered variances are, though the values differ."""
    values, identities, drivings = [0.5 + 1, 0.5 - 1, 0.5 - 1, 0.5 + 1], list("aabb"), list("xyxy")
    assert sandwich(values, identities) == sandwich(values, drivings) == 0
    error = math.sqrt(sandwich(values, range(4)))
    estimate = two_way(values, identities, drivings)
    assert estimate.high - estimate.mean == pytest.approx(stats.t(1).ppf(0.975) * error)


def test_per_clip_is_the_ordinary_t_interval():
    values = np.random.default_rng(6).normal(0.4, 1, 7)
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    estimate = per_clip(values)
    assert (estimate.low, estimate.high, estimate.p) == pytest.approx((interval.low, interval.high, expected.pvalue))
    assert estimate.note == "per clip, 7 clips"


@given(st.integers(0, 1000), st.floats(-5, 5), st.permutations(range(12)))
def test_order_shift_and_sign_do_what_they_must(seed, shift, order):
    values, identities, drivings = crossed(seed, 3, 4)
    plain = two_way(values, identities, drivings)
    mixed = two_way(values[order], [identities[k] for k in order], [drivings[k] for k in order])
    moved, turned = two_way(values + shift, identities, drivings), two_way(-values, identities, drivings)
    assert (mixed.low, mixed.high, mixed.p) == pytest.approx((plain.low, plain.high, plain.p))
    assert (moved.low, moved.high) == pytest.approx((plain.low + shift, plain.high + shift))
    assert (turned.low, turned.high, turned.p) == pytest.approx((-plain.high, -plain.low, plain.p))
    assert (plain.p < 0.05) == (plain.low > 0 or plain.high < 0)


@pytest.mark.parametrize(
    ("estimate", "note"),
    [
        (two_way([1.0, 2.0], ["a", "a"], ["x", "y"]), "no interval: all cases are of one identity"),
        (two_way([1.0, 2.0], ["a", "b"], ["x", "x"]), "no interval: all cases are of one driving clip"),
        (two_way([], [], []), "no interval: no case has both values"),
        (per_clip([1.5]), "no interval: one clip"),
        (per_clip([]), "no interval: no clip has both values"),
    ],
)
def test_too_few_clusters_have_no_interval_and_say_so(estimate, note):
    assert estimate.note == note
    assert all(map(math.isnan, (estimate.low, estimate.high, estimate.p)))
    assert estimate.mean == pytest.approx(1.5) if estimate.n else math.isnan(estimate.mean)


def test_values_without_spread():
    zero, one = per_clip([0.0, 0.0, 0.0]), two_way([1.0] * 4, list("aabb"), list("xyxy"))
    assert (zero.low, zero.high, zero.p) == (0, 0, 1)
    assert (one.low, one.high, one.p) == (1, 1, 0)


def covers(estimate) -> bool:
    return estimate.low <= 0 <= estimate.high


@pytest.mark.parametrize(
    ("rows", "columns", "effect", "iid"),
    [(10, 20, 0.5, (0.44, 0.73)), (5, 8, 0.5, (0.65, 0.85)), (5, 8, 0.0, (0.92, 0.98))],
)
def test_coverage_of_crossed_random_effects(rows, columns, effect, iid):
    """True mean 0: how often the 95 % interval holds it, two-way and as if all cases were independent."""
    rng = np.random.default_rng(7)
    identities = np.repeat(np.arange(rows), columns).tolist()
    drivings = np.tile(np.arange(columns), rows).tolist()
    two, one = [], []
    for _ in range(1200):
        effects = effect * rng.normal(size=(rows, 1)) + effect * rng.normal(size=(1, columns))
        values = (effects + rng.normal(size=(rows, columns))).ravel()
        two.append(covers(two_way(values, identities, drivings)))
        one.append(covers(per_clip(values)))
    assert 0.93 < np.mean(two) < 0.98
    assert iid[0] < np.mean(one) < iid[1]


def test_holm_by_hand():
    """Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, of which the last may not fall below the third."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_rejects(p_values, alpha):
    rejected = set()
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        # A hair's breadth from the border the two ways of multiplying out may differ.
        if abs(p_values[index] * (len(p_values) - rank) - alpha) < 1e-12:
            return
        if p_values[index] * (len(p_values) - rank) > alpha:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(holm(p_values)) if p <= alpha} == rejected


@given(P_VALUES)
def test_holm_lies_between_the_plain_and_bonferroni(p_values):
    adjusted = holm(p_values)
    plain = np.array(p_values)
    assert (adjusted >= plain).all()
    assert (adjusted <= np.minimum(1, len(plain) * plain) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(plain, kind="stable")]) >= 0).all()


@given(P_VALUES, st.data())
def test_holm_ignores_order_and_what_was_not_tested(p_values, data):
    order = data.draw(st.permutations(range(len(p_values))))
    assert holm([p_values[k] for k in order]).tolist() == [holm(p_values)[k] for k in order]
    with_gap = holm([math.nan, *p_values])
    assert math.isnan(with_gap[0])
    assert with_gap[1:].tolist() == holm(p_values).tolist()


@given(P_VALUES, st.integers(0, 7), st.floats(0, 1))
def test_holm_grows_with_every_p_value(p_values, index, larger):
    index %= len(p_values)
    raised = [max(p, larger) if k == index else p for k, p in enumerate(p_values)]
    assert (holm(raised) >= holm(p_values)).all()


def test_win_rate_counts_ties_half():
    assert win_rate([1.0, 2.0, 0.0, -1.0], higher_is_better=True) == (2 + 0.5) / 4
    assert win_rate([1.0, 2.0, 0.0, -1.0], higher_is_better=False) == (1 + 0.5) / 4
    assert math.isnan(win_rate([], higher_is_better=True))


def test_the_gap_from_baseline_to_ideal():
    base, ideal = [4.0, 6.0], [1.0, 1.0]
    assert gap_closed(base, [2.0, 4.0], ideal, higher_is_better=False) == pytest.approx((5 - 3) / (5 - 1))
    assert gap_closed(base, [6.0, 8.0], ideal, higher_is_better=False) == pytest.approx(-0.5)
    assert gap_closed(base, ideal, ideal, higher_is_better=False) == 1
    assert gap_closed(ideal, [2.0, 4.0], base, higher_is_better=True) == pytest.approx((3 - 1) / (5 - 1))


@pytest.mark.parametrize(("base", "ideal"), [([5.0], [4.0]), ([4.0], [4.0]), ([], [])])
def test_no_gap_where_the_ideal_is_not_better(base, ideal):
    assert math.isnan(gap_closed(base, base, ideal, higher_is_better=True))
