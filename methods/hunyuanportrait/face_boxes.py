"""Where the face boxes and five landmarks come from: HunyuanPortrait's own detector, or the run's face backends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...datasets.clip import Clip
from ...faces.alignment import five_points
from ...faces.base import LANDMARKS, Detects, Face, Floats
from ...faces.observer import Observer
from ...faces.policy import area


@dataclass(frozen=True, eq=False)
class FaceBoxes:
    """One face per frame of a clip of T frames; NaN where there is none.

    Attributes:
        boxes: x0, y0, x1, y1 in pixels, shape (T, 4).
        points: Eyes, nose tip and mouth corners, viewer's left first, shape (T, 5, 2).
    """

    boxes: Floats
    points: Floats

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which frames show a face, shape (T,)."""
        numbers = np.concatenate([self.boxes, self.points.reshape(len(self.points), -1)], axis=1)
        found: NDArray[np.bool_] = np.isfinite(numbers).all(axis=1)
        return found


class FaceSource(Protocol):
    """Finds one face in each frame."""

    def observe(self, clip: Clip) -> FaceBoxes:
        """Look at a clip."""
        ...


class DetectedFaces:
    """The largest face of each frame on its own, as upstream takes it.

    Args:
        detector: Gives boxes with five points.
    """

    def __init__(self, detector: Detects) -> None:
        self._detector = detector
        # A suite shows each clip in many cases.
        self._known: dict[tuple[str, ...], FaceBoxes] = {}

    def observe(self, clip: Clip) -> FaceBoxes:
        """Faces of the frames; see :meth:`FaceSource.observe`."""
        key = clip.frame_digests
        if key not in self._known:
            # Frame by frame: a clip's frames need not lie in memory at the detector's size all at once.
            largest = [_largest(self._detector.detect([frame])[0]) for frame in clip]
            self._known[key] = _stacked([None if face is None else (face.box, five_points(face)) for face in largest])
        return self._known[key]


class ObservedFaces:
    """The face that the run's face backends look at; the five points come from its 68 landmarks.

    Args:
        observer: The run's.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def observe(self, clip: Clip) -> FaceBoxes:
        """Faces of the frames; see :meth:`FaceSource.observe`."""
        seen = self._observer.observe(clip, [LANDMARKS])
        faces = [
            (box, five_points(Face(box, 1.0, landmarks=own))) if found else None
            for box, own, found in zip(seen.boxes, seen.landmarks, seen.found, strict=True)
        ]
        return _stacked(faces)


def _largest(faces: list[Face]) -> Face | None:
    return max(faces, key=lambda face: area(face.box)) if faces else None


def _stacked(faces: list[tuple[Floats, Floats] | None]) -> FaceBoxes:
    absent = (np.full(4, np.nan), np.full((5, 2), np.nan))
    boxes, points = zip(*(face or absent for face in faces), strict=True)
    return FaceBoxes(np.stack(boxes), np.stack(points))
