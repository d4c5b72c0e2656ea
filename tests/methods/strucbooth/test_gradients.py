"""Gray, Sobel, the cosine loss and resampling against SciPy, loops and numerical gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from portraitbench.methods.strucbooth.gradients import (
    GradientTarget,
    gradient_loss,
    gray,
    gray_levels,
    resample,
    sobel,
    structural_gradients,
)
from portraitbench.methods.strucbooth.regions import Box


def picture(seed=0, height=9, width=7, count=1):
    return torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(seed)).double() * 2 - 1


def test_gray_is_equation_9():
    frames = picture(count=2)
    by_hand = 0.2989 * frames[:, 0] + 0.5870 * frames[:, 1] + 0.1140 * frames[:, 2]
    torch.testing.assert_close(gray(frames)[:, 0], by_hand)


def test_sobel_is_scipys_and_the_papers_convolution():
    image = gray(picture(1))
    found = sobel(image)[0].numpy()
    plain = image[0, 0].numpy()
    for index, axis in ((0, 1), (1, 0)):
        np.testing.assert_allclose(found[index], ndimage.sobel(plain, axis=axis)[1:-1, 1:-1], atol=1e-12)
    kernels = [[[1, 0, -1], [2, 0, -2], [1, 0, -1]], [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]]  # eq. 11
    for index, kernel in enumerate(kernels):
        for row in range(plain.shape[0] - 2):
            for column in range(plain.shape[1] - 2):
                # Convolution: K * I (y, x) = sum over i, j of K[i, j] I[y - i, x - j], about the centre.
                value = sum(kernel[i][j] * plain[row + 2 - i, column + 2 - j] for i in range(3) for j in range(3))
                assert found[index, row, column] == pytest.approx(value)


def by_loop(patch, driver, eps, flat, by_norm):
    """Equation 7 pixel by pixel."""
    a, b = (structural_gradients(one)[0].numpy() for one in (patch, driver))
    total = weights = 0.0
    for row in range(a.shape[1]):
        for column in range(a.shape[2]):
            u, v = a[:, row, column], b[:, row, column]
            norm = np.hypot(*v)
            weight = 0.0 if norm < flat else norm if by_norm else 1.0
            cosine = (u @ v) / (np.sqrt(u @ u + eps**2) * np.sqrt(v @ v + eps**2))
            total, weights = total + weight * (1 - cosine), weights + weight
    return total / weights


def test_norms_are_told_in_gray_levels():
    """A step of so many levels, however the edge runs, has the norm that is told as so many."""
    for levels in (1.0, 9.6, 255.0):
        frame = torch.full((1, 3, 7, 7), -1.0)
        frame[..., 4:] += 2 * levels / 255
        for own in (frame, frame.transpose(2, 3)):
            assert gray_levels(float(structural_gradients(own).norm(dim=1).max())) == pytest.approx(levels, rel=1e-3)


def test_a_weak_edge_has_no_vote_below_eps_and_a_full_one_above():
    """Where both gradients are noise of a gray level, the cosine goes to 0 with the share of eps in them."""
    rng = np.random.default_rng(5)
    noise = torch.tensor(rng.uniform(-1, 1, (1, 3, 12, 12)), dtype=torch.float32) / 255
    own = GradientTarget.of_patch(noise, flat=0.0, by_norm=False)
    assert gradient_loss(noise, own, 1e-4) == pytest.approx(0.0, abs=0.05)  # the same picture: all directions agree
    assert gradient_loss(noise, own, 0.3) > 0.97  # and none of them counts
    edges = noise * 255
    assert gradient_loss(edges, GradientTarget.of_patch(edges, flat=0.0, by_norm=False), 0.3) < 0.1


@pytest.mark.parametrize(("flat", "by_norm"), [(0.0, False), (2.0, False), (0.0, True), (2.0, True)])
def test_the_loss_is_equation_7(flat, by_norm):
    patch, driver = picture(2), picture(3)
    guide = GradientTarget.of_patch(driver, flat=flat, by_norm=by_norm)
    if flat:
        assert 0 < float((guide.weights == 0).float().mean()) < 1
    assert float(gradient_loss(patch, guide, 0.1)) == pytest.approx(by_loop(patch, driver, 0.1, flat, by_norm))


def test_the_loss_ignores_brightness_and_contrast_and_punishes_the_opposite():
    driver = picture(4)
    guide = GradientTarget.of_patch(driver, flat=0.0, by_norm=False)
    same, other = (float(gradient_loss(patch, guide, 1e-6)) for patch in (0.3 * driver + 0.2, -driver))
    assert same == pytest.approx(0, abs=1e-6)
    assert other == pytest.approx(2, abs=1e-6)


def test_the_loss_has_the_numerical_gradient_also_where_the_patch_is_flat():
    guide = GradientTarget.of_patch(picture(5, 6, 5), flat=0.5, by_norm=True)
    flat = torch.zeros((1, 3, 6, 5), dtype=torch.float64)
    flat[..., 3:] = 0.4
    for patch in (picture(6, 6, 5), flat):
        assert torch.autograd.gradcheck(lambda x: gradient_loss(x, guide, 0.1), patch.requires_grad_())


def test_a_driver_without_any_structure_asks_for_nothing():
    guide = GradientTarget.of_patch(torch.full((1, 3, 6, 5), 0.3), flat=1e-2, by_norm=False)
    patch = picture(7, 6, 5).float().requires_grad_()
    loss = gradient_loss(patch, guide, 1e-2)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(patch.grad, torch.zeros_like(patch))


def test_resampling_a_whole_pixel_box_at_its_own_size_copies_it():
    frame = picture(8, 20, 30)
    torch.testing.assert_close(resample(frame, Box(5, 3, 17, 11), 8, 12), frame[:, :, 3:11, 5:17], rtol=0, atol=1e-12)


def test_shrinking_averages_and_enlarging_interpolates():
    frame = picture(9, 20, 30)
    half = torch.nn.functional.avg_pool2d(frame[:, :, 2:10, 4:20], 2)
    torch.testing.assert_close(resample(frame, Box(4, 2, 20, 10), 4, 8), half)
    double = torch.nn.functional.interpolate(frame, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resample(frame, Box(0, 0, 30, 20), 40, 60), double)


def test_resampling_follows_fractions_of_a_pixel_and_repeats_the_border():
    ramp = torch.arange(16.0, dtype=torch.float64).expand(1, 3, 16, 16)  # value = column
    # The centre of output column j lies at 2.25 + j + 0.5, pixel columns at their index + 0.5.
    shifted = resample(ramp, Box(2.25, 2, 10.25, 10), 8, 8)
    torch.testing.assert_close(shifted[0, 0, 0], torch.arange(8, dtype=torch.float64) + 2.25)
    outside = resample(ramp, Box(-4, 0, 4, 8), 8, 8)
    torch.testing.assert_close(outside[0, 0, 0], torch.tensor([0.0] * 4 + [0.0, 1, 2, 3], dtype=torch.float64))
