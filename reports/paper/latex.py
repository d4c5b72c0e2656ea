"""Tables of a paper as LaTeX with booktabs, and a document around them that compiles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from .table import Cell, Column, PaperTable

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "λ": r"$\lambda$",
    "·": r"\textperiodcentered{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{EN DASH}": "--",
    "…": r"\dots{}",
    **{sign: f"({number})" for number, sign in enumerate("①②③④", start=1)},
    **{character: f"\\{character}" for character in "&%$#_"},
}
_PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
% Equal input gives equal bytes.
\pdfinfoomitdate=1
\pdftrailerid{}
\pdfsuppressptexinfo=-1
\begin{document}
"""

_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"
"""What is wider than the text shrinks to its width, all else stays as it is."""


def escape(text: str) -> str:
    r"""Any text as LaTeX shows it; what is outside of Latin-1 and has no sign of its own becomes a question mark.

    >>> escape("id_sim/1 ↑ 5%")
    'id\\_sim/1 $\\uparrow$ 5\\%'
    """
    shown = "".join(_SPECIAL.get(character, character) for character in text)
    return re.sub(r"[^\x20-\x7e\xa1-\xff]", "?", shown)


def latex_of(table: PaperTable) -> str:
    """A floating table: the tabular, its footnotes, and the published numbers in a labelled block of their own."""
    lines = [r"\begin{table}[htbp]", r"\centering", r"\setlength{\belowcaptionskip}{6pt}"]
    if table.number:
        lines.append(rf"\renewcommand{{\thetable}}{{{table.number}}}")
        lines += [rf"\caption{{{escape(table.caption)}}}", rf"\label{{tab:{table.name}}}"]
    else:  # a caption would go on counting after the paper's tables, as if this one were of the paper too
        lines.append(rf"{escape(table.caption)}\par\smallskip")
    lines += [r"\small", *_tabular(table), *_notes(table.notes)]
    if table.published:
        lines += [r"\par\bigskip", rf"\textbf{{{escape(table.published.caption)}}}\par\smallskip"]
        lines += [*_tabular(table.published), *_notes(table.published.notes)]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def document(tables: Sequence[str], figures: Sequence[tuple[str, str]]) -> str:
    """A document that shows all of them, for a look and for compiling.

    Args:
        tables: Names of table files, without ending.
        figures: Names of figure files, without ending, with their captions.
    """
    parts = [rf"\input{{{name}.tex}}" + "\n" for name in tables]
    for name, caption in figures:
        parts.append(
            "\\begin{figure}[htbp]\n\\centering\n"
            f"{_FITTED}\\includegraphics{{{name}.pdf}}}}\n"
            f"\\caption{{{escape(caption)}}}\n\\end{{figure}}\n"
        )
    return _PREAMBLE + "\n".join(parts) + "\\end{document}\n"


def _tabular(table: PaperTable) -> Iterator[str]:
    yield f"{_FITTED}%"
    yield rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}"
    yield r"\toprule"
    if any(column.group for column in table.columns):
        yield from _groups(table.columns)
    yield _line([escape(table.head), *(escape(column.heading) for column in table.columns)])
    yield r"\midrule"
    for row in table.rows:
        if row.new_block:
            yield r"\midrule"
        yield _line([escape(row.label), *(_cell(cell) for cell in row.cells)])
    yield r"\bottomrule"
    yield r"\end{tabular}}"


def _groups(columns: Sequence[Column]) -> Iterator[str]:
    cells, rules, start = [""], [], 2
    for name, own in groupby(columns, key=lambda column: column.group):
        width = len(list(own))
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(name)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    yield _line(cells)
    yield "".join(rules)


def _cell(cell: Cell) -> str:
    text = cell.text if cell.text == "-" else f"${cell.text}$"
    if not cell.bold:
        return text
    return rf"$\mathbf{{{cell.text}}}$"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield r"\par\smallskip"
        yield r"\parbox{\linewidth}{\footnotesize " + r"\\ ".join(escape(note) for note in notes) + "}"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
