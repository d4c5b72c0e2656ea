"""What the commands of ``bench profile`` check, print and write alike."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from ..core.errors import ConfigError
from ..core.files import write_text
from . import terminal

if TYPE_CHECKING:
    import torch

_MEMORY = {
    "cuda": "device memory of one step above model, latents and guides (torch.cuda.max_memory_allocated)",
    "other": "tensor storages alive at one time in one step, above model, latents and guides; without kernels' scratch",
}


def check_plain(device: str, steps: int, out: Path | None) -> None:
    """Refuse what can be refused before torch is loaded.

    Raises:
        ConfigError: In one line that names the flag.
    """
    check_out(out)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise ConfigError(f"--device {device!r}: write cpu, cuda, cuda:1 or mps")
    if steps < 1:
        raise ConfigError(f"--steps {steps}: must be 1 or more")


def check_choice(flag: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        ConfigError: In one line that names the flag and the choices.
    """
    if value not in choices:
        raise ConfigError(f"{flag} {value!r}: must be one of {', '.join(choices)}")


def machine(device: torch.device) -> dict[str, Any]:
    """Where a measurement was made, and what its peaks mean there."""
    import torch

    from ..harness.provenance import device_name

    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "peak_bytes_means": _MEMORY.get(device.type, _MEMORY["other"]),
    }


def print_table(console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column names the rows."""
    console.print(Text(title, "italic"))
    terminal.print_table(console, headers, rows, right=True)


def print_machine(console: Console, data: dict[str, Any]) -> None:
    """Print where it was measured and what has to be kept in mind."""
    console.print(f"{data['device']}; torch {data['torch']}")
    console.print(f"peak memory: {data['peak_bytes_means']}")
    if data["caution"]:
        console.print(data["caution"], style="yellow")


def write_found(console: Console, data: dict[str, Any], out: Path | None) -> None:
    """Write what was found, where a file is wanted."""
    if out is not None:
        write_text(out, json.dumps(data, indent=1) + "\n")
        console.print(f"written: {out}")


def check_out(out: Path | None) -> None:
    """See that the file can be written before minutes are spent on it."""
    if out is None:
        return
    if out.suffix != ".json":
        raise ConfigError(f"--out {out}: must end in .json")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}: make it first")
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise ConfigError(f"--out {out}: is a folder, or its folder cannot be written: choose another name")
