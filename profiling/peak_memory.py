"""Peak memory of a block of tensor work, above what was there before it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class StoragePeak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that are made inside the block, and takes them off again as they are freed.

    Not the process's resident memory: that hides what an allocator keeps for later, differs from run to run, and
    never falls, so that only the first arm in a process would be measured. Counted is what autograd and the program
    hold at one time; scratch space inside a kernel is not seen. Views count once, tensors from before the block never.

    Attributes:
        peak_bytes: Largest sum at one time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes = 0
        self._alive = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation and count what it made."""
        self._note((args, kwargs), new=False)
        made = func(*args, **(kwargs or {}))
        self._note(made, new=True)
        return made

    def _note(self, tree: object, *, new: bool) -> None:
        for leaf in tree_leaves(tree):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                key = storage._cdata  # the object behind all Python handles and views
                if key not in self._sizes:
                    self._sizes[key] = storage.nbytes() if new else 0
                    self._alive += self._sizes[key]
                    weakref.finalize(storage, self._forget, key)
        self.peak_bytes = max(self.peak_bytes, self._alive)

    def _forget(self, key: int) -> None:
        self._alive -= self._sizes.pop(key)


class Peak:
    """What :func:`measured_peak` found, once its block has ended.

    Attributes:
        bytes: Peak above the state at the block's beginning.
    """

    bytes: int = 0


@contextmanager
def measured_peak(device: torch.device) -> Iterator[Peak]:
    """Measure a block: on CUDA by the device's allocator, elsewhere by :class:`StoragePeak`.

    Measuring on the CPU slows the block down, so times come from other repetitions.
    """
    peak = Peak()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
        return
    with StoragePeak() as storages:
        yield peak
    peak.bytes = storages.peak_bytes
