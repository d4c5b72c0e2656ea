"""``bench metrics|methods|suites``: what there is, and what each thing means."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import BenchError, ConfigError, one_line
from ..core.options import Options, describe_options
from ..core.registry import load_plugin
from ..datasets.catalog import SUITES, open_suite
from ..harness.component import ComponentSpec, component_spec
from ..harness.config import check_config
from ..harness.session import Session, default_cache
from ..methods import METHODS
from ..methods.base import Generator, Tuner
from ..methods.tuned_method import is_tuner_class
from ..metrics import conventions
from ..metrics.resolve import all_metrics, explain, resolve
from .flags import PluginOption
from .terminal import make_console, print_table, say

metrics_app = typer.Typer(help="List and explain metrics.", no_args_is_help=True)
methods_app = typer.Typer(help="List and explain generators and tuners.", no_args_is_help=True)
suites_app = typer.Typer(help="List suites and their cases.", no_args_is_help=True)


@metrics_app.command("list")
def list_metrics(plugin: PluginOption = None) -> None:
    """Every metric with its unit, direction and what it needs."""
    load_plugins(plugin)
    rows = []
    for metric in all_metrics():
        spec = metric.spec
        arrow = "↑" if spec.higher_is_better else "↓"
        needs, kinds = ", ".join(spec.needs) or "-", ", ".join(spec.kinds)
        rows.append([spec.id, arrow, spec.level, spec.unit, needs, kinds])
    print_table(make_console(), ["id", "", "per", "unit", "needs", "benchmarks"], rows)


@metrics_app.command("explain")
def explain_metric(
    metric: Annotated[
        str,
        typer.Argument(help=f"Metric id, with or without its version; {conventions.NAME}: what they all share."),
    ],
    plugin: PluginOption = None,
) -> None:
    """Exactly what a metric computes, and where the definition comes from."""
    load_plugins(plugin)
    say(conventions.conventions_text() if metric == conventions.NAME else explain(resolve(metric)))


@methods_app.command("list")
def list_methods(plugin: PluginOption = None) -> None:
    """Every generator and tuner. One that cannot be imported is listed with the reason."""
    load_plugins(plugin)
    rows = []
    for name in METHODS:
        try:
            kind = "tuner" if is_tuner_class(name) else "generator"
            summary = (inspect.getdoc(METHODS.get(name)) or "").partition("\n")[0].replace("``", "")
        except BenchError as error:
            kind, summary = "broken", one_line(error)
        rows.append([name, kind, METHODS.origin(name), summary])
    print_table(make_console(), ["method", "kind", "from", "what it does"], rows)


@methods_app.command("explain")
def explain_method(
    method: Annotated[str, typer.Argument(help="Method name.")],
    baseline: Annotated[
        str | None, typer.Option("--baseline", "-b", help="Show a tuner's defaults on this generator.")
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """A method's own description, its options with their defaults, and a tuner's sweeps."""
    load_plugins(plugin)
    say(method_text(method, None if baseline is None else component_spec(baseline, "--baseline")))


def method_text(name: str, baseline: ComponentSpec | None = None) -> str:
    """Say in plain text what a method is.

    Args:
        name: Registry name.
        baseline: For a tuner: the generator whose defaults are told instead of the tuner's own.

    Raises:
        ConfigError: When the name is unknown, or the baseline is nothing that the method can tune.
    """
    made = METHODS.get(name)
    lines = [(inspect.getdoc(made) or "no description").partition("\nArgs:")[0].rstrip()]
    if licence := made.licence if issubclass(made, Generator) else "":
        lines.append(f"\nLicence of its weights: {licence}")
    model = made.options_model
    changed = _changed(name, model, baseline) if baseline else {}
    options = describe_options(model, changed)
    if options:
        lines.append(f"\nOptions, as in {name}:{options[0].name}=VALUE,...")
    where = f", with {baseline.name}" if baseline else ""
    for option in options:
        lines.append(f"  {option.name} ({option.default}{where if option.name in changed else ''})")
        lines += textwrap.wrap(option.text, width=96, initial_indent=" " * 6, subsequent_indent=" " * 6)
    sweeps = made.sweeps if issubclass(made, Tuner) else {}
    if sweeps:
        lines.append("\nSweeps, as in bench ablate NAME")
    for sweep, about in sweeps.items():
        lines.append(f"  {sweep} ({','.join(map(str, about.values)) or 'takes no values'})")
        lines += textwrap.wrap(about.help, width=96, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def _changed(name: str, model: type[Options], baseline: ComponentSpec) -> dict[str, Any]:
    """The tuner's options whose values on this generator are not the tuner's own defaults."""
    if not is_tuner_class(name):
        raise ConfigError(f"--baseline: method {name} is no tuner, its defaults are the same everywhere")
    session = Session(check_config({"baseline": baseline, "methods": [name]}, "flags"))
    in_effect = session.method(session.labels[-1]).settings
    fields = model.model_fields.items()
    own = {key: field.get_default(call_default_factory=True) for key, field in fields if not field.is_required()}
    plain = model.model_construct(**own).model_dump(mode="json")
    return {key: value for key, value in in_effect.items() if key in plain and value != plain[key]}


def load_plugins(paths: list[Path] | None) -> None:
    """Run plug-in files, so that what they register is listed too."""
    for path in paths or []:
        load_plugin(path)


@suites_app.command("list")
def list_suites(plugin: PluginOption = None) -> None:
    """Every suite, with the number of its cases."""
    load_plugins(plugin)
    rows = []
    for name in SUITES:
        try:
            suite = open_suite(name, default_cache()).suite
            row = (name, str(suite.kind), str(len(suite.cases())), SUITES.origin(name), suite.title)
        except BenchError as error:
            row = (name, "broken", "-", SUITES.origin(name), one_line(error))
        rows.append(row)
    print_table(make_console(), ["suite", "kind", "cases", "from", "title"], rows)


@suites_app.command("show")
def show_suite(suite: Annotated[str, typer.Argument(help="Suite name or manifest file.")]) -> None:
    """A suite's cases, a line each: id, identity asset, driving asset and its frames."""
    for case in open_suite(suite, default_cache()).suite.cases():
        first, last = case.driving.start, case.driving.start + case.driving.frames - 1
        say(f"{case.id}\t{case.identity.asset}\t{case.driving.asset}\tframes {first}-{last}")
