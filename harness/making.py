"""Components made for a run: whatever a plug-in raises meanwhile ends in one line that names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import BenchError, PluginError, one_line


@contextmanager
def making(what: str) -> Iterator[None]:
    """Turn whatever a plug-in raises while it is being made into one line.

    Raises:
        PluginError: In place of any exception that is not a BenchError.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        raise PluginError(f"{what} cannot be made: {type(error).__name__}: {one_line(error)}") from error
