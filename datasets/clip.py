"""The one type for pictures in this project: a clip of uint8 RGB frames. An image is a clip of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.digest import array_digest

Frame: TypeAlias = NDArray[np.uint8]
"""One picture: uint8 RGB, shape (H, W, 3)."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of equal size with a frame rate.

    The type is checked on construction so that the slips that run without error elsewhere cannot pass: floats in
    [0, 1], channels first, RGBA, gray. The array is made read-only, because clips are shared and hashed.

    Attributes:
        frames: uint8 RGB, shape (T, H, W, 3), T >= 1.
        fps: Frames per second; irrelevant for one frame.

    Raises:
        TypeError: When ``frames`` is not a uint8 array.
        ValueError: When its shape is not (T, H, W, 3) with T, H, W >= 1, or ``fps`` is not positive.

    >>> clip = Clip(np.zeros((2, 4, 6, 3), np.uint8), fps=Fraction(25))
    >>> len(clip), clip.height, clip.width, clip.is_image
    (2, 4, 6, False)
    """

    frames: NDArray[np.uint8]
    fps: Fraction = field(default=Fraction(25))

    def __post_init__(self) -> None:
        frames = self.frames
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
            kind = getattr(frames, "dtype", type(frames).__name__)
            raise TypeError(f"clip frames must be a uint8 array, not {kind}")
        if frames.ndim != 4 or frames.shape[3] != 3 or min(frames.shape[:3]) < 1:
            raise ValueError(f"clip frames must have shape (T, H, W, 3), not {frames.shape}")
        if self.fps <= 0:
            raise ValueError(f"fps must be positive, not {self.fps}")
        frames = np.ascontiguousarray(frames).view()
        frames.flags.writeable = False
        object.__setattr__(self, "frames", frames)

    @classmethod
    def from_image(cls, image: NDArray[np.uint8]) -> Clip:
        """Make a clip of one frame from an image of shape (H, W, 3)."""
        return cls(image[None])

    def copy(self) -> Clip:
        """The same frames in memory of their own, for code that may write into what it is given."""
        return Clip(self.frames.copy(), self.fps)

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    @property
    def height(self) -> int:
        """Frame height in pixels."""
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        """Frame width in pixels."""
        return int(self.frames.shape[2])

    @property
    def is_image(self) -> bool:
        """Whether the clip is a single frame."""
        return len(self) == 1

    @cached_property
    def frame_digests(self) -> tuple[str, ...]:
        """The sha256 of each frame's shape and pixels; equal frames of different clips share it."""
        return tuple(array_digest(frame) for frame in self.frames)
