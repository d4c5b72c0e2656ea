"""``bench gate`` and ``bench baseline``: a run against a committed baseline, with exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from .. import gating
from ..core.errors import BenchError, one_line
from ..reports.gate.summary import lines
from ..reports.gate.verdict import USAGE, Outcome
from .flags import RunArgument, Texts, at_home
from .terminal import make_console

PYPROJECT = Path("pyproject.toml")

app = typer.Typer(name="baseline", help="Baselines of the gate.", no_args_is_help=True)


class GateCommand(TyperCommand):
    """Ends with the gate's own code where flags do not fit: 2 means something else here."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the flags."""
        try:
            return super().make_context(*args, **kwargs)
        except Exception as error:
            if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # click's UsageError, by its shape
                error.exit_code = USAGE
            raise


class GateUsageError(BenchError):
    """The gate was asked for something that does not fit."""

    exit_code = USAGE


def gate(
    run_folder: RunArgument,
    against: Annotated[
        Path, typer.Option("--against", "-a", help="Baseline file (bench baseline save).", callback=at_home)
    ],
    rule: Annotated[
        Texts,
        typer.Option(
            "--rule",
            help="How much worse is allowed: 'aed_lmk_px512<=+2% sig', 'id_sim>=-0.01', 'loss(primary)<=2%', "
            "'coverage>=-1%', 'time<=1.3x'; with in SUITE, for METHOD, vs METHOD. Repeatable. "
            "Default: those of ./pyproject.toml, else 'loss(primary)<=2% sig'.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules", help="YAML file with a list 'rules', or a pyproject.toml; --rule adds to it.", callback=at_home
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for summary.md, junit.xml and gate.json. Default: RUN/gate.", callback=at_home
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Replace the baseline by this run, whatever the verdict; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why the baseline is renewed; logged in it.")] = "",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List the checks that are fine too; else they are counted.")
    ] = False,
) -> None:
    """Judge a run against a baseline. Exit code: 0 fine, 1 regressed, 2 not comparable, 3 incomplete, 4 wrong usage."""
    console = make_console(markup=False)
    try:
        if reason and not update:
            raise GateUsageError("--reason is for --update")
        found = gating.gate(run_folder, against, _rules(rule, rules), out=out or run_folder / "gate")
        for line in lines(found, verbose=verbose):
            console.print(line)
        console.print(f"report: {(out or run_folder / 'gate') / 'summary.md'}")
        if update:
            gating.renew_baseline(run_folder, against, reason, found.sentence)
            console.print(f"baseline renewed: {against}: commit it")
    except (BenchError, OSError) as error:
        raise GateUsageError(one_line(error, 2000)) from error
    if found.outcome is not Outcome.FINE and not update:
        raise typer.Exit(found.exit_code)


@app.command("save")
def save(
    run_folder: RunArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file; one that is there is replaced.", callback=at_home)
    ],
    note: Annotated[str, typer.Option("--note", help="Words for whoever reads the file.")] = "",
) -> None:
    """Keep a run's values, case by case, as a small text file for bench gate: commit it."""
    count = gating.save_baseline(run_folder, out, note=note)
    make_console(markup=False).print(f"{out}: {count} outputs, {out.stat().st_size / 1024:.0f} KiB: commit it")


def _rules(given: list[str] | None, file: Path | None) -> list[str]:
    """What was asked for; without a word the project's own rules, if it has any."""
    if file is not None:
        return [*gating.rules_of(file), *(given or [])]
    if given or not PYPROJECT.is_file() or "[tool.portraitbench.gate]" not in PYPROJECT.read_text(encoding="utf-8"):
        return given or []
    return gating.rules_of(PYPROJECT)
