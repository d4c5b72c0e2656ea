"""Files written whole or not at all, and paths that cannot leave their folder."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

NAME_BYTES = 255
"""Longest name of a file or folder on the usual file systems, in bytes."""
_PLAIN = re.compile(r"[\w.+=-]+(?:/[\w.+=-]+)*")
"""Most paths that we write ourselves."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place once the block ends well.

    The file is flushed to disk before the rename, so that a killed process or a power cut leaves either the old
    file or the new one. On an exception the temporary file is removed.

    Args:
        path: Where the finished file belongs; its folder is made.

    Yields:
        A path with the same suffix (so that writers that look at it choose the right format).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Only the beginning of a long name, so that there is room for what makes it unique.
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8 with Unix line ends on every system."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def user_path(path: Path) -> Path:
    """A path as a person gave it: ``~`` is the home folder, whether or not a shell has replaced it.

    Raises:
        ValueError: When it could not be written into any of our files, or is longer than the system allows.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        shown = printable(path.absolute())
        raise ValueError(f"{shown}: the name is no UTF-8 text: rename the file or folder") from error
    if any(len(part.encode()) > NAME_BYTES for part in path.parts):
        raise ValueError(f"{path}: a name in it is longer than {NAME_BYTES} bytes: choose a shorter one")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no such home folder") from error


def printable(path: Path) -> str:
    r"""A path for messages; bytes that are no UTF-8 are shown as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_safe_relative(name: str) -> bool:
    r"""Tell whether ``name`` is a relative path that stays below the folder it is joined to.

    Both separators count, so that a manifest written on one system is as safe on another.

    >>> is_safe_relative("a/b.png"), is_safe_relative("../b.png"), is_safe_relative("C:\\b.png")
    (True, False, False)
    """
    if _PLAIN.fullmatch(name) and ".." not in name:  # asked of every file of a run, and nearly always so
        return True
    if not name or "\0" in name:
        return False
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root:
        return False
    return ".." not in windows.parts


def resolve_inside(root: Path, name: str) -> Path:
    """Join ``name`` to ``root`` and refuse whatever leaves it, symbolic links included.

    Args:
        root: The folder that must contain the result.
        name: A relative path.

    Returns:
        The joined path; it need not exist.

    Raises:
        ValueError: When the path is absolute, climbs out of ``root``, or a link leads out of it.
    """
    joined = root / name
    if not is_safe_relative(name) or not joined.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"path {name!r} leaves its folder")
    return joined


def human_size(size: float) -> str:
    """Print a number of bytes the way people read it.

    >>> human_size(512), human_size(174_383_860)
    ('512 B', '166.3 MiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
