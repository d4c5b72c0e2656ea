"""``bench run``, ``bench score``, ``bench report``: flags in, a call of the package's front, tables out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .. import merging, running, scoring
from ..harness.runner import RETRIABLE, Progress, Summary
from ..reports.render.numbers import duration
from ..reports.render.terminal import print_closing, print_cost, print_results
from ..running import Planned, Run
from .browse import open_page
from .estimate import before_a_long_run
from .flags import (
    FLAGS,
    HOW,
    WHERE,
    AgainstOption,
    AllMetrics,
    ConfigOption,
    Given,
    RunArgument,
    RunsArgument,
    at_home,
    takes,
)
from .progress import RunProgress
from .terminal import make_console

MERGED = Path("runs") / "merged"
OpenFlag = Annotated[
    bool,
    typer.Option(
        "--open", help="Open the report in the browser; does nothing without a display.", rich_help_panel=WHERE
    ),
]


@takes(*FLAGS)
def run(
    given: Given,
    config: ConfigOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done and stop.", rich_help_panel=HOW)
    ] = False,
    open_report: OpenFlag = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report/--no-report",
            help="Write the report at the end; a shard may leave it to the last.",
            rich_help_panel=HOW,
        ),
    ] = True,
) -> None:
    """Generate, observe, score and report. Running the same command again goes on where it was stopped."""
    if dry_run:
        _print_plan(running.plan(config, **given))
        return
    session = running.session_for(config, given)
    items = before_a_long_run(session, make_console(markup=False))
    finish(
        lambda progress: running.carry_out(session, items, progress, generates=True, report=False),
        report=report,
        open_report=open_report,
    )


@takes("faces", "metrics", "primary", "workers", "plugins", "cache")
def score(
    run_folder: RunArgument,
    given: Given,
    only: Annotated[
        bool, typer.Option("--only", help="Measure the metrics given alone; else they join those of the run.")
    ] = False,
) -> None:
    """Score the outputs of an earlier run again, with more metrics or other face models; nothing is generated."""
    finish(lambda progress: scoring.score(run_folder, only=only, progress=progress, report=False, **given))


def report(
    runs: RunsArgument,
    all_metrics: AllMetrics = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the report of several runs.", callback=at_home)
    ] = MERGED,
    against: AgainstOption = "",
    single_file: Annotated[
        bool,
        typer.Option("--single-file", help="Also write single.html: the page with what fits of its media inside."),
    ] = False,
) -> None:
    """Write page, tables and contact sheets of a run again, or of several as one; run folders are all it needs."""
    console = make_console(markup=False)
    if len(runs) == 1 and not against:
        print_report(console, running.load(runs[0]), all_metrics=all_metrics, single_file=single_file)
        return
    model = merging.report_runs(runs, out, against=against, single_file=single_file)
    print_results(console, model, all_metrics=all_metrics)
    print_closing(console, model, out / "report" / "index.md")


def finish(perform: Callable[[Progress], Run], *, report: bool = True, open_report: bool = False) -> None:
    """Do work on a run with its progress shown, and print what came out.

    Args:
        perform: The work; is given whom to tell how far it is.
        open_report: Whether to open the report in the browser.
        report: Whether to write the report and print its tables; else only what was done.

    Raises:
        typer.Exit: With 1 when a case failed and the run's configuration asks for that.
    """
    # Bound to standard output itself: what plug-ins print meanwhile is led elsewhere.
    console = make_console(markup=False, file=sys.stdout)
    with RunProgress(console) as progress:
        done = perform(progress)
    summary = done.outcome
    if summary is None:
        raise RuntimeError(f"{done} was only loaded")
    if report:
        print_report(console, done, summary, progress)
    else:
        _print_summary(console, summary, progress)
    if report and open_report:
        open_page(console, done.page)
    if summary.failures and done.about.config["fail_on_error"]:
        raise typer.Exit(1)


def print_report(
    console: Console,
    run: Run,
    summary: Summary | None = None,
    progress: RunProgress | None = None,
    *,
    all_metrics: bool = False,
    single_file: bool = False,
) -> None:
    """Write a run's report and print its tables, with what a command did where there was one."""
    model = run.report(single_file=single_file)
    print_results(console, model, all_metrics=all_metrics)
    print_cost(console, model.cost)
    if summary and progress:
        _print_summary(console, summary, progress)
    if summary:
        pictures = ", ".join(str(path) for path in sorted(run.page.parent.glob("*.png")))
        what = "pictures" if model.comparison.empty else "before and after, side by side"
        console.print(f"{what}: {pictures}")
    print_closing(console, model, run.page)


def _print_summary(console: Console, summary: Summary, progress: RunProgress) -> None:
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in progress.seconds.items())
    done = f"{summary.items} outputs; {summary.reused} jobs reused, {summary.performed} done ({spent})"
    console.print(done)
    if summary.calls:
        calls = ", ".join(f"{name} {count}" for name, count in sorted(summary.calls.items()))
        console.print(f"shown to face models: {calls}")
    if summary.failures:
        failed = ", ".join(f"{count} {status}" for status, count in sorted(summary.failures.items()))
        hint = " (try them again with --retry-failed)" if summary.failures.keys() & RETRIABLE else ""
        console.print(f"without an output: {failed}{hint}")


def _print_plan(planned: Planned) -> None:
    console = make_console(markup=False)
    for suite in dict.fromkeys(item.suite for item in planned.items):
        own = [item for item in planned.items if item.suite == suite]
        cases = len({item.case for item in own})
        metrics = ", ".join(part.id for part in own[0].metrics) or "none"
        console.print(f"{suite}: {cases} cases x {len(planned.methods)} methods ({', '.join(planned.methods)})")
        console.print(f"  metrics: {metrics}")
    for label, lines in planned.inventories.items():
        for line in lines:
            console.print(f"  {label}: {line}")
    console.print(f"run folder: {planned.folder}")
