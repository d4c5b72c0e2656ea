"""Still pictures: read to uint8 RGB by stated rules, and written without loss (Pillow)."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pillow_heif
from PIL import Image, UnidentifiedImageError

from ..core.errors import MediaError
from ..core.files import atomic_path
from .boxes import coded_colour
from .clip import Frame
from .filetype import require_media
from .limits import Limits, reading
from .png import SIGNATURE, essentials
from .tonemap import HDR_TRANSFERS, hdr_refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

pillow_heif.register_heif_opener()

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
# EXIF orientations that swap width and height.
_TRANSPOSED = (5, 6, 7, 8)
_ORIENTATION_TAG = 0x0112
# EXIF 2.32: how to turn a picture of an orientation upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_PHOTOMETRIC = 256, 257, 258, 262
_WHITE_IS_ZERO = 0
# What Pillow raises for EXIF blocks that are cut short or point nowhere.
_EXIF_ERRORS = (SyntaxError, struct.error, ValueError, KeyError, IndexError, TypeError, OSError)


class ImageHeader(NamedTuple):
    """What a picture says of itself; width and height are upright, ``rotation`` is clockwise in degrees."""

    width: int
    height: int
    codec: str
    pix_fmt: str
    rotation: int
    notes: tuple[str, ...]


def is_image(path: Path) -> bool:
    """Tell whether a file is a still picture by its first bytes, whatever its name says.

    Raises:
        MediaError: When it is neither an image nor a video; says what it is.
        OSError: When the file cannot be read.
    """
    return require_media(path).kind == "image"


def image_size(path: Path, limits: Limits) -> ImageHeader:
    """Read an image's header; mirrored orientations count as their rotation.

    Raises:
        MediaError: When the header is not one of a still picture within the limits.
    """
    with reading(path, limits), _opened(path, limits) as image:
        orientation, notes = _orientation(image)
        width, height = _stored_size(image)
        if orientation in _TRANSPOSED:
            width, height = height, width
        rotation = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}.get(orientation, 0)
        if image.has_transparency_data:
            notes += ("transparency is laid over black",)
        notes += _several(image)
        return ImageHeader(width, height, str(image.format).lower(), image.mode, rotation, notes)


def read_image(path: Path, limits: Limits | None = None) -> Frame:
    """Read a still picture as it should look on screen.

    The content decides the format, not the suffix. EXIF orientation is applied; gray, palette and CMYK become RGB;
    of values deeper than 8 bits the high byte counts; transparency is composited over black; colour profiles are
    ignored (as OpenCV does). Animations are refused, because one frame of an animation is rarely what is meant, and
    so are HDR stills.

    Args:
        path: A PNG, JPEG, WebP, AVIF, HEIC, BMP, TIFF or GIF file.
        limits: Bounds that are checked on the header, before any pixel is decoded.

    Returns:
        uint8 RGB, shape (H, W, 3).

    Raises:
        MediaError: When the file is missing, truncated, animated, too large or no picture.
    """
    limits = limits or Limits()
    with reading(path, limits), _opened(path, limits) as image:
        image.load()
        orientation, _ = _orientation(image)
        method = _TURNS.get(orientation)
        return np.array(_to_rgb(image if method is None else image.transpose(method), _deep_range(image)))


def write_image(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a PNG, atomically; equal frames give equal files.

    Args:
        path: Where to; its folder is made.
        frame: uint8 RGB, shape (H, W, 3).
    """
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(frame), "RGB").save(temporary, format="PNG")


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[Image.Image]:
    require_media(path)
    # Pillow's warnings name a file and line of its own; our limits decide on large headers.
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        source: Any = essentials(file) if file.peek(8)[:8] == SIGNATURE else file
        try:
            image = Image.open(source, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise MediaError("the header asks for an enormous picture: scale it down") from error
        except UnidentifiedImageError as error:
            raise MediaError("is no picture that can be read: export it as PNG or JPEG") from error
        with image:
            limits.check_size(*image.size)
            if image.format in ("PNG", "WEBP", "GIF", "AVIF") and getattr(image, "is_animated", False):
                raise MediaError("is animated: convert it to an MP4 or MKV video, or save one frame as PNG")
            if image.format in ("AVIF", "HEIF"):
                _refuse_hdr(path)
            yield image


def _refuse_hdr(path: Path) -> None:
    colour = coded_colour(path)
    if colour and colour[1] in HDR_TRANSFERS:
        raise MediaError(hdr_refusal(colour[1]))


def _orientation(image: Image.Image) -> tuple[int, tuple[str, ...]]:
    """EXIF orientation, and a note where the EXIF block is too damaged to tell it."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except _EXIF_ERRORS:
        return 1, ("its EXIF block is damaged and does not count",)
    return (value if value in range(1, 9) else 1), ()


def _several(image: Image.Image) -> tuple[str, ...]:
    """A note where a file holds pages or a burst of pictures: Pillow shows its first, or the one it calls primary."""
    try:
        count = getattr(image, "n_frames", 1) if image.format in ("TIFF", "HEIF") else 1
    except _EXIF_ERRORS:  # behind the first picture, which alone is read
        return ()
    return (f"it holds {count} pictures, of which the main one is read",) if count > 1 else ()


def _stored_size(image: Image.Image) -> tuple[int, int]:
    tags = getattr(image, "tag_v2", {})
    # Pillow swaps the sides of a turned TIFF when it opens it, and of no other format.
    return (tags[_TIFF_WIDTH], tags[_TIFF_HEIGHT]) if image.format == "TIFF" else image.size


def _deep_range(image: Image.Image) -> tuple[int, bool]:
    """Bits of a deep gray picture's values, and whether white is zero."""
    if image.format != "TIFF":
        return 16, False
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(_TIFF_BITS, (16,))[0]), tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO


def _to_rgb(image: Image.Image, deep_range: tuple[int, bool]) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow clips deep values at 255 instead of scaling them, and leaves them as they are where white is zero.
        bits, white_is_zero = deep_range
        values = np.asarray(image)
        shown = (values >> (bits - 8)).astype(np.uint8)
        if white_is_zero:
            shown = 255 - shown
        if isinstance(clear := image.info.get("transparency"), int):
            shown[values == clear] = 0
        return Image.fromarray(shown).convert("RGB")
    if image.mode in ("I", "F"):
        raise MediaError("has 32 bits a pixel, whose range is unknown: export it as 8-bit PNG")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
