"""Locks on files: they hold between processes, and the system frees those of a process that was killed."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .errors import StoreError, one_line

_PAUSE_S = 0.05


def try_lock(file: int, path: Path, *, shared: bool = False) -> bool:
    """Take a lock, or change the one held, without waiting; always true on systems that have no such locks.

    Args:
        file: Descriptor of the open file.
        path: Its name, for the message.
        shared: Whether others may hold it as well, as long as they share it too.

    Returns:
        Whether it was free. When it was not, a lock that was held before on this file may have been lost.

    Raises:
        StoreError: When the file system knows no locks.
    """
    try:
        import fcntl
    except ImportError:  # the user has to take care
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreError(
            f"cannot lock {path}: {error.strerror or one_line(error)} (choose a folder on another disk with --out)"
        ) from error
    return True


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a file for locking; it is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def alone(path: Path, patience_s: float = 60.0) -> Iterator[None]:
    """Hold a lock that nobody else can hold at the same time; waits for it.

    Raises:
        StoreError: When it has not become free in ``patience_s`` seconds.
    """
    with opened(path) as file:
        deadline = time.monotonic() + patience_s
        while not try_lock(file, path):
            if time.monotonic() > deadline:
                raise StoreError(f"{path}: another process has held it for {patience_s:g} s: end that, or wait for it")
            time.sleep(_PAUSE_S)
        yield


@contextmanager
def together(path: Path, work: Mapping[str, str], patience_s: float = 10.0) -> Iterator[dict[str, str] | None]:
    """Share a lock with processes that do the same work, and with no others.

    The first one writes what it does into the file, with its process id and computer; those that join must do the
    same. What a killed process has left there counts for nobody.

    Args:
        path: The file.
        work: Whatever has to be the same.
        patience_s: How long to wait for others that are just beginning.

    Yields:
        None once the lock is held; else what another process is at, with "pid" and "host": the lock is not held then.
    """
    about = {"pid": str(os.getpid()), "host": socket.gethostname(), **work}
    with opened(path) as file:
        other = _join(file, path, about, time.monotonic() + patience_s)
        if other is not None and all(other.get(name) == value for name, value in work.items()):
            other = None
        yield other
        if other is None and try_lock(file, path):  # the last one
            os.ftruncate(file, 0)


def _join(file: int, path: Path, about: Mapping[str, str], deadline: float) -> dict[str, str] | None:
    """Share the lock; returns what stands in the file then, None when that is ``about``."""
    while True:
        if try_lock(file, path):
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, json.dumps(about).encode())
            # To let others in gives the lock up for a moment: whoever comes first then has written his own work.
        if try_lock(file, path, shared=True):
            os.lseek(file, 0, os.SEEK_SET)
            found = os.read(file, 65536)
            try:
                other = json.loads(found)
            except ValueError:
                other = {}
            return None if other == about else dict(other)
        if time.monotonic() > deadline:
            return {}
        time.sleep(_PAUSE_S)
