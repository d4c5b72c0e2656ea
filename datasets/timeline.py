"""When each frame of a clip is shown, counted by decoding: what windows of seconds become windows of frames by."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..core.errors import MediaError
from ..core.files import human_size
from .boxes import missing_bytes
from .clip import Clip
from .limits import Limits
from .media import MediaInfo, iter_window
from .videos import incomplete, iter_times, stated_seconds

_SAMPLES = 8
_MOST_OF, _MARGIN = 0.9, 0.3
"""Share of the stated length, less some seconds, that must be there."""


@dataclass(frozen=True)
class Timeline:
    """The decoded frames of an image or clip, or of its beginning.

    Attributes:
        info: What the header says.
        times: Seconds after the first frame, one for each decoded frame.
        complete: Whether the clip's end was reached.
    """

    info: MediaInfo
    times: tuple[Fraction, ...]
    complete: bool

    @property
    def frames(self) -> int:
        """Number of decoded frames."""
        return len(self.times)

    @property
    def seconds(self) -> Fraction:
        """How long they last together."""
        if self.info.fps is None or not self.times:
            return Fraction(0)
        if not self.info.variable_frame_rate:
            return self.frames / self.info.fps
        return self.times[-1] + (self.times[-1] - self.times[-2] if self.frames > 1 else 1 / self.info.fps)

    def index_at(self, seconds: Fraction) -> int:
        """The first frame shown at or after a time; at an even rate by counting, so that rounding cannot shift it."""
        if self.info.fps is None:
            return 0
        if not self.info.variable_frame_rate:
            return min(self.frames, round(seconds * self.info.fps))
        return bisect_left(self.times, seconds)


def read_timeline(
    path: Path,
    info: MediaInfo,
    *,
    seconds: Fraction | None = None,
    frames: int | None = None,
    limits: Limits | None = None,
) -> Timeline:
    """Decode a file, or as much of it as is needed, and note the time of every frame.

    Args:
        path: An image, a video or a folder of numbered pictures.
        info: From :func:`.media.probe`.
        seconds: Decode no further than the first frame at or after this time.
        frames: Decode no further than this many frames.
        limits: Bounds on the file.

    Raises:
        MediaError: When it cannot be read, a frame is damaged or has another size, or the file's end is missing.
    """
    limits = limits or Limits()
    if missing := 0 if path.is_dir() else missing_bytes(path):
        raise MediaError(f"{path}: is cut short, its last {human_size(missing)} are missing: fetch or export it again")
    if info.fps is None or path.is_dir():
        decoded = sum(1 for _ in iter_window(path, 0, None, limits))
        return Timeline(info, tuple(index / (info.fps or Fraction(1)) for index in range(decoded)), complete=True)
    if problem := incomplete(path, limits):
        raise MediaError(f"{path}: is {problem}: fetch or export it again")
    times: list[Fraction] = []
    uneven = False
    complete = True
    for time in iter_times(path, limits):
        nominal = len(times) / info.fps
        uneven = uneven or time is None or (bool(times) and time <= times[-1])
        times.append(nominal if uneven or time is None else time)
        # A frame beyond what is asked for shows that there is no end before it.
        past = seconds is not None and (times[-1] if info.variable_frame_rate else nominal) >= seconds
        if past or (frames is not None and len(times) > frames):
            complete = False
            break
    if not times:
        raise MediaError(f"{path}: has no frame that can be decoded: fetch or export it again")
    if uneven:
        # Times that are missing or run backwards are no times.
        times = [index / info.fps for index in range(len(times))]
    timeline = Timeline(info, tuple(times), complete)
    stated = stated_seconds(path, limits) if complete else None
    if stated is not None and timeline.seconds < _MOST_OF * stated - _MARGIN:
        raise MediaError(
            f"{path}: ends after {float(timeline.seconds):.1f} s and says that it lasts {stated:.1f} s: it is damaged "
            "or cut short, fetch or export it again"
        )
    return timeline


def sampled(path: Path, start: int, frames: int, limits: Limits | None = None) -> Clip:
    """A few frames of a window, evenly spread from its first to its last, as they are shown.

    Raises:
        MediaError: As :func:`.media.iter_window`.
    """
    wanted = set(np.linspace(0, frames - 1, _SAMPLES).round().astype(int).tolist())
    window = enumerate(iter_window(path, start, frames, limits))
    return Clip(np.stack([frame for index, frame in window if index in wanted]))
