"""What the command prints with: a console that no name can steer, and tables in which nothing is cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ..core.text import visible

_NAMED = 3
_GAP = "  "
_INDENT = "    "


class SafeConsole(Console):
    """A console on which control characters in texts are spelled out; its own colours and bars work as ever.

    Lines are left to the terminal to wrap: rich would break ids, paths and numbers at 80 columns, in a pipe too.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, see :class:`rich.console.Console`."""
        if all(isinstance(one, str | Text) for one in objects):
            options.setdefault("soft_wrap", True)
        super().print(*objects, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, see :class:`rich.console.Console`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def make_console(**options: Any) -> Console:
    """A console without highlighting; options as for :class:`rich.console.Console`."""
    return SafeConsole(**{"highlight": False, **options})


def say(text: str) -> None:
    """Print plain text, lines as they are."""
    typer.echo(visible(text))


def listed(names: Sequence[str]) -> str:
    """Names with commas; of many the first and how many more.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c, 2 more'
    """
    return ", ".join([*names[:_NAMED], *([f"{len(names) - _NAMED} more"] if len(names) > _NAMED else [])])


def print_table(console: Console, headers: Sequence[str], rows: Iterable[Sequence[str]], right: bool = False) -> None:
    """Print aligned columns. Cells are never cut or broken: where a terminal is too narrow, rows go on below.

    Args:
        console: Where to. What is no terminal gets one line for each row, whatever its width.
        headers: A title for each column.
        rows: Their cells.
        right: Whether all columns but the first are numbers, which are aligned right.
    """
    table = [list(map(visible, cells)) for cells in (headers, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    for number, cells in enumerate(table):
        padded = [
            " " * (width - cell_len(cell)) + cell if right and index else cell + " " * (width - cell_len(cell))
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        for line in _folded(padded, console.width if console.is_terminal else None):
            console.print(Text(line, "" if number else "bold"))


def _folded(cells: Sequence[str], width: int | None) -> list[str]:
    """Cells in a line, or in several of which all but the first are indented."""
    lines = [cells[0]]
    for cell in cells[1:]:
        if width is None or cell_len(f"{lines[-1]}{_GAP}{cell.rstrip()}") <= width:
            lines[-1] += _GAP + cell
        else:
            lines += _wrapped(cell.strip(), width)
    return [line.rstrip() for line in lines]


def _wrapped(text: str, width: int) -> list[str]:
    """Words in lines of a width at most, unless one word alone is longer."""
    lines = [_INDENT]
    for word in text.split(" "):
        if lines[-1].strip() and cell_len(f"{lines[-1]} {word}") > width:
            lines.append(_INDENT)
        lines[-1] += f"{' ' if lines[-1].strip() else ''}{word}"
    return lines
