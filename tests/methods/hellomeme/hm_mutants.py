"""Planting a mistake in one module of HelloMeme for the length of a ``with`` block."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder

PACKAGE = "portraitbench.methods.hellomeme"
HELPERS = ("hm_native", "hm_case", "hm_clip")


class _Planter(MetaPathFinder, Loader):
    """Finds one module, and gives it other code."""

    def __init__(self, module: str, fragment: str, replacement: str) -> None:
        self._name = f"{PACKAGE}.{module}"
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
def planted(module: str, fragment: str, replacement: str) -> Iterator[dict]:
    """Import everything anew with a mistake in one module; gives the helpers by name. All is restored on leaving."""
    ours = [name for name in sys.modules if name.startswith(PACKAGE) or name in HELPERS]
    kept = {name: sys.modules.pop(name) for name in ours}
    parent, planter = sys.modules[PACKAGE.rpartition(".")[0]], _Planter(module, fragment, replacement)
    before = getattr(parent, "hellomeme", None)
    sys.meta_path.insert(0, planter)
    try:
        yield {name: importlib.import_module(name) for name in HELPERS}
    finally:
        sys.meta_path.remove(planter)
        for name in [name for name in sys.modules if name.startswith(PACKAGE) or name in HELPERS]:
            del sys.modules[name]
        sys.modules.update(kept)
        if before is not None:
            parent.hellomeme = before
