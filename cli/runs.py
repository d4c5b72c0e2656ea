"""``bench runs list|show``: which run folders there are, and what is in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import merging
from ..core.errors import BenchError, one_line
from ..core.files import printable
from ..reports.run_overview import RunOverview, overview
from .flags import RunArgument, at_home
from .terminal import listed, make_console

app = typer.Typer(help="Find and describe run folders.", no_args_is_help=True)


@app.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look, folders below it included.", callback=at_home)] = Path(
        "runs"
    ),
) -> None:
    """Every run folder below a folder: its state, suites and methods, and when it was begun."""
    console = make_console(markup=False)
    found = merging.find_runs(folder)
    for path in found:
        try:
            seen = overview(path)
        except BenchError as error:  # one that another version wrote must not hide the others
            console.print(f"{printable(path)}: {one_line(error)}", style="yellow")
            continue
        run = seen.data.run
        sweep = f", ablation of {run.config['ablation']}" if run.config.get("ablation") else ""
        about = f"{', '.join(run.suites)}{sweep}: {listed(run.methods)}"
        console.print(f"{printable(path)}: {_progress(seen)}; {about}; {run.created}")
    if not found:
        console.print(f"no runs in {printable(folder)}")


@app.command("show")
def show_run(run_folder: RunArgument) -> None:
    """What a run covers, how far it is, and what made it."""
    seen = overview(run_folder)
    run, console = seen.data.run, make_console(markup=False)
    lines = [f"{seen.data.name}: {_progress(seen)}", f"begun {run.created} by {run.written_by or 'an early version'}"]
    for name, suite in run.suites.items():
        cases = len({item.case for item in seen.data.plan if item.suite == name})
        lines.append(f"suite {name} ({suite.kind}, {suite.size} px, revision {suite.digest[:12]}): {cases} cases")
        lines.append(f"  primary metrics: {', '.join(run.primary.get(name, [])) or 'none'}")
    for method in run.methods:
        stamps = ", ".join(filter(None, ["reference" if run.is_control(method) else "", run.method_grades.get(method)]))
        lines.append(f"method {method} ({stamps or 'real'})")
    for backend in run.backends:
        weights = backend.weights[:12] or "none"
        lines.append(f"face backend {backend.name} {backend.version} ({backend.grade}), weights {weights}")
    lines.append(f"metrics: {', '.join(run.metrics)}")
    for status, count in sorted(seen.outputs.items()):
        lines.append(f"outputs {status}: {count}")
    for line in lines:
        console.print(line)


def _progress(seen: RunOverview) -> str:
    done = seen.planned - seen.outputs["missing"]
    return f"{seen.state}, {done}/{seen.planned} outputs, {seen.scores}/{seen.planned_scores} scores"
