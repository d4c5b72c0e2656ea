"""``bench doctor``: what this machine can do, what is missing, and how to get it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ..core.errors import BenchError, one_line
from ..core.files import human_size
from ..faces import BACKENDS
from ..faces.base import provided_features
from ..harness.part_spec import PartSpec, part_spec
from ..harness.provenance import package_versions
from ..harness.session import default_cache


def doctor(
    faces: Annotated[
        list[str] | None, typer.Option("--faces", "-f", help="Backends with options, like insightface:pack=DIR.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights folder of HelloMeme (default: the Hugging Face cache) or HunyuanPortrait.", metavar="DIR"
        ),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for assets and face features.")] = None,
) -> None:
    """Check devices, packages, folders, face backends and weights files.

    Exits with 2 when a backend named fails, or a weights folder named has neither method's files whole.
    """
    console = Console(highlight=False)
    _machine(console, cache or default_cache())
    given = [part_spec(text, "--faces") for text in faces or []]
    broken = _backends(console, given)
    _weights(console, given)
    whole = [_hellomeme(console, weights), _hunyuanportrait(console, weights)]
    if weights is not None and not any(whole):
        raise typer.Exit(2)
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
    console.print(f"cache: {escape(str(cache))} ({writable}, {free} free)", soft_wrap=True)


def _backends(console: Console, given: list[PartSpec]) -> set[str]:
    """Make every backend, with the options given for it; returns the names of those that fail."""
    options = {spec.name: spec.options for spec in given}
    broken: set[str] = set()
    console.print("\nface backends")
    for name in dict.fromkeys([*BACKENDS, *options]):
        try:
            backend = BACKENDS.get(name)(options.get(name, {}))
            gives = ", ".join(sorted(provided_features(backend)))
            console.print(f"  [green]ready[/]      {name} {backend.info.version}: {gives}", soft_wrap=True)
        except BenchError as error:
            broken.add(name)
            reason = one_line(error).removeprefix(f"face backend {name}: ")
            console.print(f"  [yellow]not ready[/]  {name}: {escape(reason)}", soft_wrap=True)
    return broken


def _weights(console: Console, given: list[PartSpec]) -> None:
    from ..faces.weights import describe_weights  # imports torch, which other verbs must not wait for

    console.print("\nweights files")
    for entry in describe_weights({spec.name: spec.options for spec in given}):
        size = entry.size or entry.expected_size
        about = [human_size(size) if size else "size unknown", entry.licence]
        if entry.sha256:
            about.insert(1, f"sha256 {entry.sha256}")
        colour = "green" if entry.status == "found" else "yellow"
        where = escape(str(entry.path or entry.name))
        console.print(f"  [{colour}]{entry.status:<10}[/] {where} ({'; '.join(about)})", soft_wrap=True)


def _hellomeme(console: Console, weights: Path | None) -> bool:
    """List HelloMeme's files; returns whether all are there and whole."""
    from ..methods.hellomeme.inspection import inspect
    from ..methods.hellomeme.weights import GET, needed

    console.print("\nweights of method hellomeme (style x1 or x2, control cntrl1 or cntrl2)")
    states = [state for part in needed() for state in inspect(part, weights)]
    for state in states:
        part = state.part
        about = [human_size(state.size) if state.size else part.about, part.role, part.licence]
        if state.sha256:
            about.insert(1, f"sha256 {state.sha256}")
        if part.only:
            about.append(f"only for {', '.join(sorted(part.only))}")
        colour = "green" if state.status == "found" else "yellow"
        where = escape(str(state.path or f"{part.url}: {state.name}"))
        console.print(f"  [{colour}]{state.status:<10}[/] {where} ({'; '.join(about)})", soft_wrap=True)
        if state.status == "damaged":
            console.print(f"    {escape(state.problem)}", soft_wrap=True)
    whole = all(state.status == "found" for state in states)
    if not whole:
        to = "" if weights is None else f" --to {weights}"
        console.print(f"get them: {escape(GET + to)}", soft_wrap=True)
    return whole


def _hunyuanportrait(console: Console, weights: Path | None) -> bool:
    """List HunyuanPortrait's files and the terms they come on; returns whether all are there."""
    from ..methods.hunyuanportrait.weights import FILES, NOTICE

    console.print("\nweights of method hunyuanportrait (weights=DIR; none is looked for elsewhere)")
    found = []
    for file in FILES:
        path = weights.expanduser() / file.name if weights is not None else None
        found.append(path is not None and path.is_file())
        size = human_size(path.stat().st_size) if path is not None and found[-1] else ""
        about = "; ".join(part for part in (size, file.role, file.licence) if part)
        status = "[green]found     [/]" if found[-1] else "[yellow]missing   [/]"
        where = escape(str(path) if found[-1] else f"{file.url}: {file.name}")
        console.print(f"  {status} {where} ({about})", soft_wrap=True)
    console.print(f"terms: {NOTICE}", soft_wrap=True)
    return all(found)
