"""Typed registries: built-in things by name, installed plug-ins by entry point, single files by path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar, cast

from .errors import ConfigError, PluginError, one_line
from .options import given_path

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name, imported only when asked for.

    Three sources, in this order: :meth:`add` (also called by ``--plugin`` files), the built-in table of
    ``"module:attribute"`` paths, and the entry points of installed packages. A plug-in cannot take a built-in's name.

    Attributes:
        kind: What the registry holds, in the singular, for messages ("method").
        group: The entry-point group it reads ("portraitbench.methods").
    """

    def __init__(self, kind: str, group: str, builtin: dict[str, str] | None = None) -> None:
        self.kind = kind
        self.group = group
        self._builtin = dict(builtin or {})
        self._added: dict[str, T] = {}
        self._installed: dict[str, EntryPoint] | None = None

    def add(self, name: str, value: T) -> T:
        """Register ``value`` under ``name``; returns it.

        Raises:
            PluginError: When the name is taken by something else.
        """
        if name in self._builtin or self._added.get(name, value) is not value:
            raise PluginError(f"{self.kind} {name!r} exists already: choose another name")
        self._added[name] = value
        return value

    def names(self) -> list[str]:
        """All known names, sorted; nothing is imported for it."""
        return sorted({*self._builtin, *self._added, *self._entry_points()})

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def get(self, name: str) -> T:
        """Import and return what is registered under ``name``.

        Raises:
            ConfigError: When the name is unknown; the message offers the nearest ones.
            PluginError: When an installed plug-in fails to import.
        """
        if name in self._added:
            return self._added[name]
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            return cast(T, getattr(importlib.import_module(module), attribute))
        entry = self._entry_points().get(name)
        if entry is None:
            raise ConfigError(self._unknown(name))
        try:
            return cast(T, entry.load())
        except Exception as error:
            raise PluginError(
                f"{self.kind} {name!r} of the installed plug-in {entry.value!r} does not import: {one_line(error)}"
            ) from error

    def origin(self, name: str) -> str:
        """Say where a name comes from: "built in", "plug-in file", or the installed distribution."""
        if name in self._builtin:
            return "built in"
        if name in self._added:
            return "plug-in file"
        entry = self._entry_points()[name]
        return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._installed is None:
            found = entry_points(group=self.group)
            self._installed = {entry.name: entry for entry in found if entry.name not in self._builtin}
        return self._installed

    def _unknown(self, name: str) -> str:
        known = self.names()
        near = get_close_matches(name, known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        return f"unknown {self.kind} {name!r}: {hint}"


def load_plugin(path: Path) -> None:
    """Run a plug-in file once; it registers what it brings by calling ``add`` on the registries.

    Args:
        path: A Python file.

    Raises:
        PluginError: When the file is missing, is not Python, or fails.
    """
    path = given_path(path)
    name = f"portraitbench_plugin_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path.resolve()):
        return
    if path.suffix != ".py" or not path.is_file():
        raise PluginError(f"plug-in {path}: no such Python file (give the path of a .py file)")
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise PluginError(f"plug-in {path}: cannot be loaded as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, PluginError):
            raise
        raise PluginError(f"plug-in {path}: {type(error).__name__}: {one_line(error)}") from error
