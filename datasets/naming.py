"""Ids of media from their names alone, so that a file keeps its id whatever lies beside it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

_LONGEST_PLAIN = 56
_DIGITS = 8


def stable_id(path: Path) -> str:
    """Make an id from a file's or folder's name.

    A name of letters, digits, single dots, hyphens and underscores is its own id. All others, of any script, end in
    the beginning of a digest of the name, so that different names have different ids.

    >>> stable_id(Path("Ann.png")), stable_id(Path("Ann (1).png")), stable_id(Path("小明.png"))
    ('Ann', 'Ann-1-3a2fa4d8', 'file-df3ea25a')
    """
    # Mac and Linux write the same accents in two ways.
    stem = unicodedata.normalize("NFC", path.name if path.is_dir() else path.stem)
    # Two underscores stand between identity and driving in a case's id.
    safe = re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-._")
    if safe == stem and len(safe) <= _LONGEST_PLAIN:
        return safe
    mark = hashlib.sha256(stem.encode()).hexdigest()[:_DIGITS]
    return f"{safe[: _LONGEST_PLAIN - _DIGITS - 1].rstrip('-._') or 'file'}-{mark}"
