"""Planting a mistake in one module of the package for the length of a ``with`` block."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder


class _Planter(MetaPathFinder, Loader):
    """Finds one module, and gives it other code."""

    def __init__(self, name: str, fragment: str, replacement: str) -> None:
        self._name = name
        self._swap = fragment, replacement

    def find_spec(self, name, path=None, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        self._origin = importlib.util.find_spec(name)
        sys.meta_path.insert(0, self)
        return importlib.util.spec_from_loader(name, self, origin=self._origin.origin)

    def exec_module(self, module):
        source = self._origin.loader.get_data(self._origin.origin).decode()
        assert source.count(self._swap[0]) == 1, f"{self._swap[0]!r} must stand in {self._name} exactly once"
        exec(compile(source.replace(*self._swap), self._origin.origin, "exec"), module.__dict__)


@contextmanager
def planted(
    name: str, fragment: str, replacement: str, *, anew: Sequence[str], helpers: Sequence[str]
) -> Iterator[dict]:
    """Import modules anew with a mistake in one; gives the helpers by name. All is restored on leaving.

    Args:
        name: The module's full name.
        fragment: What stands in it exactly once.
        replacement: What stands there within the block.
        anew: Modules and packages to import again.
        helpers: Test modules that use them.
    """
    ours = [known for known in sys.modules if known.startswith(tuple(anew)) or known in helpers]
    kept = {known: sys.modules.pop(known) for known in ours}
    parents = {own: (importlib.import_module(own.rpartition(".")[0]), own.rpartition(".")[2]) for own in anew}
    before = {own: getattr(parent, child, None) for own, (parent, child) in parents.items()}
    planter = _Planter(name, fragment, replacement)
    sys.meta_path.insert(0, planter)
    try:
        yield {helper: importlib.import_module(helper) for helper in helpers}
    finally:
        sys.meta_path.remove(planter)
        for known in [known for known in sys.modules if known.startswith(tuple(anew)) or known in helpers]:
            del sys.modules[known]
        sys.modules.update(kept)
        for own, (parent, child) in parents.items():
            if before[own] is not None:
                setattr(parent, child, before[own])
