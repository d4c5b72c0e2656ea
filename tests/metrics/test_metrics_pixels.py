"""PSNR against scikit-image, closed forms of the two mask protocols, and what pixel metrics refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from portraitbench.core.errors import CaseError, ConfigError, MediaError, Status
from portraitbench.metrics.masks import face_mask, fraction
from portraitbench.metrics.pixels import blacken, psnr, psnr_black, ssim_black
from portraitbench.metrics.resolve import resolve
from portraitbench.metrics.ssim import luma, ssim

PIXEL_METRICS = ["psnr_mask", "ssim_mask", "psnr_black", "ssim_black"]
PROTOCOLS = [psnr, ssim, psnr_black, ssim_black]


def pair(seed, shape=(40, 44)):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 256, (*shape, 3), np.uint8)
    return np.clip(target + rng.normal(0, 30, target.shape), 0, 255).astype(np.uint8), target


def some_mask(seed, shape=(40, 44)):
    mask = np.zeros(shape, bool)
    mask[8:30, 10:35] = np.random.default_rng(seed).random((22, 25)) < 0.8
    return mask


def test_psnr_is_scikit_images():
    generated, target = pair(0)
    assert psnr(generated, target) == pytest.approx(peak_signal_noise_ratio(target, generated, data_range=255))


def test_masked_psnr_is_that_of_the_masked_pixels():
    generated, target = pair(1)
    mask = some_mask(1)
    expected = peak_signal_noise_ratio(target[mask], generated[mask], data_range=255)
    assert psnr(generated, target, mask) == pytest.approx(expected)


def test_psnr_is_capped_where_scikit_images_is_infinite_or_more():
    target = np.zeros((512, 512, 3), np.uint8)
    generated = target.copy()
    assert psnr(target, target) == 100
    generated[0, 0, 0] = 1
    assert peak_signal_noise_ratio(target, generated, data_range=255) > 100
    assert psnr(generated, target) == 100


def test_bright_minus_dark_does_not_wrap_around():
    white, black = np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.05, 1))
def test_blackening_adds_exactly_the_mask_fraction(seed, threshold):
    generated, target = pair(seed)
    mask = np.random.default_rng(seed).random((40, 44)) < threshold
    expected = psnr(generated, target, mask) - 10 * np.log10(fraction(mask))
    assert psnr_black(generated, target, mask) == pytest.approx(expected, abs=1e-9)


def test_ssim_black_is_scikit_images_on_blackened_frames():
    generated, target = pair(2)
    mask = some_mask(2)
    expected = structural_similarity(
        luma(generated * mask[..., None]),
        luma(target * mask[..., None]),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert ssim_black(generated, target, mask) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), fill=st.sampled_from(["same", "noise", "white", "black"]))
def test_the_background_has_no_influence_at_all(protocol, seed, fill):
    generated, target = pair(seed)
    mask = some_mask(seed)
    backgrounds = {
        "same": target,
        "noise": np.random.default_rng(seed + 1).integers(0, 256, target.shape, np.uint8),
        "white": np.full_like(target, 255),
        "black": np.zeros_like(target),
    }
    changed = np.where(mask[..., None], generated, backgrounds[fill])
    assert protocol(changed, target, mask) == protocol(generated, target, mask)


def test_blacken_keeps_the_mask_and_nothing_else():
    frame, mask = pair(3)[0], some_mask(3)
    black = blacken(frame, mask)
    assert black.dtype == np.uint8
    assert np.array_equal(black[mask], frame[mask])
    assert black[~mask].max() == 0


@pytest.fixture
def scene(make_view, make_scene):
    """Scenes of two frames with a face in the middle of the target; ``points`` moves it."""
    points = np.random.default_rng(8).uniform(12, 30, (2, 68, 2))

    def make(points=points, found=None, size=(40, 44), length=2, generated=None):
        target = np.stack([pair(row)[1] for row in range(2)])
        default = np.stack([pair(row, size)[0] for row in range(length)])
        output = make_view(frames=default if generated is None else generated, found=[False] * length)
        return make_scene(output, target=make_view({"landmarks": points}, frames=target, found=found))

    return make


@pytest.mark.parametrize("name", PIXEL_METRICS)
@pytest.mark.parametrize("kind", ["box", "hull"])
def test_metrics_score_the_targets_mask(name, kind, scene):
    made = scene()
    scores = resolve(name, {"mask": kind})(made)
    protocol = dict(zip(PIXEL_METRICS, PROTOCOLS, strict=True))[name]
    masks = [face_mask(points, 40, 44, kind) for points in made.target.seen.landmarks]
    frames = zip(made.generated.clip, made.target.clip, masks, strict=True)
    assert scores.values == pytest.approx([protocol(*row) for row in frames])
    assert scores.detail["mask"] == kind
    assert scores.detail["mask_fraction"] == pytest.approx(np.mean([mask.mean() for mask in masks]))


@pytest.mark.parametrize("name", ["psnr_mask", "psnr_black"])
def test_identical_frames_are_counted(name, scene):
    target = scene().target.clip.frames
    generated = np.stack([target[0], pair(1)[0]])
    scores = resolve(name)(scene(generated=generated))
    assert scores.values[0] == 100
    assert scores.detail["capped"] == 1


@pytest.mark.parametrize("name", PIXEL_METRICS)
class TestRefusals:
    def test_no_face_in_the_target(self, name, scene):
        assert list(resolve(name)(scene(found=[True, False])).status) == [Status.OK, Status.NO_FACE]

    def test_no_face_in_any_target_frame(self, name, scene):
        nothing = np.full((2, 1), np.nan)
        assert list(resolve(name)(scene(points=nothing, found=[False, False])).status) == [Status.NO_FACE] * 2

    def test_a_face_outside_the_frame_is_undefined(self, name, scene):
        far = np.random.default_rng(8).uniform(500, 520, (2, 68, 2))
        assert list(resolve(name)(scene(points=far)).status) == [Status.UNDEFINED] * 2

    def test_another_size_is_not_resampled(self, name, scene):
        with pytest.raises(MediaError, match=r"output is 44x80 pixels, the target 44x40"):
            resolve(name)(scene(size=(80, 44)))

    def test_another_length(self, name, scene):
        with pytest.raises(MediaError, match="3 frames, the target 2"):
            resolve(name)(scene(length=3))

    def test_no_target(self, name, make_view, make_scene):
        with pytest.raises(CaseError, match="no target"):
            resolve(name)(make_scene(make_view(frames=pair(0)[0][None])))

    def test_an_unknown_mask(self, name):
        with pytest.raises(ConfigError, match="mask"):
            resolve(name, {"mask": "person"})
