"""Opening a report in the browser, where there is somebody to see it."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

from rich.console import Console


def has_display() -> bool:
    """Whether a window can be shown; without one, Python would start a text browser that takes the terminal over."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_page(console: Console, page: Path) -> None:
    """Open a page in the browser; without a display, or a browser, nothing happens but a line that says so."""
    if not has_display() or not webbrowser.open(page.resolve().as_uri()):
        console.print("--open: no display or browser here; the report's path stands above")
