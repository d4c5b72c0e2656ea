"""Features on disk, so that a frame is looked at once: for all cases, methods, metrics and runs.

One SQLite file: safe against being killed, shared by worker processes, no million little files. Values are arrays in
NumPy's own format, never pickles. A key is the digest of a backend and of all that it was shown.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import StoreError

_CHUNK = 500
_SCHEMA = "CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"


class FeatureCache:
    """Arrays by key.

    Args:
        path: The SQLite file; None keeps everything in memory.

    Raises:
        StoreError: When the file cannot be opened or is not a feature cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", timeout=60.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error

    def get_many(self, keys: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Fetch what is known of ``keys``."""
        wanted = list(dict.fromkeys(keys))
        known: dict[str, NDArray[Any]] = {}
        try:
            for start in range(0, len(wanted), _CHUNK):
                part = wanted[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"SELECT key, value FROM features WHERE key IN ({marks})", part)  # noqa: S608
                known.update((key, np.load(io.BytesIO(value), allow_pickle=False)) for key, value in rows)
        except (sqlite3.Error, ValueError, EOFError) as error:
            raise self._broken(error) from error
        return known

    def put_many(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Store arrays in one transaction; a key that is known already keeps its value."""
        rows = []
        for key, value in values.items():
            buffer = io.BytesIO()
            np.save(buffer, value, allow_pickle=False)
            rows.append((key, buffer.getvalue()))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO features VALUES (?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _broken(self, error: Exception) -> StoreError:
        return StoreError(
            f"feature cache {self.path}: {error} (free the disk or choose another folder with --cache; "
            "a damaged cache may be deleted, it is only recomputed)"
        )
