"""Standard streams that outlive their reader: ``bench run | head -1`` ends the output and not the work."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..core.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Outlet(io.FileIO):
    """The file behind a stream. What nobody reads any more is dropped; so is all after an error, which is told once."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(number, "w", closefd=False)
        self._title = name
        self._lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or drop what cannot be written.

        Raises:
            StoreError: When the file behind standard output cannot take it: its disk is full.
        """
        size = memoryview(data).nbytes
        if self._lost:
            return size
        try:
            return super().write(data)
        except BrokenPipeError:
            self._lost = True
        except OSError as error:
            self._lost = True
            if self._title != "standard error":  # of that nobody could be told
                raise StoreError(
                    f"cannot write {self._title}: {error.strerror} (free space or send it elsewhere; what was finished "
                    "is kept and the same command goes on from there)"
                ) from error
        return size


def settle_streams() -> None:
    """Make standard output and error safe to write to, whatever they are: closed, a pipe that ends, ASCII only."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else the next file opened would get the number, and a library's messages
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _settled(sys.stdout, "standard output")
    sys.stderr = _settled(sys.stderr, "standard error")


def _settled(stream: IO[str] | None, name: str) -> IO[str]:
    if stream is None:  # it was closed when Python began
        return Path(os.devnull).open("w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="replace")  # an arrow must not end a run on a terminal that has none
    raw = getattr(stream.buffer, "raw", stream.buffer)  # the buffer itself where Python was told not to buffer
    if not isinstance(raw, io.FileIO) or isinstance(raw, _Outlet):
        return stream
    stream.flush()
    buffer = io.BufferedWriter(_Outlet(raw.fileno(), name))
    lines = stream.line_buffering or stream.write_through or raw.isatty()
    return io.TextIOWrapper(buffer, stream.encoding, "replace", line_buffering=lines)
