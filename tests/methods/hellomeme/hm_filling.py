"""Clips of a face that fills most of the frame, as what a landmark network says of it: the same on every machine."""

from __future__ import annotations

import numpy as np

from portraitbench.methods.hellomeme.face.landmarks import Reading
from portraitbench.methods.hellomeme.face.tracking import follow_largest
from portraitbench.methods.hellomeme.face.windows import clip_window

FRAMES = 4
SIZES = ((512, 512), (640, 480), (480, 640), (361, 500))


class FillingFace:
    """Detector and reader at once; frames are their numbers.

    Only sums, products and roots decide what comes of it, none of which differ between machines: the two points that
    the face's size is measured by are level, since a dot product may be rounded once or twice.

    Attributes:
        width: Of the frames.
        height: Of the frames.
        points: As read, float32, shape (T, 222, 2).
        euler: Pitch and yaw in radians, float32, shape (T, 2).
    """

    def __init__(self, seed):
        draw = np.random.RandomState(seed)
        self.width, self.height = SIZES[seed % len(SIZES)]
        size = min(self.width, self.height) * draw.uniform(0.29, 0.9)
        shape = draw.uniform(0, 1, (222, 2)) + draw.uniform(-0.004, 0.004, (FRAMES, 222, 2))
        shape += draw.uniform(-0.02, 0.02, (FRAMES, 1, 2)).cumsum(axis=0)
        shape[:, 32, 1] = shape[:, 0, 1]
        place = draw.uniform(0, 1, 2) * (self.width - size, self.height - size)
        self.points = (shape * size + place).astype(np.float32)
        self.euler = draw.uniform(-0.3, 0.3, (FRAMES, 2)).astype(np.float32)

    def detect(self, frame):
        points = self.points[frame]
        return np.trunc(np.concatenate([points.min(axis=0), points.max(axis=0)])[None].astype(float))

    def in_box(self, frame, box):
        return Reading(self.points[frame], *np.rad2deg(self.euler[frame]), np.float32(0.9), 0.0)

    near = in_box


def window(seed):
    """The window of a clip's face, tracked and steadied."""
    face = FillingFace(seed)
    followed = follow_largest(range(FRAMES), face.detect, face, "the clip")
    return clip_window(followed.points, face.width, face.height)
