"""``bench compare RUN_A RUN_B``: runs against each other in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import merging
from ..reports.render.terminal import print_results, print_side_by_side
from ..reports.render.verdict import verdict
from .flags import AgainstOption, AllMetrics, RunsArgument
from .terminal import make_console


def compare(
    runs: RunsArgument,
    against: AgainstOption = "",
    all_metrics: AllMetrics = False,
    beside: Annotated[
        bool,
        typer.Option("--side-by-side", help="Show runs that do not fit together beside each other, unranked."),
    ] = False,
) -> None:
    """Compare the methods of several runs, case by case; nothing is written.

    A method whose outputs differ between runs has a row for each, METHOD@RUN, and the later ones are compared with the
    first. What does not fit (suite revision, metric version, face backend or its weights, canvas) is refused.
    """
    console = make_console(markup=False)
    if beside:
        print_side_by_side(console, *merging.side_by_side(runs))
        return
    model = merging.compare_runs(runs, against=against)
    print_results(console, model, all_metrics=all_metrics)
    console.print(verdict(model), style="bold")
