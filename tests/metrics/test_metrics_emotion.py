"""Concordance and correlation against NumPy's and SciPy's, and the rules for series that do not move."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr

from portraitbench.core.errors import MediaError, Status
from portraitbench.metrics.emotion import ccc, emotion_agreement, pcc
from portraitbench.metrics.resolve import resolve

TERMS = ["ccc_valence", "pcc_valence", "ccc_arousal", "pcc_arousal"]


@pytest.fixture
def series():
    """Valence and arousal of a driver and of an output that follows it badly, shape (2, 40, 2)."""
    rng = np.random.default_rng(5)
    driving = np.cumsum(rng.normal(0, 0.1, (40, 2)), axis=0)
    return np.stack([0.5 * driving + rng.normal(0.1, 0.15, (40, 2)), driving])


def test_pcc_is_scipys(series):
    x, y = series[:, :, 0]
    assert pcc(x, y) == pytest.approx(pearsonr(x, y).statistic, abs=1e-12)


def test_ccc_is_the_published_formula(series):
    x, y = series[:, :, 0]
    correlation = np.corrcoef(x, y)[0, 1]
    expected = 2 * correlation * np.std(x) * np.std(y) / (np.var(x) + np.var(y) + (np.mean(x) - np.mean(y)) ** 2)
    assert ccc(x, y) == pytest.approx(expected, abs=1e-12)


def test_ccc_uses_population_moments():
    # With 1/(N-1) moments the value would be 2 / (2 + 1) = 2/3.
    assert ccc(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx((4 / 3) / (4 / 3 + 1))


@settings(max_examples=80, deadline=None)
@given(arrays(np.float64, (2, 12), elements=st.floats(-1, 1)))
def test_ccc_is_bounded_by_pcc(pair):
    x, y = pair
    if min(x.std(), y.std()) > 1e-6:
        assert abs(ccc(x, y)) <= abs(pcc(x, y)) + 1e-9
        assert ccc(x, y) == pytest.approx(ccc(y, x), abs=1e-12)


def test_pcc_forgives_scale_and_level_and_ccc_does_not(series):
    y = series[1, :, 0]
    assert pcc(0.5 * y + 0.3, y) == pytest.approx(1)
    assert ccc(0.5 * y + 0.3, y) < 0.9


def test_constant_series_are_nan_without_a_warning():
    flat = np.zeros(5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(pcc(flat, np.arange(5.0)))
        assert np.isnan(ccc(flat, flat))


def test_value_is_the_mean_of_the_four_terms(series):
    agreement = emotion_agreement(*series)
    expected = [measure(*series[:, :, column]) for column in (0, 1) for measure in (ccc, pcc)]
    assert list(agreement.terms) == TERMS
    assert agreement.value == pytest.approx(np.mean(expected))


def test_a_driver_that_stands_still_is_left_out(series):
    generated, driving = series
    driving[:, 1] = 0.2 + 1e-5 * driving[:, 1]
    agreement = emotion_agreement(generated, driving)
    assert list(agreement.terms) == TERMS[:2]
    assert (agreement.constant, agreement.frozen) == (1, 0)
    assert agreement.value == pytest.approx((agreement.terms["ccc_valence"] + agreement.terms["pcc_valence"]) / 2)


def test_a_frozen_output_scores_zero_and_not_noise(series):
    generated, driving = series
    generated[:, 0] = 0.4 + 1e-8 * driving[:, 0]  # jitter that correlates perfectly
    agreement = emotion_agreement(generated, driving)
    assert agreement.terms["pcc_valence"] == agreement.terms["ccc_valence"] == 0
    assert (agreement.constant, agreement.frozen) == (0, 1)
    assert agreement.value == pytest.approx((agreement.terms["ccc_arousal"] + agreement.terms["pcc_arousal"]) / 4)


def test_nothing_moves_at_all():
    still = np.full((10, 2), 0.3)
    agreement = emotion_agreement(still, still)
    assert np.isnan(agreement.value)
    assert (agreement.constant, agreement.frozen) == (2, 0)


def test_copying_the_driver_is_perfect(series, make_view, make_scene):
    clip = make_view({"emotion": series[1]})
    scores = resolve("emo_sim")(make_scene(clip, driving=clip))
    assert scores.values == pytest.approx([1.0])
    assert scores.detail["frames_used"] == 40


def test_a_shift_by_one_frame_costs(series, make_view, make_scene):
    noise = np.random.default_rng(6).normal(0, 0.3, (40, 2))
    driving, shifted = make_view({"emotion": noise}), make_view({"emotion": np.roll(noise, 1, axis=0)})
    assert resolve("emo_sim")(make_scene(shifted, driving=driving)).values[0] < 0.4


def test_frames_are_left_out_in_pairs(series, make_view, make_scene):
    generated, driving = series
    seen, driven = np.arange(40) % 7 != 0, np.arange(40) % 5 != 0
    scores = resolve("emo_sim")(
        make_scene(
            make_view({"emotion": generated}, found=list(seen)),
            driving=make_view({"emotion": driving}, found=list(driven)),
        )
    )
    joint = seen & driven
    assert scores.values[0] == pytest.approx(emotion_agreement(generated[joint], driving[joint]).value)
    assert scores.detail["frames_used"] == joint.sum()
    assert scores.detail["frames_left_out"] == 40 - joint.sum()


@pytest.mark.parametrize(("joint", "status"), [(0, Status.UNDEFINED), (2, Status.UNDEFINED), (3, Status.OK)])
def test_three_joint_frames_are_needed(joint, status, series, make_view, make_scene):
    generated = make_view({"emotion": series[0]}, found=[row < joint for row in range(40)])
    scores = resolve("emo_sim")(make_scene(generated, driving=make_view({"emotion": series[1]})))
    assert list(scores.status) == [status]


def test_unequal_lengths_are_refused(series, make_view, make_scene):
    with pytest.raises(MediaError, match="39 frames, the driving clip 40"):
        resolve("emo_sim")(make_scene(make_view({"emotion": series[0, 1:]}), driving=make_view({"emotion": series[1]})))


def test_other_models_have_the_same_arithmetic_and_another_id(make_view, make_scene):
    series = np.cumsum(np.random.default_rng(2).normal(0, 0.1, (2, 20, 2)), axis=1)
    values = [
        resolve(metric)(make_scene(make_view({feature: series[0]}), driving=make_view({feature: series[1]}))).values
        for metric, feature in (("emo_sim", "emotion"), ("va_ccc[other]", "emotion/other"))
    ]
    assert values[0] == pytest.approx(values[1])
    assert resolve("va_ccc[other]").spec.id == "va_ccc[other]/1"
