"""How a graphics card computes: part of the configuration, since it decides digits and whether runs repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .devices import device_type

TF32 = ("cuda.matmul.allow_tf32", "cudnn.allow_tf32")


def arithmetic(device: str, *, tf32: bool) -> Mapping[str, bool]:
    """Switches below ``torch.backends`` that a run sets on a device, by name; none but on CUDA, where alone they act.

    torch itself begins with TF32 in convolutions and without it in products of matrices. Convolutions always take
    algorithms that repeat bit by bit, and are never chosen by how fast one was at the moment.

    Args:
        device: From :func:`.devices.resolve_device`.
        tf32: Whether products may round their factors to 10 bits.

    >>> arithmetic("cpu", tf32=True)
    {}
    """
    if device_type(device) != "cuda":
        return {}
    return dict.fromkeys(TF32, tf32) | {"cudnn.deterministic": True, "cudnn.benchmark": False}


def set_arithmetic(switches: Mapping[str, bool]) -> Mapping[str, bool]:
    """Set switches for the rest of the process; what they were before."""
    before: dict[str, bool] = {}
    for name, value in switches.items():
        import torch  # only a run on a card has any: others should not pay for its start

        path, _, last = name.rpartition(".")
        owner = torch.backends
        for part in path.split("."):
            owner = getattr(owner, part)
        before[name] = getattr(owner, last)
        setattr(owner, last, value)
    return before


@contextmanager
def using_arithmetic(switches: Mapping[str, bool]) -> Iterator[None]:
    """Set switches inside the block."""
    before = set_arithmetic(switches)
    try:
        yield
    finally:
        set_arithmetic(before)
