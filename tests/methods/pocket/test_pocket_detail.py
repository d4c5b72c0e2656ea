from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.filters import gaussian

pytest.importorskip("diffusers")

from portraitbench.methods.pocket.autoencoder import load_autoencoder
from portraitbench.methods.pocket.training.detail import EDGES, MARGIN, detail_loss, face_boxes
from portraitbench.methods.pocket.training.sharpness import box, sharpness


def brute_boxes(marks, size):
    inside = np.zeros((size, size))
    for part in (slice(36, 48), slice(48, 68)):
        (left, top), (right, bottom) = marks[part].min(axis=0) - MARGIN, marks[part].max(axis=0) + MARGIN
        for y in range(size):
            for x in range(size):
                if left <= x <= right and top <= y <= bottom:
                    inside[y, x] = 1
    return inside


def test_boxes_hold_eyes_and_mouth_and_nothing_else(shipped):
    marks = shipped[1][:3].astype(np.float32)
    found = face_boxes(torch.tensor(marks), 128).numpy()
    for own, points in zip(found[:, 0], marks, strict=True):
        assert np.array_equal(own, brute_boxes(points, 128))


def test_the_loss_is_numpys_over_the_boxes(shipped):
    """Decoded pictures compared by scipy's Sobel filter, pixel by pixel inside the boxes."""
    torch.manual_seed(0)
    decoder = load_autoencoder()
    frames = torch.tensor(shipped[0][:2].copy()).permute(0, 3, 1, 2) / 127.5 - 1
    target = decoder.encode(frames)
    clean = target + 0.3 * torch.randn_like(target)
    marks = torch.tensor(shipped[1][:2], dtype=torch.float32)
    found = detail_loss(decoder, clean, target, marks)
    difference = (decoder.decode(clean) - decoder.decode(target)).detach().double().numpy()
    for value, own, points in zip(found, difference, marks.numpy(), strict=True):
        inside = brute_boxes(points, 128)
        edges = [np.abs(ndimage.sobel(channel, axis=axis)) / 4 for channel in own for axis in (0, 1)]
        inner = np.s_[1:-1, 1:-1]
        colours = sum((np.abs(channel) * inside).sum() for channel in own) / (3 * inside.sum())
        slopes = sum((edge * inside)[inner].sum() for edge in edges) / (6 * 126**2) * 128**2 / inside.sum()
        assert float(value.detach()) == pytest.approx(colours + EDGES * slopes, rel=1e-4)


def test_the_gradient_reaches_the_eyes_and_not_the_corner(shipped):
    decoder = load_autoencoder()
    target = torch.zeros(1, 8, 32, 32)
    clean = torch.full_like(target, 0.1).requires_grad_()
    detail_loss(decoder, clean, target, torch.tensor(shipped[1][:1], dtype=torch.float32)).sum().backward()
    eye = (shipped[1][0][36:42].mean(axis=0) // 4).astype(int)
    assert clean.grad[0, :, eye[1], eye[0]].abs().sum() > 0
    assert clean.grad[0, :, 31, 0].abs().sum() == 0


def test_sharpness_of_a_ramp_and_of_a_checkerboard_is_known():
    """A ramp of g per pixel has gradient energy g^2 and no Laplacian; a +-a checkerboard's Laplacian is -+8a."""
    marks = np.linspace(40, 80, 68)[:, None].repeat(2, axis=1)
    ramp = np.arange(128, dtype=np.uint8)[None, :, None].repeat(128, axis=0).repeat(3, axis=2)
    found = sharpness(ramp, marks)
    assert found["gradient_eyes"] == pytest.approx((1 / 255) ** 2)
    assert found["laplacian_mouth"] == pytest.approx(0, abs=1e-20)
    y, x = np.mgrid[0:128, 0:128]
    board = np.where((x + y) % 2, 151, 51).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert sharpness(board, marks)["laplacian_eyes"] == pytest.approx((8 * 50 / 255) ** 2, rel=0.01)
    assert sharpness(board, marks)["gradient_eyes"] == pytest.approx(0, abs=1e-12)


def test_sharpness_falls_with_every_blur(shipped):
    frame, marks = shipped[0][0], shipped[1][0]
    values = [sharpness(frame, marks)]
    for sigma in (0.5, 1.0, 2.0):
        blurred = (gaussian(frame, sigma, channel_axis=2, preserve_range=True)).round().astype(np.uint8)
        values.append(sharpness(blurred, marks))
    for name in values[0]:
        measured = [own[name] for own in values]
        assert measured == sorted(measured, reverse=True)


def test_a_box_is_cut_at_the_edge():
    assert box(np.array([[1.0, 2.0], [6.5, 7.0]]), (10, 9)) == (slice(0, 10), slice(0, 9))
