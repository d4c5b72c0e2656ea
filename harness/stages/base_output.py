"""The baseline's output as a tuned job is handed it: frames, canvas and state, read back from where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ...core.files import atomic_path
from ...datasets.media import read_output
from ...methods.base import Animation
from ..store import Record, is_intact, stored_file, storing

if TYPE_CHECKING:
    from torch import Tensor

Part = Mapping[str, Any]
"""A file of the run folder as a record speaks of it; see :class:`records.StoredFile`."""


@dataclass(frozen=True)
class BaseOutput:
    """Files of an output; plain data, so that any worker can be handed it.

    Attributes:
        output: The frames.
        canvas: The driving clip as the generator framed it, where it did.
        state: What its sampling left besides, where it left something.
    """

    output: Part
    canvas: Part | None
    state: Part | None

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """Of the record of an output that was made."""
        return cls(record["output"], record["canvas"], record.get("state"))

    def load(self, folder: Path) -> Animation | None:
        """Read the files; None when one is not there as it was written, and whoever asks has to sample anew."""
        parts = [part for part in (self.output, self.canvas, self.state) if part]
        if not all(is_intact(folder, part) for part in parts):
            return None
        return Animation(
            read_output(folder / self.output["path"]),
            read_output(folder / self.canvas["path"]) if self.canvas else None,
            state=_read_state(folder / self.state["path"]) if self.state else {},
        )


def save_state(folder: Path, stem: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Write what a sampling leaves beside its output.

    Returns:
        What the record says of the file.
    """
    from safetensors.torch import save_file

    path = folder / stem.with_name(f"{stem.name}.state.safetensors")
    with storing(path), atomic_path(path) as temporary:
        save_file({name: one.detach().cpu().contiguous() for name, one in state.items()}, temporary)
    return stored_file(folder, path)


def _read_state(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)
