"""A paper's tables and figures from run folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .core.errors import ConfigError
from .core.options import given_path
from .running import AnyPath, session_for

if TYPE_CHECKING:
    from .reports.paper.write import Written


def paper(runs: Sequence[AnyPath], out: AnyPath, *, cases: Sequence[str] = ()) -> Written:
    """Write Table 1 and the qualitative figures of runs, and the tables and plots of ablations, into one folder.

    Args:
        runs: Run folders, those of ``bench ablate`` among them.
        out: The folder to write.
        cases: Ids of the cases that the pictures show; empty for some, spread evenly over each suite.

    Returns:
        What was written, and what could not be shown.

    Raises:
        BenchError: In one line, when runs do not fit together, or a face model or the folder cannot be opened.
    """
    from .faces.base import LANDMARKS
    from .reports.merge import read_runs
    from .reports.paper.write import write_paper

    folder = given_path(out)
    if (folder / "run.json").exists():
        raise ConfigError(f"--out {folder}: is a run: give a folder of its own for the paper")
    read = read_runs([given_path(run) for run in runs])
    observer = session_for(None, next(iter(read.values())).run.config).observer
    return write_paper(read, folder, lambda clip: observer.observe(clip, [LANDMARKS]).landmarks, cases)
