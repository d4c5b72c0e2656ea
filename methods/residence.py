"""Which networks stay on a graphics card between the moments at which they are asked.

Those that only prepare a case leave their memory to the steps of its sampling and tuning, and come back with the next
case: a copy there and back each time. Where the card holds both there is no need of that. Results are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Literal

import torch
from torch import nn

Offload = Literal["auto", "always", "never"]
"""When networks that are not at work go back to main memory."""
RESERVE, RESERVE_SHARE = 2 << 30, 0.05
"""Bytes, or a share of the card, that are left alone: face models, kernels' scratch space, and gaps between blocks."""

REST = torch.device("cpu")
"""Where networks are that are not needed at the moment."""


class Residence:
    """Networks of which some are on the device only while they are asked, or stay there from a moment on."""

    @property
    def device(self) -> torch.device:
        """Where they work."""
        raise NotImplementedError

    def modules(self) -> dict[str, nn.Module]:
        """All by name."""
        raise NotImplementedError

    @cached_property
    def _present(self) -> set[str]:
        return set()

    def keep(self, names: Collection[str]) -> None:
        """Have some networks on the device from now on."""
        for name, module in self.modules().items():
            if name in names:
                nn.Module.to(module, self.device)
                self._present.add(name)

    @contextmanager
    def on_device(self, *names: str) -> Iterator[None]:
        """Have some networks on the device within the block, and in main memory afterwards; blocks may nest."""
        coming = {name: module for name, module in self.modules().items() if name in {*names} - self._present}
        self._present.update(coming)
        for module in coming.values():
            nn.Module.to(module, self.device)
        try:
            yield
        finally:
            self._present.difference_update(coming)
            for module in coming.values():
                nn.Module.to(module, REST)


def step_bytes(cells: int, frames: int, itemsize: int, *, per_frame: int, decoded: int) -> int:
    """What one tuning step keeps for its gradients, without checkpointing: the most that a case needs.

    Linear in the area, as attention is with kernels that keep no weights.

    Args:
        cells: Side of the latents.
        frames: That are denoised together.
        itemsize: Bytes of a number of the networks' precision.
        per_frame: Numbers that the denoiser keeps per latent cell of a frame.
        decoded: Numbers that the decoder keeps per latent cell of the one whole frame of the identity loss.
    """
    return cells * cells * itemsize * (frames * per_frame + decoded)


def stay(sizes: Mapping[str, int], free: int, total: int, case: int) -> list[str]:
    """The networks that may stay on a card.

    A later one never stays in place of an earlier one that has no room, so that more memory never means fewer.

    Args:
        sizes: Bytes of each; those that are asked most often first.
        free: Bytes of the card that are free once the networks of every step are there.
        total: Bytes of the card.
        case: Bytes that a case needs beside all networks.

    >>> stay({"encoder": 2 << 30, "helper": 3 << 30}, free=24 << 30, total=24 << 30, case=19 << 30)
    ['encoder']
    """
    left = free - case - max(RESERVE, int(RESERVE_SHARE * total))
    staying = []
    for name, size in sizes.items():
        left -= size
        if left < 0:
            break
        staying.append(name)
    return staying


def device_memory(device: str) -> tuple[int, int]:
    """Free and total bytes of a CUDA device; what torch keeps there for later counts as free."""
    free, total = torch.cuda.mem_get_info(device)
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + idle, total


def resident(
    offload: Offload, device: str, sizes: Mapping[str, int], case: int, *, is_memory_short: bool = False
) -> list[str]:
    """The networks that stay on the device, as the option says and its memory allows.

    Args:
        offload: The option.
        device: Where the networks work. On a CPU nothing moves, and nothing is decided.
        sizes: See :func:`stay`.
        case: See :func:`stay`.
        is_memory_short: Whether memory ran out before, in this process: then nothing stays, whatever the option.
    """
    kind = torch.device(device).type
    if kind == "cpu" or offload == "always" or is_memory_short:
        return []
    if offload == "never":
        return list(sizes)
    return stay(sizes, *device_memory(device), case) if kind == "cuda" else []
