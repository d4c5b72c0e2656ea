"""How large a media file may be before it is refused, and the one way in which refusals are worded."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import BenchError, CaseError, MediaError, one_line
from ..core.files import human_size


@dataclass(frozen=True)
class Limits:
    """Bounds on one media file; checked on its header, and again on every decoded frame.

    Attributes:
        max_pixels: Width times height of a frame.
        max_side: Longer side of a frame, in pixels.
        max_frames: Frames of a video.
        max_seconds: Duration of a video.
        max_bytes: Size of the file.
    """

    max_pixels: int = 64_000_000
    max_side: int = 16_384
    max_frames: int = 100_000
    max_seconds: float = 3600.0
    max_bytes: int = 4 * 2**30

    def check_size(self, width: int, height: int) -> None:
        """Raise MediaError when a frame of this size is too large."""
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            raise MediaError(
                f"{width} x {height} pixels is more than the limit of {self.max_pixels} pixels "
                f"and {self.max_side} a side: scale it down"
            )

    def check_length(self, frames: int, seconds: float = 0.0) -> None:
        """Raise MediaError when a video is too long."""
        if frames > self.max_frames:
            raise MediaError(f"it has {frames} frames or more, and the limit is {self.max_frames}: cut it shorter")
        if seconds > self.max_seconds:
            raise MediaError(f"it lasts {seconds:.0f} s, and the limit is {self.max_seconds:.0f} s: cut it shorter")


@contextmanager
def reading(path: Path, limits: Limits) -> Iterator[None]:
    """Check a file from outside, and turn whatever goes wrong while it is read into a MediaError that names it.

    Args:
        path: The media file.
        limits: Only ``max_bytes`` is looked at here.

    Raises:
        MediaError: In one line that starts with the path.
    """
    try:
        status = path.stat()
        size = status.st_size
        if stat.S_ISDIR(status.st_mode):
            raise MediaError("is a folder; give a media file")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError("is a pipe, a socket or a device: give a media file")
        if size == 0:
            raise MediaError("the file is empty: fetch or export it again")
        if size > limits.max_bytes:
            raise MediaError(f"is {human_size(size)}, and the limit is {human_size(limits.max_bytes)}: cut it shorter")
        yield
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file") from error
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error
    except (BenchError, CaseError):
        raise
    except Exception as error:
        # Decoders of hostile files raise nearly any type: OSError, SyntaxError, struct.error, KeyError, ...
        reason = getattr(error, "strerror", None) or one_line(error, 120)
        raise MediaError(f"{path}: cannot be decoded ({reason}): fetch or export it again") from error
