"""Following faces through a clip, and choosing the largest one in each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ....core.errors import NoFaceError
from ....datasets.clip import Frame
from ....faces.base import Floats
from .landmarks import Reading
from .points import Number, Points, area, box_around, overlap
from .smoothing import Smoother

SMALLEST = 96
"""Faces with a side below this many pixels are dropped."""
_SCORE, _OVERLAP = 1e-4, 0.12

Detector = Callable[[Frame], Floats]
"""From a frame to boxes, shape (N, 4)."""


class Reader(Protocol):
    """Places the points of a face; see :class:`.landmarks.LandmarkReader`."""

    def in_box(self, frame: Frame, box: Points) -> Reading:
        """Read the face in a detected box."""
        ...

    def near(self, frame: Frame, points: Points) -> Reading:
        """Read the face whose points of the frame before are known."""
        ...


@dataclass(eq=False)
class Track:
    """One face that is followed.

    Attributes:
        box: Around it, shape (4,).
        face_size: What its movement is measured by, in pixels.
        points: Steadied, shape (222, 2); None before it was first read.
        smoother: Its own.
    """

    box: Points
    face_size: Number | float
    points: Points | None = None
    smoother: Smoother = field(default_factory=Smoother)


class Tracker:
    """Follows all faces of a clip.

    In every frame the detector looks again, also while faces are followed. Of faces that overlap the larger box stays,
    so that a fresh detection may take the place of a followed face, and its smoothing begins anew (as upstream).

    Args:
        detect: Finds faces.
        reader: Places points.
    """

    def __init__(self, detect: Detector, reader: Reader) -> None:
        self._detect = detect
        self._reader = reader
        self._tracks: list[Track] = []

    def step(self, frame: Frame, start: Points | None = None) -> list[Track]:
        """Go on to the next frame.

        Args:
            frame: The frame.
            start: Box to begin with instead of detecting, where no face is followed.

        Returns:
            The faces there.
        """
        boxes = self._detect(frame) if self._tracks or start is None else start[None]
        tracks = [*self._tracks, *(_begin(box) for box in boxes)]
        found = [track for track in tracks if self._read(track, frame)]
        self._tracks = without_overlaps(found)
        return self._tracks

    def _read(self, track: Track, frame: Frame) -> bool:
        """Read a face in a frame; returns whether it stays."""
        if track.points is None:
            reading = self._reader.in_box(frame, track.box)
        else:
            reading = self._reader.near(frame, track.points)
        if reading.score < _SCORE:
            return False
        track.points = track.smoother(reading.points, track.face_size)
        track.box = box_around(track.points)
        # From ear to ear, made larger the more the face is turned away and that line is short.
        turned = abs(reading.pitch) + 0.6 * abs(reading.yaw)
        track.face_size = np.linalg.norm(track.points[0] - track.points[32]) * (1 + turned / 18)
        return bool((track.box[2:] - track.box[:2] >= SMALLEST).all())


def _begin(box: Points) -> Track:
    return Track(box, float(np.linalg.norm(box[2:] - box[:2])))


def without_overlaps(tracks: list[Track]) -> list[Track]:
    """Of each two faces that overlap drop the smaller one; of equal ones the later."""
    gone: set[int] = set()
    for row, one in enumerate(tracks):
        if row in gone:
            continue
        for other_row, other in enumerate(tracks):
            if row == other_row or other_row in gone or overlap(one.box, other.box) <= _OVERLAP:
                continue
            # A face dropped here is still compared with the rest (as upstream).
            gone.add(row if area(one.box) < area(other.box) else other_row)
    return [track for row, track in enumerate(tracks) if row not in gone]


@dataclass(frozen=True, eq=False)
class Followed:
    """The largest face through a clip of T frames, of which F show it.

    Attributes:
        points: Shape (F, 222, 2).
        found: The frames that show it, ascending, F numbers.
        count: T.
    """

    points: Points
    found: tuple[int, ...]
    count: int

    @property
    def held(self) -> tuple[int, ...]:
        """The frames that do not show it, ascending."""
        return tuple(sorted(set(range(self.count)) - set(self.found)))

    @property
    def rows(self) -> list[int]:
        """For each frame the place in ``found`` of what stands for it: the last one up to it, else the first.

        >>> Followed(np.zeros((3, 222, 2)), (1, 2, 4), 6).rows
        [0, 0, 1, 1, 2, 2]
        """
        places = np.searchsorted(self.found, np.arange(self.count), side="right") - 1
        rows: list[int] = np.maximum(places, 0).tolist()
        return rows


def follow_largest(frames: Sequence[Frame], detect: Detector, reader: Reader, what: str) -> Followed:
    """Follow the largest face of a clip.

    Twice over the clip: first to find boxes, then to follow the face from the box in the first frame.

    Args:
        frames: The clip.
        detect: Finds faces.
        reader: Places points.
        what: Names the clip in messages.

    Raises:
        NoFaceError: When no frame has a face.
    """
    boxes: dict[int, Points] = {}
    tracker = Tracker(detect, reader)
    for row, frame in enumerate(frames):
        if (largest := _largest(tracker.step(frame))) is not None:
            boxes[row] = largest.box
    found: dict[int, Points] = {}
    tracker = Tracker(detect, reader)
    for row, box in boxes.items():
        largest = _largest(tracker.step(frames[row], box))
        if largest is not None and largest.points is not None:
            found[row] = largest.points
    if not found:
        raise NoFaceError(f"{what} shows no face of {SMALLEST} pixels or more that HelloMeme's detector finds")
    return Followed(np.stack(list(found.values())), tuple(found), len(frames))


def _largest(tracks: list[Track]) -> Track | None:
    """The face with the largest box; of equal ones the last, as in upstream's sorting."""
    return max(reversed(tracks), key=lambda track: area(track.box)) if tracks else None
