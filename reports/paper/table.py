"""What a table of a paper is, and its forms as csv and markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..render.numbers import MISSING


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes:
        group: Heading over it and its neighbours; "" where there is none.
        title: Its own heading.
        higher_is_better: Direction of the arrow; None for no arrow.
    """

    group: str
    title: str
    higher_is_better: bool | None = None

    @property
    def heading(self) -> str:
        """The title with its arrow."""
        arrow = {True: "↑", False: "↓", None: ""}[self.higher_is_better]
        return f"{self.title}{arrow}"


@dataclass(frozen=True)
class Cell:
    """A number.

    Attributes:
        value: NaN where there is none.
        digits: Decimals.
        signed: Whether it is a difference.
        bold: Whether its corrected interval excludes zero.
    """

    value: float = math.nan
    digits: int = 3
    signed: bool = False
    bold: bool = False

    @property
    def text(self) -> str:
        """The number as it stands in the table; the csv has all of its digits."""
        if math.isnan(self.value):
            return MISSING
        digits = self.digits
        if self.signed and round(self.value, digits) == 0:  # a small difference keeps its sign and two digits more
            digits += 2
        value = round(self.value, digits) + 0.0  # no "-0.000"
        return f"{value:{'+' if self.signed else ''}.{digits}f}"


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        label: Its name, in the first column.
        cells: One per column.
        new_block: Whether a rule stands above it.
    """

    label: str
    cells: Sequence[Cell]
    new_block: bool = False


@dataclass(frozen=True)
class PaperTable:
    """A table with its footnotes.

    Attributes:
        name: Name of its files.
        number: The paper's number for it, like "2(a)"; "" for one that the paper does not have.
        caption: What it shows, a sentence or two.
        head: Heading of the first column.
        columns: All others.
        rows: From top to bottom.
        notes: Footnotes, a sentence or two each.
        published: The paper's own numbers, as a block of their own under it; None without.
    """

    name: str
    number: str
    caption: str
    head: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = field(default=())
    published: PaperTable | None = None

    @property
    def title(self) -> str:
        """The caption with the paper's number before it."""
        return f"Table {self.number}: {self.caption}" if self.number else self.caption


def csv_of(table: PaperTable) -> str:
    """The table as CSV, numbers with nine significant digits; no value is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([table.head, *(f"{column.group} {column.title}".strip() for column in table.columns)])
    for row in table.rows:
        values = ["" if math.isnan(cell.value) else f"{cell.value:.9g}" for cell in row.cells]
        writer.writerow([row.label, *values])
    return text.getvalue()


def markdown_of(table: PaperTable) -> str:
    """The table as markdown, with its footnotes and the published numbers under it."""
    heads = [table.head, *(f"{column.group} {column.heading}".strip() for column in table.columns)]
    lines = [f"**{table.title}**", "", _line(heads), _line(["---", *("---:" for _ in table.columns)])]
    for row in table.rows:
        lines.append(_line([row.label, *(f"**{cell.text}**" if cell.bold else cell.text for cell in row.cells)]))
    lines += ["", *(f"- {note}" for note in table.notes)]
    if table.published:
        lines += ["", markdown_of(table.published)]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
