"""Steadying a face's points over a clip, part by part: the One-Euro filter with cut-offs that follow the motion.

The filter is that of Casiez, Roussel, Vogel, "1 Euro Filter", CHI 2012. HelloMeme drives it in its own way: one number
per part and frame, the more the part moved the larger, stands both for the time step and for the slope of the cut-off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .points import (
    BROWS,
    CONTOUR,
    LEFT_EYE,
    LEFT_PUPIL,
    MOUTH,
    NOSE,
    RIGHT_EYE,
    RIGHT_PUPIL,
    Number,
    Points,
)

_CUTOFF = 1.0
"""Lowest cut-off of positions, and the cut-off of speeds."""
_FAST = 0.02
"""Mean movement from which a part counts as fast, as a share of the face's size."""


@dataclass(frozen=True)
class Steadiness:
    """How much one part is steadied.

    Attributes:
        part: Its points.
        still: Mean movement below which it counts as still, as a share of the face's size.
        low: The filter's number at the border between still and moving.
        high: The filter's number from fast movement on.
        watched: Points whose movement counts; None for all of the part.
    """

    part: slice
    still: float
    low: float
    high: float
    watched: slice | None = None

    def rate(self, movement: Number) -> Number | float:
        """The filter's number for a mean movement: from 0 to ``low`` to ``high``, in two straight lines."""
        if movement < self.still:
            return self.low * (movement / self.still)
        if movement < _FAST:
            return self.low + (self.high - self.low) * ((movement - self.still) / (_FAST - self.still))
        return self.high


STEADINESS = (
    Steadiness(CONTOUR, 0.005, 0.05, 0.3, slice(9, 24)),  # the chin; the rest of the contour wanders along itself
    Steadiness(NOSE, 0.003, 0.03, 0.7),
    Steadiness(BROWS, 0.003, 0.02, 0.5),
    Steadiness(LEFT_EYE, 0.003, 0.03, 0.7),
    Steadiness(RIGHT_EYE, 0.003, 0.03, 0.7),
    Steadiness(MOUTH, 0.003, 0.05, 0.7),
    Steadiness(LEFT_PUPIL, 0.003, 0.03, 0.7),
    Steadiness(RIGHT_PUPIL, 0.003, 0.03, 0.7),
)


class Smoother:
    """Steadies the points of one face from frame to frame."""

    def __init__(self) -> None:
        self._last: Points | None = None
        self._speeds: list[Points | float] = [0.0] * len(STEADINESS)

    def __call__(self, points: Points, face_size: Number | float) -> Points:
        """Take the points of the next frame and give them steadied.

        Args:
            points: Landmarks as read, shape (222, 2).
            face_size: Face size in the preceding frame, in pixels.
        """
        if self._last is None:
            self._last = points
            return points
        movement = np.linalg.norm(points - self._last, axis=1) / face_size
        steadied = points.copy()
        for row, own in enumerate(STEADINESS):
            rate = own.rate(movement[own.watched or own.part].mean())
            steadied[own.part] = self._filter(row, points[own.part], self._last[own.part], rate)
        self._last = steadied
        return steadied

    def _filter(self, row: int, points: Points, last: Points, rate: Number | float) -> Points:
        if rate == 0:  # Nothing moved: no time went by for this filter, and speeds are not defined.
            return last
        share = _share(rate, _CUTOFF)
        speed = share * ((points - last) / rate) + (1 - share) * self._speeds[row]
        self._speeds[row] = speed
        follow = _share(rate, _CUTOFF + rate * np.abs(speed))
        steadied: Points = follow * points + (1 - follow) * last
        return steadied


def _share(step: Number | float, cutoff: float | Points) -> Number | float | Points:
    """Share of the new value in exponential smoothing with a cut-off frequency."""
    turns = 2 * np.pi * cutoff * step
    return turns / (turns + 1)
