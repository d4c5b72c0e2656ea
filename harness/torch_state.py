"""torch's global settings: read, and put back where somebody has changed them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from types import ModuleType
from typing import Any

_ATTRIBUTES = (
    "backends.cudnn.enabled",
    "backends.cudnn.benchmark",
    "backends.cudnn.deterministic",
    # The older names and the wider ones first: to set one sets those that are part of it.
    "backends.cudnn.allow_tf32",
    "backends.cuda.matmul.allow_tf32",
    "backends.fp32_precision",
    "backends.cudnn.fp32_precision",
    "backends.mkldnn.fp32_precision",
    "backends.cuda.matmul.fp32_precision",
    "backends.cudnn.conv.fp32_precision",
    "backends.cudnn.rnn.fp32_precision",
    "backends.mkldnn.matmul.fp32_precision",
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction",
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction",
)
"""Settings that are attributes; those that a version of torch does not have are left out."""


@contextmanager
def torch_settings_kept() -> Iterator[None]:
    """Put torch's global settings back as they were before the block, or as torch begins if it is first loaded inside.

    Data type, device, gradients, threads, determinism and the precision of products. torch is not loaded for it.
    """
    torch = sys.modules.get("torch")
    before = _read(torch) if torch else None
    try:
        yield
    finally:
        torch = sys.modules.get("torch")
        if torch is not None:
            _restore(torch, before if before is not None else _read(torch) | _at_first(torch))


def _at_first(torch: ModuleType) -> dict[str, Any]:
    """How torch begins, whatever the machine."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return {
        "dtype": torch.float32,
        "device": "cpu",
        "gradients": True,
        "threads": int(threads) if threads.isdecimal() else torch.get_num_threads(),
        "deterministic": (False, False),
        "products": "highest",
    }


def _read(torch: ModuleType) -> dict[str, Any]:
    getters: dict[str, Callable[[], Any]] = {
        "dtype": torch.get_default_dtype,
        "device": lambda: str(torch.get_default_device()),
        "gradients": torch.is_grad_enabled,
        "threads": torch.get_num_threads,
        "deterministic": lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "products": torch.get_float32_matmul_precision,
    }
    found = {}
    for name, read in (getters | {name: partial(attrgetter(name), torch) for name in _ATTRIBUTES}).items():
        try:
            found[name] = read()
        except (AttributeError, RuntimeError):  # this torch has none, or its parts have been set apart from each other
            continue
    return found


def _restore(torch: ModuleType, before: dict[str, Any]) -> None:
    setters: dict[str, Callable[[Any], object]] = {
        "dtype": torch.set_default_dtype,
        "device": lambda device: torch.set_default_device(None if device == "cpu" else device),
        "gradients": torch.set_grad_enabled,
        "threads": torch.set_num_threads,
        "deterministic": lambda both: torch.use_deterministic_algorithms(both[0], warn_only=both[1]),
        "products": torch.set_float32_matmul_precision,
    }
    now = _read(torch)
    is_other = {name for name, value in before.items() if now.get(name) != value}
    precisions = {name for name in before if name == "products" or name.endswith(("fp32_precision", "allow_tf32"))}
    if is_other & precisions:
        is_other |= precisions
    for name, value in before.items():
        if name not in is_other:
            continue
        if name in setters:
            setters[name](value)
        else:
            place, _, attribute = name.rpartition(".")
            setattr(attrgetter(place)(torch), attribute, value)
