"""Locks hold between open files, and what a killed process left counts for nobody."""

from __future__ import annotations

import errno
import fcntl
import json
import os

import pytest

from portraitbench.core.errors import StoreError
from portraitbench.core.locks import alone, together

WORK = {"plan": "a", "shards": "2"}


def test_the_same_work_is_shared_and_other_work_is_told(tmp_path):
    path = tmp_path / "new" / "lock"
    with together(path, WORK) as first, together(path, WORK) as second:
        assert (first, second) == (None, None)
        with together(path, WORK | {"plan": "b"}) as other:
            assert other is not None
            assert other.items() >= {**WORK, "pid": str(os.getpid())}.items()
        with together(path, WORK) as third:
            assert third is None
    assert path.read_bytes() == b""
    with together(path, WORK | {"plan": "b"}) as other:
        assert other is None


@pytest.mark.parametrize(
    "left", [b"", b"{", b'{"pid": "1", "plan": "b", "shards": "2"}' + b" " * 500, b"\0" * 99, b"\xff"]
)
def test_what_a_killed_process_left_counts_for_nobody(tmp_path, left):
    path = tmp_path / "lock"
    path.write_bytes(left)
    with together(path, WORK) as other:
        assert other is None
        assert json.loads(path.read_bytes()).items() >= WORK.items()


def test_who_has_left_first_leaves_the_others_in(tmp_path):
    path = tmp_path / "lock"
    with together(path, WORK):
        with together(path, WORK):
            pass
        with together(path, WORK | {"shards": "3"}) as other:
            assert other is not None


def test_one_alone_waits_and_gives_up_in_one_line(tmp_path):
    path = tmp_path / "lock"
    with alone(path), pytest.raises(StoreError, match=r"lock: another process has held it for 0 s"), alone(path, 0.0):
        pass
    with alone(path, 0.0):
        pass


def test_a_disk_without_locks_is_named_and_not_called_busy(tmp_path, monkeypatch):
    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"cannot lock .*lock: No locks available .*--out"), alone(tmp_path / "lock"):
        pass
