"""Videos whose frames say their own number, in any codec, size and timing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

BITS = 7


def numbered(index: int, height: int = 47, width: int = 61) -> np.ndarray:
    """A frame with ``index`` in black and white bars, most significant bit on the left."""
    frame = np.full((height, width, 3), 30, np.uint8)
    bar = width // BITS
    for bit in range(BITS):
        if index >> (BITS - 1 - bit) & 1:
            frame[:, bit * bar : (bit + 1) * bar] = 220
    return frame


def number_of(frame: np.ndarray) -> int:
    """Read the bars back."""
    bar = frame.shape[1] // BITS
    means = [frame[:, bit * bar : (bit + 1) * bar].mean() for bit in range(BITS)]
    return sum(1 << (BITS - 1 - bit) for bit, mean in enumerate(means) if mean > 125)


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str = "libx264",
    pix_fmt: str = "yuv444p",
    fps: Fraction | int = 25,
    pts: Sequence[int] | None = None,
) -> Path:
    """Encode RGB frames; ``pts`` in milliseconds makes the frame rate variable."""
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options=quiet)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = 12
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, pixels in enumerate(frames):
            has_alpha = pixels.shape[2] == 4
            frame = av.VideoFrame.from_ndarray(pixels, "rgba" if has_alpha else "rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    return encode


@pytest.fixture(scope="session")
def numbered_frame() -> Callable[..., np.ndarray]:
    return numbered


@pytest.fixture(scope="session")
def frame_number() -> Callable[[np.ndarray], int]:
    return number_of
