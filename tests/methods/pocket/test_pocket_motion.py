from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates

from portraitbench.methods.pocket.motion import SMOOTHING, load_motion, scalars, spline, warp
from portraitbench.methods.pocket.training.pairs import PairSet, draw_pairs


def test_the_spline_is_scipys():
    rng = np.random.default_rng(0)
    points, values, at = rng.random((2, 30, 2)), rng.random((2, 30, 3)), rng.random((50, 2))
    own = spline(*(torch.tensor(array) for array in (points, values, at))).numpy()
    for row in range(2):
        # SciPy's kernel is r^2 log r, ours r^2 log r^2: twice that, so half the smoothing.
        theirs = RBFInterpolator(points[row], values[row], kernel="thin_plate_spline", smoothing=SMOOTHING / 2)
        assert own[row] == pytest.approx(theirs(at), abs=1e-6)


def test_a_warp_onto_the_same_points_changes_nothing():
    frames = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    points = torch.rand(2, 20, 2, generator=torch.Generator().manual_seed(1)) * 60
    assert torch.allclose(warp(frames, points, points), frames, atol=1e-4)


def test_a_blob_goes_where_its_landmark_goes():
    size = 128
    y, x = np.mgrid[:size, :size]
    generator = torch.Generator().manual_seed(0)
    source = 30 + 68 * torch.rand(1, 20, 2, generator=generator)
    goal = source + torch.tensor([6.0, -4.0])
    at = source[0, 3].numpy()
    blob = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 8).astype(np.float32)
    moved = warp(torch.from_numpy(blob)[None, None], source, goal)[0, 0].numpy()
    centre = np.array([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
    assert centre == pytest.approx(goal[0, 3].numpy(), abs=0.7)


def test_the_warp_samples_where_a_dense_spline_says():
    """Against SciPy's spline at every pixel and bilinear sampling: the coarse grid costs under a tenth of a pixel."""
    size = 64
    rng = np.random.default_rng(2)
    source = rng.uniform(12, 52, (12, 2))
    goal = source + rng.uniform(-3, 3, (12, 2))
    y, x = np.mgrid[:size, :size].astype(np.float64)
    ramp = np.stack([x, y]) / size
    steps = np.arange(4) / 4 * (size - 1)
    low, high = np.zeros(4), np.full(4, size - 1.0)
    edge = np.concatenate(
        [np.stack(s, 1) for s in [(steps, low), (high, steps), (63 - steps, high), (low, 63 - steps)]]
    )
    known = np.concatenate([goal, edge])
    dense = RBFInterpolator(
        known / size, np.concatenate([source, edge]) - known, kernel="thin_plate_spline", smoothing=SMOOTHING / 2
    )
    back = np.stack([x.ravel(), y.ravel()], 1) + dense(np.stack([x.ravel(), y.ravel()], 1) / size)
    expected = np.stack([map_coordinates(channel, back.T[::-1], order=1, mode="nearest") for channel in ramp])
    tensors = [torch.tensor(array, dtype=torch.float32)[None] for array in (ramp, source, goal)]
    own = warp(*tensors)[0].flatten(1).numpy()
    assert np.abs(own - expected).max() * size < 0.5
    assert np.abs(own - expected).mean() * size < 0.1


def test_scalars_scale_poses_to_one():
    limits = torch.tensor([[0.28, 0.16, 0.10]])
    joined = scalars(torch.zeros(1, 5), limits, torch.ones(1, 5), -limits)
    assert joined[0].tolist() == pytest.approx([0] * 5 + [1] * 3 + [1] * 5 + [-1] * 3)


def test_the_shipped_motion_opens_the_jaw_and_turns_the_head(shipped):
    motion = load_motion()
    own = torch.tensor(shipped[1][:1], dtype=torch.float32)
    still, jaw, yaw = torch.zeros(3, 1, 5), torch.tensor([[1.0, 0, 0, 0, 0]]), torch.tensor([[0.28, 0.0, 0.0]])
    nothing = scalars(still[0], torch.zeros(1, 3), still[0], torch.zeros(1, 3))
    with torch.no_grad():
        rest = motion(own, nothing)
        opened = motion(own, scalars(jaw, torch.zeros(1, 3), still[0], torch.zeros(1, 3)))
        turned = motion(own, scalars(still[0], yaw, still[0], torch.zeros(1, 3)))
    lips = [62, 66]  # middle of the inner lips
    assert float((opened - rest)[0, 66, 1]) > 6
    gap = (opened[0, lips[1], 1] - opened[0, lips[0], 1]) - (rest[0, lips[1], 1] - rest[0, lips[0], 1])
    assert float(gap) > 6
    assert float((turned - rest)[0, 30, 0]) > 4  # the nose tip moves to the person's left


def test_pairs_are_two_pictures_of_one_person():
    generator = torch.Generator().manual_seed(0)
    code = torch.arange(12.0).reshape(3, 4, 1).expand(3, 4, 5)
    true = torch.rand(3, 4, 68, 2, generator=generator), code, torch.rand(3, 4, 3, generator=generator)
    read_landmarks, read_code, read_pose = (
        own + 1 + torch.arange(3.0)[:, None, None, None] for own in (true[0], code[..., None], true[2][..., None])
    )
    read = read_landmarks, read_code[..., 0], read_pose[..., 0]
    data = PairSet(*true, read)
    pairs = draw_pairs(data, 400, generator)
    assert not (pairs.own == pairs.other).any()
    assert torch.equal(pairs.landmarks, data.landmarks[pairs.person, pairs.other])
    for own, values in zip((pairs.own_landmarks, pairs.own_code, pairs.own_pose), read, strict=True):
        assert torch.equal(own, values[pairs.person, pairs.own])
    # Readings of the pose err by 1, 2 and 3 for the three people; the driver's error is that of any of them.
    errors = (pairs.pose - data.pose[pairs.person, pairs.other])[:, 0].round().long()
    assert {int(person) for person, error in zip(pairs.person, errors, strict=True) if error != person + 1} == {0, 1, 2}
    noise = pairs.code - code[pairs.person, pairs.other]
    assert 0.15 < float(noise.std()) < 0.25
    assert 0.65 < float((pairs.own == 0).float().mean()) < 0.9  # 0.7, and a quarter of the others
