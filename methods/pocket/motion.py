"""Where a coarse driving code sends the identity's landmarks, and the identity image bent to follow them.

The denoiser is given the bent picture instead of the identity image: what it has to learn is to repair a warp, which is
within reach of a small network, and what it draws is as sharp as the identity image. The code alone decides the warp,
so that it tells no more of the driver than the code does.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.checkpoints import load_packaged
from .code import CODE, POSE_LIMITS

WEIGHTS = Path(__file__).parent / "weights" / "motion.safetensors"
SIZE = 128
"""Side of the pictures that landmarks are given for, in pixels."""
SCALARS = 2 * (len(CODE) + len(POSE_LIMITS))
"""Code and pose of the driver, then of the identity image."""
SMOOTHING = 1e-3
"""Keeps the spline from folding where neighbouring points move apart; in units of its kernel on a frame of side 1."""
GRID = 32
"""The spline is evaluated at this many points a side and interpolated in between: 3 ms a picture instead of 40."""


def scalars(driver_code: Tensor, driver_pose: Tensor, own_code: Tensor, own_pose: Tensor) -> Tensor:
    """Join codes (N, 5) and poses (N, 3) in radians of driver and identity image, poses scaled to about 1, (N, 16)."""
    limits = driver_pose.new_tensor(POSE_LIMITS)
    return torch.cat([driver_code, driver_pose / limits, own_code, own_pose / limits], dim=1)


class LandmarkMotion(nn.Module):
    """Predicts the 68 landmarks of a person under another expression and pose; 0.14 million parameters."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(136 + SCALARS, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 136)
        )

    def forward(self, landmarks: Tensor, driving: Tensor) -> Tensor:
        """Move landmarks.

        Args:
            landmarks: Landmarks of the identity image in pixels of a 128 px frame, shape (N, 68, 2).
            driving: Driving scalars, the output of :func:`scalars`, shape (N, 16).

        Returns:
            Shape (N, 68, 2).
        """
        placed = (landmarks.flatten(1) - SIZE / 2) / 32
        shift: Tensor = self.layers(torch.cat([placed, driving], dim=1))
        return landmarks + 8 * shift.reshape(-1, 68, 2)


def warp(frames: Tensor, source: Tensor, goal: Tensor) -> Tensor:
    """Bend pictures so that ``source`` points land near ``goal`` points; the border stays where it is.

    A smoothed thin-plate spline (Bookstein 1989) from goal to source, sampled bilinearly.

    Args:
        frames: Shape (N, C, S, S).
        source: Points in pixels, pixel centres at integers, shape (N, K, 2).
        goal: Where they go, shape (N, K, 2).
    """
    size = frames.shape[-1]
    edge = _border(size).to(frames).expand(len(frames), -1, -1)
    origin, target = torch.cat([source, edge], dim=1), torch.cat([goal, edge], dim=1)
    cells = (torch.arange(GRID, device=frames.device) + 0.5) * size / GRID - 0.5
    coarse = torch.cartesian_prod(cells, cells).flip(1)
    shift = spline(target / size, (origin - target) / size, coarse / size).reshape(-1, GRID, GRID, 2)
    fine = F.interpolate(shift.permute(0, 3, 1, 2), size=(size, size), mode="bilinear").permute(0, 2, 3, 1)
    centres = (torch.arange(size, device=frames.device) + 0.5) / size
    pixels = torch.cartesian_prod(centres, centres).flip(1).reshape(size, size, 2)
    # grid_sample without aligned corners measures edges from -1 to 1.
    grid = 2 * (pixels + fine) - 1
    bent: Tensor = F.grid_sample(frames, grid, padding_mode="border", align_corners=False)
    return bent


def spline(points: Tensor, values: Tensor, at: Tensor) -> Tensor:
    """Evaluate smoothed thin-plate splines, one for each row of the batch.

    Args:
        points: Where values are known, shape (N, K, 2), on a frame of side 1.
        values: Shape (N, K, D).
        at: Where they are wanted, shape (M, 2).

    Returns:
        Shape (N, M, D).
    """
    count, known = points.shape[:2]
    ones = points.new_ones(count, known, 1)
    affine = torch.cat([ones, points], dim=2)
    kernel = _kernel(points, points) + SMOOTHING * torch.eye(known, device=points.device)
    corner = points.new_zeros(count, 3, 3)
    system = torch.cat([torch.cat([kernel, affine], 2), torch.cat([affine.transpose(1, 2), corner], 2)], 1)
    wanted = torch.cat([values, values.new_zeros(count, 3, values.shape[2])], dim=1)
    weights = torch.linalg.solve(system.double(), wanted.double()).to(values)
    at = at.expand(count, -1, -1)
    basis = torch.cat([_kernel(at, points), at.new_ones(count, at.shape[1], 1), at], dim=2)
    found: Tensor = basis @ weights
    return found


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    squared = (a[:, :, None] - b[:, None]).square().sum(dim=3)
    kernel: Tensor = squared * (squared + 1e-12).log()
    return kernel


def _border(size: int, each_side: int = 4) -> Tensor:
    """Points along the border that hold it in place, shape (4 * each_side, 2)."""
    last = size - 1.0
    steps = torch.arange(each_side) * last / each_side
    low, high = torch.zeros(each_side), torch.full((each_side,), last)
    sides = [(steps, low), (high, steps), (last - steps, high), (low, last - steps)]
    return torch.cat([torch.stack(side, dim=1) for side in sides])


def load_motion(path: Path = WEIGHTS, device: str = "cpu") -> LandmarkMotion:
    """Build the network and fill it strictly, in float32, for evaluation.

    Raises:
        WeightsError: When the file is missing, damaged or of another model.
    """
    return load_packaged(LandmarkMotion(), path, "method pocket").to(device)
