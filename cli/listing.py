"""``bench metrics|methods|suites``: what there is, and what each thing means."""

from __future__ import annotations

import inspect
import textwrap
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..core.errors import BenchError, one_line
from ..core.options import Options, describe_options
from ..datasets.catalog import SUITES, open_suite
from ..harness.session import default_cache
from ..methods import METHODS
from ..methods.tuned import is_tuner_class
from ..metrics.resolve import all_metrics, explain, resolve

metrics_app = typer.Typer(help="List and explain metrics.", no_args_is_help=True)
methods_app = typer.Typer(help="List and explain generators and tuners.", no_args_is_help=True)
suites_app = typer.Typer(help="List suites and their cases.", no_args_is_help=True)


@metrics_app.command("list")
def list_metrics() -> None:
    """Every metric with its unit, direction and what it needs."""
    table = Table("id", "", "unit", "per", "needs", "benchmarks")
    for metric in all_metrics():
        spec = metric.spec
        arrow = "↑" if spec.higher_is_better else "↓"
        needs = ", ".join(spec.needs) or "-"
        table.add_row(spec.id, arrow, spec.unit, spec.level, needs, ", ".join(spec.kinds))
    Console(markup=False).print(table)


@metrics_app.command("explain")
def explain_metric(metric: Annotated[str, typer.Argument(help="Metric id, with or without its version.")]) -> None:
    """Exactly what a metric computes, and where the definition comes from."""
    typer.echo(explain(resolve(metric)))


@methods_app.command("list")
def list_methods() -> None:
    """Every generator and tuner. One that cannot be imported is listed with the reason."""
    table = Table("method", "kind", "from", "what it does")
    for name in METHODS:
        try:
            kind = "tuner" if is_tuner_class(name) else "generator"
            summary = (inspect.getdoc(METHODS.get(name)) or "").partition("\n")[0].replace("``", "")
        except BenchError as error:
            kind, summary = "broken", one_line(error)
        table.add_row(name, kind, METHODS.origin(name), summary)
    Console(markup=False).print(table)


@methods_app.command("explain")
def explain_method(method: Annotated[str, typer.Argument(help="Method name.")]) -> None:
    """A method's own description, and its options with their defaults."""
    made = METHODS.get(method)
    about = (inspect.getdoc(made) or "no description").partition("\nArgs:")[0]
    typer.echo(about.rstrip())
    if licence := getattr(made, "licence", ""):
        typer.echo(f"\nLicence of its weights: {licence}")
    options = describe_options(getattr(made, "options_model", Options))
    if not options:
        return
    typer.echo(f"\nOptions, as in {method}:{options[0].name}=VALUE,...")
    for option in options:
        typer.echo(f"  {option.name} ({option.default})")
        for line in textwrap.wrap(option.text, width=96):
            typer.echo(f"      {line}")


@suites_app.command("list")
def list_suites() -> None:
    """Every suite, with the number of its cases."""
    table = Table("suite", "kind", "cases", "from", "title")
    for name in SUITES:
        try:
            suite = open_suite(name, default_cache()).suite
            row = (name, str(suite.kind), str(len(suite.cases())), SUITES.origin(name), suite.title)
        except BenchError as error:
            row = (name, "broken", "-", SUITES.origin(name), one_line(error))
        table.add_row(*row)
    Console(markup=False).print(table)


@suites_app.command("show")
def show_suite(suite: Annotated[str, typer.Argument(help="Suite name or manifest file.")]) -> None:
    """A suite's cases, a line each: id, identity asset, driving asset and its frames."""
    for case in open_suite(suite, default_cache()).suite.cases():
        first, last = case.driving.start, case.driving.start + case.driving.frames - 1
        typer.echo(f"{case.id}\t{case.identity.asset}\t{case.driving.asset}\tframes {first}-{last}")
