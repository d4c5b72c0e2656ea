"""Folders of numbered pictures as clips: ``frame_0001.png``, ``frame_0002.png`` and so on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..core.errors import MediaError
from .clip import Frame
from .filetype import file_type
from .images import read_image
from .limits import Limits

FOLDER_FPS = Fraction(25)
"""Rate of a folder of frames, which states none."""
FOLDER_NOTE = "a folder of frames states no rate: 25 frames a second are taken"

_NUMBER = re.compile(r"(\d+)\.[^.]*$")


def looks_like_frames(folder: Path) -> bool:
    """Whether a folder has pictures with a number at the end of their names, which may still have faults."""
    return any(
        _NUMBER.search(path.name) and path.is_file() and file_type(path).kind == "image" for path in folder.iterdir()
    )


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder of frames, by their numbers.

    Raises:
        MediaError: When it holds none, files without a number, two of the same number, or a gap.
    """
    numbered: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file() or file_type(path).kind != "image":
            continue
        found = _NUMBER.search(path.name)
        if found is None:
            raise MediaError(f"{folder}: {path.name} has no number at its end: name frames like 0001.png")
        other = numbered.setdefault(int(found[1]), path)
        if other != path:
            raise MediaError(f"{folder}: {other.name} and {path.name} have the same number: keep one")
    if not numbered:
        raise MediaError(f"{folder}: is a folder without numbered pictures; give a media file, or frames like 0001.png")
    missing = set(range(min(numbered), max(numbered) + 1)) - numbered.keys()
    if missing:
        between = f"between {min(numbered)} and {max(numbered)}"
        raise MediaError(
            f"{folder}: frame {min(missing)} is missing {between} ({len(missing)} are): add what is missing, or number "
            "the frames without gaps"
        )
    return [numbered[number] for number in sorted(numbered)]


def iter_folder(folder: Path, start: int, count: int | None, limits: Limits) -> Iterator[Frame]:
    """Yield frames by index, the first is 0 whatever its number.

    Raises:
        MediaError: When there are fewer, their size changes, or one cannot be read.
    """
    files = frame_files(folder)
    limits.check_length(len(files))
    end = len(files) if count is None else start + count
    if end > len(files) or start >= end:
        raise MediaError(f"{folder}: has {len(files)} frames, and frames {start} to {end - 1} are asked for")
    size: tuple[int, ...] | None = None
    for path in files[start:end]:
        frame = read_image(path, limits)
        size = size or frame.shape
        if frame.shape != size:
            raise MediaError(f"{folder}: its frames change size at {path.name}: export them again at one size")
        yield np.asarray(frame)
