"""``bench profile scaling``: throughput by the number of workers, by processes and by Ray, on this machine."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ConfigError
from ..core.files import human_size
from ..core.options import given_path
from .profile_common import check_choice, check_out, print_table, write_found
from .terminal import make_console

if TYPE_CHECKING:
    from ..profiling.scaling import ScalingCost

_MEANS = (
    "outputs/s: once all workers are at work; overhead: what a worker spends on an output beside the method, which "
    "sleeps for a known time and so needs no core; driver CPU: the main process's, for an output with all its stages; "
    "driver memory: its peak above that of the imports; s: the whole run with the start of the workers"
)


def scaling(
    cases: Annotated[int, typer.Option(min=4, help="Size of the suite: 4 for each worker or more.")] = 96,
    seconds: Annotated[float, typer.Option(min=0.001, help="Seconds that the method sleeps over each output.")] = 1.0,
    workers: Annotated[
        list[int] | None, typer.Option("--workers", min=1, help="May be given again. Default: 1, 2, 4.")
    ] = None,
    executor: Annotated[
        list[str] | None, typer.Option("--executor", help="processes or ray; may be given again. Default: both.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the suite and the runs are put meanwhile.")] = None,
    note: Annotated[str, typer.Option(help="Kept in the file: what a reader should know of the machine.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write a JSON file.")] = None,
) -> None:
    """Throughput, overhead of the harness and memory of the main process by the number of workers."""
    from ..profiling.scaling import EXECUTORS, measure_scaling

    out = given_path(out) if out else None
    check_out(out)
    counts, executors = workers or [1, 2, 4], executor or list(EXECUTORS)
    for name in executors:
        check_choice("--executor", name, EXECUTORS)
    if cases < 4 * max(counts):
        raise ConfigError(f"--cases {cases}: must be {4 * max(counts)} or more for {max(counts)} workers")
    console = make_console(markup=False)

    def tell(cost: ScalingCost) -> None:
        console.print(f"{cost.executor}, {cost.workers}: {cost.per_second:.3g} outputs/s", soft_wrap=True)

    arms = [(name, count) for name in executors for count in counts]
    with tempfile.TemporaryDirectory(prefix="bench-profile-", dir=folder) as place:
        found = measure_scaling(Path(place), cases, seconds, arms, tell)
    rows = [
        [
            f"{cost.executor}, {cost.workers}",
            f"{cost.per_second:.3g}",
            f"{1e3 * cost.overhead_seconds:.3g} ms",
            f"{100 * cost.share:.2g} %",
            f"{1e3 * cost.driver_seconds:.3g} ms",
            human_size(cost.driver_bytes),
            f"{cost.seconds:.3g}",
        ]
        for cost in found
    ]
    headers = ["workers", "outputs/s", "overhead", "of the method", "driver CPU", "driver memory", "s"]
    print_table(console, f"{found[0].cases} outputs, {seconds:g} s each", headers, rows)
    console.print(_MEANS, soft_wrap=True)
    write_found(console, {"means": _MEANS, "note": note, "runs": [asdict(cost) for cost in found]}, out)
