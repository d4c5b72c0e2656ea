"""The coarse driving code: its values, their spread and noise, and the range of poses."""

from __future__ import annotations

CODE = ("jaw", "smile", "pucker", "brow", "lids")
"""The driving code: five values, left and right averaged. smile, brow and lids are signed (frown, lowered, closed)."""

CODE_VARIANCE = (0.076, 0.117, 0.059, 0.143, 0.155)
"""Variance of the code's values over the training set.

Measured over 1000 people x 16 pictures; whoever samples has no training set."""

CODE_NOISE = 0.2
"""Deviation of the noise on the driver's code in training.

It makes the generator forgive a reader's errors, and leaves it unsure of an expression's strength: only what a
generator is unsure of can be changed early in sampling and then last."""

ATTENUATION = 0.5
"""Share of the driver's code that the generator draws: expression is lost on purpose."""

POSE_LIMITS = (0.28, 0.16, 0.10)
"""Yaw, pitch and roll are drawn uniformly within these, radians."""
