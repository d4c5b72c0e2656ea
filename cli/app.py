"""The command's entry: verbs, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import io
import sys
import traceback
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ..core.errors import BenchError, one_line
from . import ablate, animate, config, data, doctor, estimate, gate, listing, profile, run, why

INTERRUPTED = 130
"""Exit code after Control-C; typer turns the interruption into an exit with this code by itself."""

app = typer.Typer(
    name="bench",
    help="Benchmark portrait animation: run methods on a suite, measure them, report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("score")(run.score)
app.command("report")(run.report)
app.command("animate")(animate.animate_case)
app.command("ablate")(ablate.ablate)
app.command("estimate")(estimate.estimate)
app.command("gate", cls=gate.GateCommand)(gate.gate)
app.command("why")(why.why)
app.command("doctor")(doctor.doctor)
app.add_typer(gate.app, name="baseline")
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(profile.app, name="profile")
app.add_typer(listing.metrics_app, name="metrics")
app.add_typer(listing.methods_app, name="methods")
app.add_typer(listing.suites_app, name="suites")


@dataclass
class Settings:
    """What holds for every verb.

    Attributes:
        debug: Whether a user's mistake also shows where it was found.
    """

    debug: bool = False


@app.callback(invoke_without_command=True)
def _every_verb(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors, before the verb.")] = False,
) -> None:
    context.ensure_object(Settings).debug = debug
    if show:
        from .. import __version__

        typer.echo(f"portraitbench {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; a user's mistake ends in one line on stderr and exit code 2, without --debug in no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an arrow must not end a run on a terminal that has none
    errors = Console(stderr=True, highlight=False)
    settings = Settings()
    try:
        app(prog_name="bench", obj=settings)
    except (BenchError, OSError) as error:  # the latter where a disk gave way and nobody counted with it
        if settings.debug:
            traceback.print_exc()
        errors.print(f"[bold red]bench:[/] {escape(one_line(error, 2000))}", soft_wrap=True)
        sys.exit(error.exit_code if isinstance(error, BenchError) else BenchError.exit_code)
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        errors.print("bench: stopped; what is finished is kept, the same command goes on from there", soft_wrap=True)
        sys.exit(INTERRUPTED)
