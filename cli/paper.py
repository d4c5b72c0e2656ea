"""``bench paper RUN... -o DIR``: the paper's tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import publishing
from .flags import RunsArgument, Texts, at_home
from .terminal import make_console


def paper(
    runs: RunsArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.", callback=at_home)] = Path("paper"),
    case: Annotated[
        Texts,
        typer.Option(help="Case that the pictures show. Repeatable. Default: some, spread evenly over each suite."),
    ] = None,
) -> None:
    """Write Table 1, the tables of ablations and the figures: csv, markdown, LaTeX (paper.tex shows all), PDF and SVG.

    Runs of bench ablate give Table 2; all others are merged into Table 1 and the qualitative figures.
    """
    done = publishing.paper(runs, out, cases=case or [])
    console = make_console(markup=False)
    for note in done.notes:
        console.print(note, style="yellow")
    console.print(f"tables: {', '.join(done.tables)}")
    console.print(f"figures: {', '.join(name for name, _ in done.figures) or 'none'}")
    console.print(f"plots: {', '.join(name for name, _ in done.plots) or 'none'}")
    console.print(f"paper: {out / 'paper.md'}, {out / 'paper.tex'} (pdflatex shows all)")
