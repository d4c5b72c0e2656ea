"""Planting a mistake in one module of HelloMeme for the length of a ``with`` block."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import planting

PACKAGE = "portraitbench.methods.hellomeme"
HELPERS = ("hm_native", "hm_case", "hm_clip")


def planted(module: str, fragment: str, replacement: str) -> AbstractContextManager[dict]:
    """Import everything anew with a mistake in one module; gives the helpers by name. All is restored on leaving."""
    return planting.planted(f"{PACKAGE}.{module}", fragment, replacement, anew=[PACKAGE], helpers=HELPERS)
