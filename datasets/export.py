"""Pictures and clips for people: the file's ending decides the format, and some formats lose a little."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from ..core.errors import ConfigError
from ..core.files import atomic_path
from .clip import Clip
from .media import write_clip, write_image

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")
CLIP_ENDINGS = (".mp4", ".mkv")
_BT709 = 1
"""FFmpeg's number for BT.709, of matrix, primaries and transfer alike."""
_LIMITED = 1


def check_ending(path: Path) -> None:
    """Refuse a name that :func:`export` could not write.

    Raises:
        ConfigError: In one line that names the endings there are.
    """
    if path.suffix.lower() not in IMAGE_ENDINGS + CLIP_ENDINGS:
        images, clips = " or ".join(IMAGE_ENDINGS[:2]), " or ".join(CLIP_ENDINGS)
        raise ConfigError(f"{path}: must end in {images} for an image, in {clips} for a clip")


def check_length(path: Path, frames: int) -> None:
    """Refuse an image's ending for a clip, and a clip's for an image.

    Raises:
        ConfigError: In one line.
    """
    check_ending(path)
    if frames == 1 and path.suffix.lower() in CLIP_ENDINGS:
        raise ConfigError(f"{path}: there is one frame only: write an image, .png or .jpg")
    if frames > 1 and path.suffix.lower() in IMAGE_ENDINGS:
        raise ConfigError(f"{path}: there are {frames} frames: write a clip, .mp4 or .mkv, or ask for one frame")


def export(path: Path, clip: Clip) -> None:
    """Write a clip, atomically: .png and .mkv without loss, .jpg and .mp4 at high quality for looking at.

    Args:
        path: Where to; its ending decides the format.
        clip: One frame for an image, several for a clip.

    Raises:
        ConfigError: When the ending does not fit.
    """
    check_length(path, len(clip))
    match path.suffix.lower():
        case ".png":
            write_image(path, clip.frames[0])
        case ".mkv":
            write_clip(path, clip)
        case ".mp4":
            _write_mp4(path, clip)
        case _:
            with atomic_path(path) as temporary:
                Image.fromarray(clip.frames[0]).save(temporary, format="JPEG", quality=95, subsampling=0)


def _write_mp4(path: Path, clip: Clip) -> None:
    """Write H.264 that every player shows: 4:2:0, BT.709, limited range, both sides even."""
    # Chroma has half the size; an odd side gets its last row or column again.
    odd = ((0, 0), (0, clip.height % 2), (0, clip.width % 2), (0, 0))
    frames = np.pad(clip.frames, odd, mode="edge")
    with atomic_path(path) as temporary, av.open(temporary, "w", "mp4", {"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=clip.fps, options={"crf": "14", "preset": "medium"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        context.thread_count = 1  # as in videos.py: bytes do not depend on the machine
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = index, 1 / clip.fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
