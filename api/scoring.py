"""Other metrics or face models on the outputs of an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from .harness.config import stored_config
from .harness.plan import replan_metrics
from .harness.run_file import load_plan, load_run
from .harness.runner import Progress
from .harness.session import Session
from .running import AnyPath, Component, Run, carry_out


class ScoreFields(TypedDict, total=False):
    """Keyword arguments of :func:`score`: the fields of a run that may change."""

    faces: Sequence[Component]
    metrics: Sequence[Component]
    primary: Sequence[str]
    workers: int
    plugins: Sequence[AnyPath]
    cache: AnyPath


def score(
    run: Run | AnyPath, *, progress: Progress | None = None, report: bool = True, **fields: Unpack[ScoreFields]
) -> Run:
    """Score the outputs of an earlier run again; nothing is generated.

    Args:
        run: A run, or its folder.
        progress: Told how far the work is.
        report: Whether to write the report at the end.
        **fields: What changes in its configuration. Other face models without metrics: all metrics they allow.

    Returns:
        The same run, with the new values.

    Raises:
        BenchError: In one line, when the folder is no run or a field does not fit.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    loaded = load_run(folder)
    changed: dict[str, list[str]] = {"metrics": []} if fields.get("faces") and not fields.get("metrics") else {}
    session = Session(stored_config(loaded.config | dict(fields) | changed, folder))
    return carry_out(session, replan_metrics(session, load_plan(folder, loaded)), progress, report=report)
