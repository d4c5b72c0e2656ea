"""Where a run computes: ``auto`` resolved once, and one graphics card for each worker."""

from __future__ import annotations


def resolve_device(device: str) -> str:
    """A device that a library can be given: ``auto`` is CUDA where there is one, then Apple's GPU, then the CPU."""
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_type(device: str) -> str:
    """The kind of device, which decides last digits; its index does not.

    >>> device_type("cuda:1")
    'cuda'
    """
    return device.partition(":")[0]


def worker_device(device: str, worker: int) -> str:
    """The device of one of several workers: cards in turn, unless the run is asked to stay on a certain one.

    Args:
        device: From :func:`resolve_device`.
        worker: Number of the worker, from 0.
    """
    if device != "cuda":
        return device
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{worker % count}" if count > 1 else device


def gpu_name(device: str) -> str:
    """Model of the graphics card, as its driver calls it; "" on other devices.

    Raises:
        RuntimeError: When there is no such card.
    """
    if device_type(device) != "cuda":
        return ""
    import torch

    return torch.cuda.get_device_name(device)
