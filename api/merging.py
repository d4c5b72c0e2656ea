"""Several run folders read as one run: its numbers, its report, and how they differ where they do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .core.errors import ConfigError
from .core.options import given_path
from .harness.run_file import load_run
from .running import AnyPath

if TYPE_CHECKING:
    import pandas as pd

    from .reports.model import ReportModel


def report_runs(runs: Sequence[AnyPath], out: AnyPath, *, against: str = "", single_file: bool = False) -> ReportModel:
    """Write one report of several runs.

    Args:
        runs: Run folders.
        out: The new report's folder: ``records.parquet`` and ``report`` in it.
        against: Row label that all other competitors are compared with; "" leaves each with its own baseline.
        single_file: Whether to write ``report/single.html`` as well.

    Returns:
        The numbers.

    Raises:
        ConfigError: In one line that names the field in which two runs do not fit.
        StoreError: When a folder is no run, or ``out`` is one or cannot be written.
    """
    from .reports.merge import adopt_suites, merge, read_runs
    from .reports.report import write_report_of

    folder = given_path(out)
    if (folder / "run.json").exists():
        raise ConfigError(f"--out {folder}: is a run of its own: give a new folder for the report of several")
    read = read_runs([given_path(run) for run in runs])
    data = merge(read, folder, against)
    adopt_suites(read.values(), folder)
    return write_report_of(data, single_file=single_file)


def compare_runs(runs: Sequence[AnyPath], *, against: str = "") -> ReportModel:
    """The numbers of several runs as one; nothing is written. See :func:`report_runs`.

    A method whose outputs differ between runs is compared with its form in the first of them.
    """
    from .reports.merge import merge, read_runs
    from .reports.model import model_of

    read = read_runs([given_path(run) for run in runs])
    return model_of(merge(read, Path(), against, versions=True))


def side_by_side(runs: Sequence[AnyPath]) -> tuple[pd.DataFrame, list[str]]:
    """Means of runs whose numbers may mean different things, beside each other.

    Returns:
        The summaries of all runs with a column ``run``, in the order given; and in what the runs differ, a line each.
    """
    from itertools import combinations

    import pandas as pd

    from .reports.fitting import differences
    from .reports.merge import read_runs
    from .reports.records_frame import tidy_frame
    from .reports.tables import summarise

    read = read_runs([given_path(run) for run in runs])
    tables = [summarise(tidy_frame(data), data.run).assign(run=name) for name, data in read.items()]
    pairs = combinations(read.items(), 2)
    lines = [f"{a} and {b}: {why}" for (a, one), (b, other) in pairs for why in differences(one.run, other.run)]
    return pd.concat(tables, ignore_index=True), lines


def find_runs(folder: AnyPath) -> list[Path]:
    """Run folders below a folder, itself included, by path; folders inside a run are not looked into.

    Raises:
        ConfigError: When the folder is none.
    """
    root = given_path(folder)
    if not root.is_dir():
        raise ConfigError(f"runs {root}: no such folder (bench run writes its runs to runs/)")
    if (root / "run.json").is_file():
        load_run(root)
        return [root]
    found: list[Path] = []
    for child in sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink()):
        found += [child] if (child / "run.json").is_file() else find_runs(child)
    return found
