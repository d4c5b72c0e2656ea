"""Numbers for workers: the next one to start takes the number of one that has died, and with it its graphics card."""

from __future__ import annotations

from os import getpid
from typing import Any

import psutil


def take_slot(pids: Any) -> int:
    """Take the lowest number that no living worker has.

    Args:
        pids: A shared ``multiprocessing.Array`` of process ids by number, 0 where there never was one.

    Returns:
        The number, from 0.

    Raises:
        RuntimeError: When all are taken.
    """
    with pids.get_lock():
        for slot, pid in enumerate(pids):
            if not pid or not _is_alive(pid):
                pids[slot] = getpid()
                return slot
    raise RuntimeError(f"there are more than {len(pids)} workers")


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
