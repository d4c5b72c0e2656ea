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
from .points import area, box_around, overlap
from .smoothing import Smoother

SMALLEST = 96
"""Faces with a side below this many pixels are dropped."""
_SCORE, _OVERLAP = 1e-4, 0.12

Detector = Callable[[Frame], Floats]
"""From a frame to boxes, shape (N, 4)."""


class Reader(Protocol):
    """Places the points of a face; see :class:`.landmarks.LandmarkReader`."""

    def in_box(self, frame: Frame, box: Floats) -> Reading:
        """Read the face in a detected box."""
        ...

    def near(self, frame: Frame, points: Floats) -> Reading:
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

    box: Floats
    face_size: float
    points: Floats | None = None
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

    def step(self, frame: Frame, start: Floats | None = None) -> list[Track]:
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
        track.face_size = float(np.linalg.norm(track.points[0] - track.points[32])) * (1 + turned / 18)
        return bool((track.box[2:] - track.box[:2] >= SMALLEST).all())


def _begin(box: Floats) -> Track:
    return Track(box, float(np.linalg.norm(box[2:] - box[:2])))


def without_overlaps(tracks: list[Track]) -> list[Track]:
    """Of each two faces that overlap drop the smaller one; of equal ones the later."""
    gone: set[int] = set()
    for row, one in enumerate(tracks):
        for other_row, other in enumerate(tracks):
            if row == other_row or {row, other_row} & gone or overlap(one.box, other.box) <= _OVERLAP:
                continue
            gone.add(row if area(one.box) < area(other.box) else other_row)
    return [track for row, track in enumerate(tracks) if row not in gone]


def follow_largest(
    frames: Sequence[Frame], detect: Detector, reader: Reader, what: str
) -> tuple[Floats, tuple[int, ...]]:
    """Points of the largest face in each frame of a clip.

    Twice over the clip: first to find boxes, then to follow the face from the box in the first frame.

    Args:
        frames: The clip.
        detect: Finds faces.
        reader: Places points.
        what: Names the clip in messages.

    Returns:
        Points of all frames, shape (T, 222, 2), and the frames without a face, ascending: these repeat the points of
        the last frame before that has one (the first such frame at the beginning).

    Raises:
        NoFaceError: When no frame has a face.
    """
    boxes: dict[int, Floats] = {}
    tracker = Tracker(detect, reader)
    for row, frame in enumerate(frames):
        if (largest := _largest(tracker.step(frame))) is not None:
            boxes[row] = largest.box
    found: dict[int, Floats] = {}
    tracker = Tracker(detect, reader)
    for row, box in boxes.items():
        largest = _largest(tracker.step(frames[row], box))
        if largest is not None and largest.points is not None:
            found[row] = largest.points
    if not found:
        raise NoFaceError(f"{what} shows no face of {SMALLEST} pixels or more that HelloMeme's detector finds")
    rows = held_rows(list(found), len(frames))
    held = tuple(row for row in range(len(frames)) if row not in found)
    return np.stack([found[row] for row in rows]), held


def held_rows(found: Sequence[int], count: int) -> list[int]:
    """For each of ``count`` frames the frame whose face stands for it.

    >>> held_rows([1, 2, 4], 6)
    [1, 1, 2, 2, 4, 4]
    """
    places = np.searchsorted(found, np.arange(count), side="right") - 1
    return [found[max(place, 0)] for place in places.tolist()]


def _largest(tracks: list[Track]) -> Track | None:
    """The face with the largest box; of equal ones the last, as in upstream's sorting."""
    return max(reversed(tracks), key=lambda track: area(track.box)) if tracks else None
