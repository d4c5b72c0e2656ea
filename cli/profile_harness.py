"""``bench profile harness``: what plan, run, resume and report cost by themselves, on this machine and file system."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import ConfigError
from ..core.files import human_size
from ..core.options import given_path
from .profile_common import check_out, print_table, write_found
from .terminal import make_console

if TYPE_CHECKING:
    from ..profiling.harness_cost import PhaseCost

_MEANS = (
    "s: wall seconds; CPU s: of the process itself, without its start; memory: peak above that of the imports; "
    "a case has two rows, baseline and method, whose outputs are equal and so are made, seen and scored once"
)


def harness(
    cases: Annotated[
        list[int] | None, typer.Option("--cases", help="Size of a suite; may be given again. Default: 100, 1000.")
    ] = None,
    largest_run: Annotated[
        int, typer.Option(help="Above so many cases the run folder is filled without a run, then resumed and reported.")
    ] = 10_000,
    folder: Annotated[
        Path | None, typer.Option(help="Where the suites and runs are put meanwhile: the file system that is measured.")
    ] = None,
    executor: Annotated[str, typer.Option(help="As for bench run.")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="As for bench run.")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="Seconds that the method sleeps over each output.")] = 0.0,
    note: Annotated[str, typer.Option(help="Kept in the file: what a reader should know of the machine.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write a JSON file.")] = None,
) -> None:
    """Time and memory of plan, run, resume and report with a method that costs nothing, by the number of cases."""
    out = given_path(out) if out else None
    check_out(out)
    sizes = cases or [100, 1000]
    if min(sizes) < 4:
        raise ConfigError(f"--cases {min(sizes)}: must be 4 or more")
    from ..profiling.harness_cost import measure

    console = make_console(markup=False)

    def tell(cost: PhaseCost) -> None:
        console.print(f"{cost.cases} cases: {cost.phase} {cost.seconds:.3g} s")

    more: dict[str, Any] = {"executor": executor, "workers": workers}
    if seconds:
        more |= {"baseline": f"free:seconds={seconds},as=base", "methods": [f"free:seconds={seconds},as=other"]}
    with tempfile.TemporaryDirectory(prefix="bench-profile-", dir=folder) as place:
        found = measure(Path(place), sizes, more, tell, largest_run)
    rows = [
        [
            f"{cost.cases} {cost.phase}",
            f"{cost.seconds:.3g}",
            f"{cost.processor_seconds:.3g}",
            f"{1e3 * cost.processor_seconds / cost.cases:.3g}",
            human_size(cost.peak_bytes),
        ]
        for cost in found
    ]
    headers = ["cases, phase", "s", "CPU s", "CPU ms a case", "memory"]
    print_table(console, f"what the harness costs, executor {executor}", headers, rows)
    console.print(_MEANS)
    data = {"executor": executor, "workers": workers, "method_seconds": seconds, "means": _MEANS, "note": note}
    write_found(console, data | {"phases": [asdict(cost) for cost in found]}, out)
