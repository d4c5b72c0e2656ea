"""Series over time against statistics of NumPy and SciPy, blinks against all pairings, jitter against closed forms."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from portraitbench.core.errors import Status
from portraitbench.faces.blendshapes import BLENDSHAPES, BLINK
from portraitbench.metrics.dynamics import events, jitter, matches
from portraitbench.metrics.resolve import resolve

SMILE, JAW = BLENDSHAPES.index("mouthSmileLeft"), BLENDSHAPES.index("jawOpen")


def moving(**columns):
    series = np.full((30, 52), 0.1)
    for name, values in columns.items():
        series[:, BLENDSHAPES.index(name)] = values
    return series


def score(name, make_scene, make_view, own, driver):
    return resolve(name)(make_scene(make_view({"blendshapes": own}), driving=make_view({"blendshapes": driver})))


def test_expression_ccc_is_pearson_and_lin_over_what_moves(make_scene, make_view):
    rng, time = np.random.default_rng(1), np.linspace(0, 6, 30)
    driver = moving(jawOpen=0.5 + 0.3 * np.sin(time), mouthSmileLeft=0.4 + 0.2 * np.cos(time), browInnerUp=0.1)
    own = driver + rng.normal(0, 0.05, driver.shape)
    terms = []
    for column in (JAW, SMILE):
        x, y = own[:, column], driver[:, column]
        covariance = np.cov(x, y, bias=True)
        terms.append(2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (x.mean() - y.mean()) ** 2))
        terms.append(pearsonr(x, y).statistic)
    scores = score("expression_ccc", make_scene, make_view, own, driver)
    assert scores.values[0] == pytest.approx(np.mean(terms), abs=1e-12)
    assert (scores.detail["moving"], scores.detail["frozen"]) == (2, 0)
    assert scores.detail["ccc"] == pytest.approx(np.mean(terms[::2]))
    assert scores.detail["pcc"] == pytest.approx(np.mean(terms[1::2]))


def test_both_ends_of_expression_ccc(make_scene, make_view):
    time = np.linspace(0, 6, 30)
    driver = moving(jawOpen=0.5 + 0.3 * np.sin(time))
    assert score("expression_ccc", make_scene, make_view, driver, driver).values[0] == pytest.approx(1)
    still = score("expression_ccc", make_scene, make_view, moving(), driver)
    assert (still.values[0], still.detail["frozen"]) == (0, 1)
    assert list(score("expression_ccc", make_scene, make_view, driver, moving()).status) == [Status.UNDEFINED]


def most_pairs(own, other, slack):
    """Brute force: the largest one-to-one pairing."""
    fits = lambda a, b: a[0] <= b[1] + slack and b[0] <= a[1] + slack  # noqa: E731
    for size in range(min(len(own), len(other)), 0, -1):
        for some in combinations(own, size):
            if any(all(map(fits, some, order)) for order in permutations(other, size)):
                return size
    return 0


blinks = st.lists(st.booleans(), min_size=14, max_size=14).map(lambda on: events(np.array(on)))


@settings(max_examples=200, deadline=None)
@given(blinks, blinks, st.integers(0, 2))
def test_pairs_are_the_most_there_can_be(own, other, slack):
    if max(len(own), len(other)) <= 5:
        assert matches(own, other, slack) == most_pairs(own, other, slack)


def blinking(*frames):
    series = moving()
    for frame in frames:
        series[frame, BLINK] = 0.9
    return series


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([3, 4, 12, 20], 1),
        ([5, 13, 21], 1),  # one frame late
        ([3, 12], 2 * 2 / 5),
        ([3, 8, 12, 16, 20], 2 * 3 / 8),
        ([7, 16, 24], 0),
        ([], 0),
    ],
)
def test_blinks_found_late_missed_and_made_up(own, expected, make_scene, make_view):
    scores = score("blink_f1", make_scene, make_view, blinking(*own), blinking(3, 4, 12, 20))
    assert scores.values[0] == pytest.approx(expected)


def test_no_blink_anywhere_is_undefined(make_scene, make_view):
    assert list(score("blink_f1", make_scene, make_view, moving(), moving()).status) == [Status.UNDEFINED]


def test_jitter_of_known_motion(landmarks):
    face = landmarks[0]
    width = np.linalg.norm(face[36] - face[45])
    time = np.arange(9)[:, None, None]
    every = np.ones(9, bool)
    assert jitter(face + 3.0 * time, every) < 1e-9  # steady motion does not tremble
    assert jitter(face + [1.5, 0] * time**2, every) == pytest.approx(100 * 3 / width)
    shaking = face + [0.5, 0] * (-1.0) ** time
    assert jitter(shaking, every) == pytest.approx(100 * 2 / width, rel=0.02)
    assert jitter(2 * shaking, every) == pytest.approx(jitter(shaking, every))
    gaps = every.copy()
    gaps[[2, 5]] = False
    assert np.isnan(jitter(shaking[:6], gaps[:6]))


def test_jitter_charges_shaking_and_freezing(make_scene, make_view, landmarks):
    rng, time = np.random.default_rng(2), np.arange(25)[:, None, None]
    driver = landmarks[0] + 4 * np.sin(0.7 * time)
    noise = rng.normal(size=driver.shape)
    metric, reference = resolve("jitter_lmk"), make_view({"landmarks": driver})

    def of(points):
        return metric(make_scene(make_view({"landmarks": points}), driving=reference)).values[0]

    values = [of(driver + amount * noise) for amount in (0, 0.5, 2, 8)]
    assert values[0] == 0
    assert values == sorted(values)
    assert of(np.repeat(driver[:1], 25, axis=0)) == 1
    assert 0 < of(driver[:1] + 0.5 * (driver - driver[:1])) < 0.5
