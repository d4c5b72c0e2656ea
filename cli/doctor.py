"""``bench doctor``: what this machine can do, what is missing, and how to get it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from ..core.errors import BenchError, one_line
from ..core.file_system import file_system
from ..core.files import human_size
from ..core.options import given_path
from ..core.registry import Registry, load_plugin
from ..core.weights import WeightFile
from ..faces import BACKENDS
from ..faces.base import provided_features
from ..harness.component import ComponentSpec, component_spec
from ..harness.provenance import package_versions
from ..harness.session import default_cache
from ..methods import METHODS
from ..metrics import METRICS
from .terminal import make_console


def doctor(
    faces: Annotated[
        list[str] | None, typer.Option("--faces", "-f", help="Backends with options, like insightface:pack=DIR.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Methods with options, like hellomeme:weights=DIR.")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option("--plugin", help="Python file that registers things.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for assets and face features.")] = None,
) -> None:
    """Check devices, packages, folders, face backends and weights files.

    Exits with 2 when a backend named fails, or a weights file of a method named is missing or damaged.
    """
    console = make_console()
    for path in plugin or []:
        load_plugin(path)
    _machine(console, given_path(cache) if cache else default_cache())
    faces_given = {spec.name: spec for spec in (component_spec(text, "--faces") for text in faces or [])}
    methods_given = {spec.name: spec for spec in (component_spec(text, "--method") for text in method or [])}
    broken = _backends(console, list(faces_given.values()))
    _weights(console, "face backend", BACKENDS, faces_given)
    incomplete = _weights(console, "method", METHODS, methods_given)
    _weights(console, "metric", METRICS, {})
    if broken & faces_given.keys() or incomplete & methods_given.keys():
        raise typer.Exit(2)


def _machine(console: Console, cache: Path) -> None:
    import torch

    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    console.print(f"devices: {', '.join(devices)}; {os.cpu_count()} processors")
    packages = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    console.print(f"packages: {packages}")
    there = next(path for path in (cache, *cache.parents) if path.exists())
    writable = "writable" if os.access(there, os.W_OK) else "[red]not writable[/]"
    free = human_size(shutil.disk_usage(there).free)
    console.print(f"cache: {escape(str(cache))} ({writable}, {free} free)")
    _file_systems(console, cache)


def _file_systems(console: Console, cache: Path) -> None:
    """What network file systems do not promise."""
    for what, path in {"cache": cache, "working folder": Path.cwd()}.items():
        found = file_system(path)
        if found.is_network:
            notes = ["feature caches are only read there, new features stay on this machine"] if what == "cache" else []
            if not found.locks_reach_others:
                notes.append("its mount options keep locks on this machine: never give two machines the same shard")
            told = "; ".join(["a network file system", *notes])
            console.print(f"[yellow]file system[/] of the {what}: {found.kind}: {told}")


def _backends(console: Console, given: list[ComponentSpec]) -> set[str]:
    """Make every backend, with the options given for it; returns the names of those that fail."""
    options = {spec.name: spec.options for spec in given}
    broken: set[str] = set()
    console.print("\nface backends")
    for name in dict.fromkeys([*BACKENDS, *options]):
        try:
            backend = BACKENDS.get(name)(options.get(name, {}))
            gives = ", ".join(sorted(provided_features(backend)))
            console.print(f"  [green]ready[/]      {name} {backend.info.version}: {gives}")
        except BenchError as error:
            broken.add(name)
            reason = one_line(error).removeprefix(f"face backend {name}: ")
            console.print(f"  [yellow]not ready[/]  {name}: {escape(reason)}")
    return broken


def _weights(console: Console, kind: str, registry: Registry[Any], given: Mapping[str, ComponentSpec]) -> set[str]:
    """List the weights files of all components of a kind; returns those that lack one or have a damaged one."""
    incomplete: set[str] = set()
    for name in dict.fromkeys([*registry, *given]):
        spec = given.get(name)
        try:
            files = registry.get(name).weight_files(spec.options if spec else {})
        except BenchError as error:
            console.print(f"\nweights of {kind} {name}: {escape(one_line(error))}")
            continue
        if not files:
            continue
        console.print(f"\nweights of {kind} {name}")
        for file in files:
            _print_file(console, file)
        if any(file.status != "found" for file in files):
            incomplete.add(name)
            for way in dict.fromkeys(file.how for file in files if file.status != "found"):
                console.print(f"get them: {escape(way)}")
    return incomplete


def _print_file(console: Console, file: WeightFile) -> None:
    size = file.size or file.expected_size
    about = [human_size(size) if size else file.about_size, file.role, file.licence]
    if file.sha256:
        about.insert(1, f"sha256 {file.sha256}")
    if file.only:
        about.append(f"only for {', '.join(file.only)}")
    colour = "green" if file.status == "found" else "yellow"
    where = escape(str(file.path or f"{file.name}, from {file.source}"))
    console.print(f"  [{colour}]{file.status:<10}[/] {where} ({'; '.join(filter(None, about))})")
    if file.status == "damaged":
        wrong = file.problem or f"{file.size:,} bytes, the publisher's has {file.expected_size or 0:,}"
        console.print(f"    {escape(wrong)}")
