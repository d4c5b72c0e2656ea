"""Still pictures: read to uint8 RGB by stated rules, and written without loss (Pillow)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.errors import MediaError
from ..core.files import atomic_path
from .clip import Frame
from .limits import Limits, reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
# EXIF orientations that swap width and height.
_TRANSPOSED = (5, 6, 7, 8)
_ORIENTATION_TAG = 0x0112


def is_image(path: Path) -> bool:
    """Tell whether a file's first bytes are those of a still picture, whatever its name says.

    Raises:
        OSError: When the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def image_size(path: Path, limits: Limits) -> tuple[int, int, str, str, int]:
    """Read an image's header: width and height after EXIF rotation, format, mode, EXIF rotation in degrees.

    The rotation is clockwise; mirrored orientations count as their rotation.

    Raises:
        MediaError: When the header is not one of a still picture within the limits.
    """
    with reading(path, limits), _open(path, limits) as image:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
        width, height = image.size[::-1] if orientation in _TRANSPOSED else image.size
        rotation = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}.get(orientation, 0)
        return width, height, str(image.format).lower(), image.mode, rotation


def read_image(path: Path, limits: Limits | None = None) -> Frame:
    """Read a still picture as it should look on screen.

    The content decides the format, not the suffix. EXIF orientation is applied; gray, palette and CMYK become RGB;
    16-bit values keep their high byte; transparency is composited over black; colour profiles are ignored (as OpenCV
    does). Animated GIF, PNG and WebP are refused, because one frame of an animation is rarely what is meant.

    Args:
        path: A PNG, JPEG, WebP, BMP, TIFF or GIF file.
        limits: Bounds that are checked on the header, before any pixel is decoded.

    Returns:
        uint8 RGB, shape (H, W, 3).

    Raises:
        MediaError: When the file is missing, truncated, animated, too large or no picture.
    """
    limits = limits or Limits()
    with reading(path, limits), _open(path, limits) as image:
        image.load()
        return np.array(_to_rgb(ImageOps.exif_transpose(image)))


def write_image(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a PNG, atomically; equal frames give equal files.

    Args:
        path: Where to; its folder is made.
        frame: uint8 RGB, shape (H, W, 3).
    """
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(frame), "RGB").save(temporary, format="PNG")


def _open(path: Path, limits: Limits) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow warns of large headers on its own; our limits are the ones that decide.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise MediaError("the header asks for an enormous picture: scale it down") from error
        except UnidentifiedImageError as error:
            raise MediaError("is no picture that can be read: export it as PNG or JPEG") from error
    limits.check_size(*image.size)
    if image.format in ("PNG", "WEBP", "GIF") and getattr(image, "is_animated", False):
        raise MediaError("is animated: convert it to an MP4 or MKV video, or save one frame as PNG")
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow clips 16 bits at 255 instead of scaling them.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise MediaError("has 32 bits a pixel, whose range is unknown: export it as 8-bit PNG")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
