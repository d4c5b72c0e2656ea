"""Counts of what makes the processor wait for a graphics card, where there is none."""

from __future__ import annotations

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh")
"""Reads of a number; sizes that depend on values; constants, and rows given as a list, that are sent to the device."""
DEVICE = torch.device("meta")
"""Stands for a graphics card: whatever reads it fails, as does an operation of tensors here and there."""


class Waits(TorchDispatchMode):
    """Counts operations that wait for a graphics card, were their tensors on one."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).removeprefix("aten.")
        self.counts.update(wait for wait in WAITS if name.startswith(wait))
        if name.startswith("index.Tensor"):
            self.counts["mask"] += any(one is not None and one.dtype == torch.bool for one in args[1])
        return func(*args, **(kwargs or {}))


class Crossings(TorchDispatchMode):
    """Counts tensors that are sent to DEVICE and wait for it, and those brought from there, which come as zeros."""

    def __init__(self):
        super().__init__()
        self.there, self.back = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if str(func).startswith("aten._to_copy"):
            source, target = args[0].device, kwargs.get("device") or args[0].device
            if source == DEVICE != target:
                self.back += 1
                return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype, device=target)
            self.there += source != DEVICE == target and not kwargs.get("non_blocking")
        return func(*args, **kwargs)


def on_device(value):
    """Tensors of a tensor, module, list, dict or dataclass, on DEVICE; plain data as it is."""
    if isinstance(value, torch.nn.Module | torch.Tensor):
        return value.to(DEVICE)
    if isinstance(value, list | tuple):
        return type(value)(on_device(one) for one in value)
    if hasattr(value, "__dataclass_fields__"):
        made = object.__new__(type(value))
        made.__dict__.update({name: on_device(one) for name, one in vars(value).items()})
        return made
    return value
