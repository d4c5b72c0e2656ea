"""The one door to numba, so that everything else of the room imports without it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ....core.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers to machine code; the result is kept on disk beside the source.

    Raises:
        ConfigError: When numba is not installed.
    """
    try:
        numba = importlib.import_module("numba")
    except ImportError as error:
        raise ConfigError("rendering portraits needs numba: pip install 'portraitbench[train]'") from error
    return cast(F, numba.njit(cache=True, nogil=True)(function))
