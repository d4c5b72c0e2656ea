"""Content digests: the keys by which work is reused or done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
_KNOWN_TEXTS = 20_000


def canonical_json(value: Any) -> str:
    """Serialise plain data so that equal data always gives equal text.

    Args:
        value: Dicts with string keys, lists, tuples, strings, finite numbers, booleans and None.

    Returns:
        JSON with sorted keys, no spaces, and no NaN.

    Raises:
        TypeError: For objects that are not plain data.
        ValueError: For NaN and infinities, which JSON cannot carry.

    >>> canonical_json({"b": 1, "a": (1.0, None)})
    '{"a":[1.0,null],"b":1}'
    """
    kind = type(value)  # most values are these; the encoder makes itself ready anew for each that it is handed
    if kind is str:
        return encode_basestring(value)
    if kind is int:
        return repr(value)
    if value is None:
        return "null"
    if kind is list or kind is tuple:
        return "[" + ",".join([canonical_json(one) for one in value]) + "]"
    return _ENCODER.encode(value)


class CanonicalTexts:
    """Canonical JSON of mappings whose values stand in many of them: each value that is a dict is written out once.

    Values are known again by identity, and must not change.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[dict[str, Any], str]] = {}
        self._heads: dict[tuple[str, ...], list[tuple[str, str]]] = {}

    def text(self, mapping: Mapping[str, Any]) -> str:
        """The same as :func:`canonical_json`.

        >>> CanonicalTexts().text({"b": {"y": 1, "x": 2}, "a": (1, None)})
        '{"a":[1,null],"b":{"x":2,"y":1}}'
        """
        names = tuple(mapping)
        if names not in self._heads:
            self._heads[names] = [(name, f"{canonical_json(name)}:") for name in sorted(names)]
        return "{" + ",".join([head + self._text(mapping[name]) for name, head in self._heads[names]]) + "}"

    def digest(self, mapping: Mapping[str, Any]) -> str:
        """The same as :func:`digest`."""
        return text_sha256(self.text(mapping))

    def _text(self, value: Any) -> str:
        if not isinstance(value, dict):
            return canonical_json(value)
        known = self._known.get(id(value))
        if known is None or known[0] is not value:
            if len(self._known) >= _KNOWN_TEXTS:
                self._known.clear()
            known = self._known[id(value)] = value, canonical_json(value)
        return known[1]


def text_sha256(*texts: str) -> str:
    """Hash a text, or several as the one that they make together, with sha256, in hex."""
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode())
    return found.hexdigest()


def digest(value: Any) -> str:
    """Hash plain data: the sha256, in hex, of its canonical JSON.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return text_sha256(canonical_json(value))


def file_sha256(path: Path) -> str:
    """Hash a file's bytes with sha256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_sha256(path: Path) -> str:
    """Hash a file that is asked for again and again, like weights: read once as long as size and time stay.

    For files that decide a key many times in one process; never for judging whether a file is whole.
    """
    status = path.resolve().stat()
    return _sha256_of(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256_of(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - part of the cache's key
    return file_sha256(path)


def array_digest(array: NDArray[Any]) -> str:
    """Hash an array's dtype, shape and values; the key under which a frame's features are cached."""
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def seed_for(seed: int, *names: str) -> int:
    """Derive an independent seed for one job, whatever the order or the worker it runs in.

    Args:
        seed: The run's seed.
        *names: What the seed is for, for example the case id.

    Returns:
        An integer in [0, 2**63).
    """
    return int(digest([seed, *names])[:16], 16) >> 1
