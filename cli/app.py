"""The command's entry: verbs, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from types import FrameType
from typing import Annotated

import typer
from rich.markup import escape

from ..core.errors import BenchError, one_line
from . import (
    ablate,
    animate,
    compare,
    config,
    data,
    doctor,
    estimate,
    gate,
    listing,
    paper,
    profile,
    run,
    runs,
    slurm,
    why,
)
from .streams import settle_streams
from .terminal import make_console

INTERRUPTED = 130
"""Exit code after Control-C; typer turns the interruption into an exit with this code by itself."""
TERMINATED = 128 + signal.SIGTERM
"""Exit code after the signal by which job schedulers and service managers end a process."""
PATIENCE = 10.0
"""Seconds for which a command that was told to stop ignores being told again; workers end in less."""

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
app.command("compare")(compare.compare)
app.command("paper")(paper.paper)
app.command("animate")(animate.animate_case)
app.command("ablate")(ablate.ablate)
app.command("estimate")(estimate.estimate)
app.command("slurm")(slurm.slurm)
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
app.add_typer(runs.app, name="runs")


@dataclass
class Settings:
    """What holds for every verb.

    Attributes:
        debug: Whether a user's mistake also shows where it was found.
        terminated: Whether it was the signal to end, not Control-C, that stopped the command.
        deaf_until: Until when, on the system's monotonic clock, more signals are ignored.
    """

    debug: bool = False
    terminated: bool = False
    deaf_until: float = 0.0

    def listen(self) -> None:
        """Answer Control-C and the signal to end from now on; a parent that had Control-C ignored keeps its wish."""
        signal.signal(signal.SIGTERM, self.stop)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self.stop)

    def stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signals call it
        """Answer a signal as Control-C is answered: workers are stopped, what is finished is kept.

        More signals of an impatient person are ignored for :data:`PATIENCE` seconds: one that came while the first
        is on its way up would keep workers from being stopped.
        """
        now = time.monotonic()
        if now < self.deaf_until:
            return
        self.deaf_until = now + PATIENCE
        self.terminated = number == signal.SIGTERM
        raise KeyboardInterrupt


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
    settle_streams()
    errors = make_console(stderr=True)
    settings = Settings()
    if not faulthandler.is_enabled() and sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # a segmentation fault names the method it happened in
    if threading.current_thread() is threading.main_thread():
        settings.listen()
    try:
        app(prog_name="bench", obj=settings)
    except (BenchError, OSError) as error:  # the latter where a disk gave way and nobody counted with it
        if settings.debug:
            traceback.print_exc()
        errors.print(f"[bold red]bench:[/] {escape(one_line(error, 2000))}")
        sys.exit(error.exit_code if isinstance(error, BenchError) else BenchError.exit_code)
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the second one of an impatient person
        errors.print("bench: stopped; what is finished is kept, the same command goes on from there")
        sys.exit(TERMINATED if settings.terminated else INTERRUPTED)
