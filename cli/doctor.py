"""``bench doctor``: what this machine can do, what is missing, and how to get it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..core.errors import BenchError, one_line
from ..core.files import human_size
from ..faces import BACKENDS
from ..faces.base import provided_features
from ..harness.config import PartSpec
from ..harness.provenance import package_versions
from ..harness.session import default_cache


def doctor(
    faces: Annotated[
        list[str] | None, typer.Option("--faces", "-f", help="Backends with options, like insightface:pack=DIR.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for assets and face features.")] = None,
) -> None:
    """Check devices, packages, folders, face backends and weights files. Exits with 2 when a backend named fails."""
    console = Console(highlight=False)
    _machine(console, cache or default_cache())
    given = [PartSpec.model_validate(text) for text in faces or []]
    broken = _backends(console, given)
    _weights(console, given)
    if given and broken & {spec.name for spec in given}:
        raise typer.Exit(2)


def _machine(console: Console, cache: Path) -> None:
    import torch

    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    console.print(f"devices: {', '.join(devices)}; {os.cpu_count()} processors", soft_wrap=True)
    packages = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    console.print(f"packages: {packages}", soft_wrap=True)
    there = next(path for path in (cache, *cache.parents) if path.exists())
    writable = "writable" if os.access(there, os.W_OK) else "[red]not writable[/]"
    free = human_size(shutil.disk_usage(there).free)
    console.print(f"cache: {cache} ({writable}, {free} free)", soft_wrap=True)


def _backends(console: Console, given: list[PartSpec]) -> set[str]:
    """Make every backend, with the options given for it; returns the names of those that fail."""
    options = {spec.name: spec.options for spec in given}
    table = Table("face backend", "state", "gives", "what to do")
    broken: set[str] = set()
    for name in dict.fromkeys([*BACKENDS, *options]):
        try:
            backend = BACKENDS.get(name)(options.get(name, {}))
            table.add_row(
                f"{name} {backend.info.version}", "[green]ready[/]", ", ".join(sorted(provided_features(backend))), ""
            )
        except BenchError as error:
            broken.add(name)
            table.add_row(name, "[red]not ready[/]", "", one_line(error))
    console.print(table)
    return broken


def _weights(console: Console, given: list[PartSpec]) -> None:
    from ..faces.weights import describe_weights  # imports torch, which other verbs must not wait for

    table = Table("backend", "file", "state", "size", "sha256", "licence", "how to get it")
    for entry in describe_weights({spec.name: spec.options for spec in given}):
        size = human_size(entry.size or entry.expected_size or 0) if entry.size or entry.expected_size else "?"
        how = "" if entry.status == "found" else entry.how
        where = str(entry.path or entry.name)
        table.add_row(entry.backend, where, entry.status, size, entry.sha256[:12], entry.licence, how)
    console.print(table)
