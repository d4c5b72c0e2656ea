"""Features on disk, so that a frame is looked at once: for all cases, methods, metrics and runs.

One SQLite file: safe against being killed, shared by worker processes, no million little files. Values are arrays in
NumPy's own format, never pickles. A key is the digest of a backend and of all that it was shown.

SQLite's write-ahead log needs memory that all users share, so it does not work across machines. On a network file
system the file is therefore only read, and what is new goes to a second one on this machine's own disk.
"""

from __future__ import annotations

import getpass
import io
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.digest import digest
from ..core.errors import StoreError
from ..core.file_system import file_system

_CHUNK = 500
_SCHEMA = "CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"


class FeatureCache:
    """Arrays by key.

    Args:
        path: The SQLite file; None keeps everything in memory.

    Attributes:
        path: The file that is written: ``path``, or its companion on this machine's disk.
        shared: The file on a network file system that is read besides; None where there is none.

    Raises:
        StoreError: When the file cannot be opened or is not a feature cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path, self.shared = path, None
        if path is not None and file_system(path).is_network:
            self.path, self.shared = local_companion(path), path if path.is_file() else None
        self._base: sqlite3.Connection | None = None
        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path or ":memory:", timeout=60.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
            if self.shared is not None:
                # Immutable: no locks and no log, which another machine would not see.
                self._base = sqlite3.connect(f"{self.shared.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error

    def get_many(self, keys: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Fetch what is known of ``keys``."""
        wanted = list(dict.fromkeys(keys))
        known: dict[str, NDArray[Any]] = {}
        try:
            if self._base is not None:
                known = _fetch(self._base, wanted)
                wanted = [key for key in wanted if key not in known]
            known |= _fetch(self._db, wanted)
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
        """Close the files."""
        self._db.close()
        if self._base is not None:
            self._base.close()

    def _broken(self, error: Exception) -> StoreError:
        return StoreError(
            f"feature cache {self.shared or self.path}: {error} (free the disk or choose another folder with --cache; "
            "a damaged cache may be deleted, it is only recomputed)"
        )


def local_companion(path: Path) -> Path:
    """Where this machine keeps what is new of a cache that lies on a network file system: in a folder of this user."""
    folder = Path(tempfile.gettempdir()) / f"portraitbench-{getpass.getuser()}"
    return folder / f"{path.stem}-{digest(str(path.absolute()))[:16]}.sqlite"


def _fetch(database: sqlite3.Connection, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    known: dict[str, NDArray[Any]] = {}
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        marks = ",".join("?" * len(part))
        rows = database.execute(f"SELECT key, value FROM features WHERE key IN ({marks})", part)  # noqa: S608
        known.update((key, np.load(io.BytesIO(value), allow_pickle=False)) for key, value in rows)
    return known
