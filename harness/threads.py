"""How many threads the numeric libraries may use: part of the configuration, since it can change the last digits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """Limit BLAS, OpenMP and torch to ``count`` threads inside the block.

    Libraries that are loaded already are told directly; those that a method loads later read the environment. torch
    is not imported for it: a run that needs none should not pay for its start.
    """
    torch = sys.modules.get("torch")
    threads_before = torch.get_num_threads() if torch else 0
    variables_before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, str(count)))
    if torch:
        torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        for name, value in variables_before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if torch:
            torch.set_num_threads(threads_before)
