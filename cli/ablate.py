"""``bench ablate NAME``: a sweep that a tuner declares, as an ordinary run whose rows are settings."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import running, sweeping
from ..core.errors import ConfigError
from ..harness.component import component_spec
from ..harness.defaults import EMBEDDED, TUNER
from .estimate import before_a_long_run
from .flags import HOW, WHAT, Given, Texts, takes
from .run import finish
from .terminal import make_console

_FIELDS = ("suites", "baseline", "faces", "metrics", "cases", "limit", "full", "plugins")
_MORE = ("seed", "device", "executor", "workers", "out", "name", "cache")


@takes(*_FIELDS, *_MORE, defaults=dict.fromkeys(sweeping.DEFAULTS, EMBEDDED))
def ablate(
    given: Given,
    sweep: Annotated[
        str,
        typer.Argument(metavar="SWEEP", help="A sweep of the tuner, like losses; bench methods explain lists them."),
    ],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            help=f"The tuner whose sweep it is: NAME or NAME:key=value,... Default: {TUNER}.",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = TUNER,
    settings: Annotated[
        Texts,
        typer.Option("--set", help="Option of the tuner under all rows, like rank=4. Repeatable.", rich_help_panel=HOW),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(help="Numbers that the rows take, like 0,30,60. Default: the sweep's own.", rich_help_panel=WHAT),
    ] = None,
) -> None:
    """Run an ablation of a tuner and draw it; by default on the embedded generator, suite and face model.

    Running the same command again goes on where it was stopped.
    """
    for text in settings or []:
        component_spec(f"{method.partition(':')[0]}:{text}", "--set")  # so that a malformed one is told as what it is
    tuner = method + ("," if ":" in method and settings else ":" if settings else "") + ",".join(settings or [])
    numbers = None if values is None else _numbers(values)
    session = sweeping.session_of(sweep, numbers, method=tuner, **given)
    before_a_long_run(session, make_console(markup=False))
    finish(lambda progress: running.carry_out(session, None, progress, report=False))


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--values {text!r}: give whole numbers with commas between, like 0,30,60") from None
