"""The report of a run: a folder with a page, tables and a contact sheet per suite, and what it cost."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from ..core.files import atomic_path, write_text
from ..core.locks import alone
from ..harness.media import COMPARISON
from ..harness.run_file import load_run
from ..harness.store import storing
from ..harness.suite_copy import copied_suites, load_copy
from .ablation import draw_ablation
from .contact_sheet import contact_sheet
from .html.page import write_page
from .model import ReportModel, model_of
from .records_frame import store_frame
from .render.csv import csv_text
from .render.markdown import page, suite_tables
from .run_data import RunData, read_run

_LOCK = ".report"
SHOWN_GONE = 3
"""Missing pictures that are named one by one."""


def write_report(folder: Path, *, single_file: bool = False) -> ReportModel:
    """Write ``<folder>/report`` and ``<folder>/records.parquet`` from what lies in the run folder.

    Neither plug-ins nor face models nor weights are needed. All files but ``cost.csv`` (see :mod:`.cost`) and the HTML
    page, which tells of cost and dates, depend on the results alone, so that equal results give equal bytes.

    Args:
        folder: A run folder, finished or not.
        single_file: Whether to write ``report/single.html`` as well, with its pictures and clips inside.

    Returns:
        The numbers.

    Raises:
        StoreError: When the folder is not a run, another version wrote it, or it cannot be written.
    """
    load_run(folder)  # before a lock is laid into what may be no run folder
    with ExitStack() as held:
        # One after another: a report that began before the last record must not replace one that has it.
        with storing(folder):
            held.enter_context(alone(folder / _LOCK))
        return write_report_of(read_run(folder), single_file=single_file)


def write_report_of(data: RunData, *, single_file: bool = False) -> ReportModel:
    """Write the report of what was read of one or several run folders, into ``data.folder``; see :func:`write_report`.

    Raises:
        StoreError: When it cannot be written.
    """
    model = model_of(data)
    store_frame(data.folder, model.frame)
    report = data.folder / "report"
    with storing(report):
        others = _remove_other_suites(data, report)
        draw_ablation(report, model.ablation)
        notes = [note for note in (others, *(_draw_sheet(data, suite, report) for suite in model.suites)) if note]
        model = replace(model, notes=(*model.notes, *notes))
        for suite in model.suites:
            _write_tables(report, suite, model)
        write_text(report / "index.md", page(model))
        write_text(report / "cost.csv", csv_text(model.cost))
        write_page(data, model, report, single_file=single_file)
    return model


def _draw_sheet(data: RunData, suite: str, report: Path) -> str:
    """Draw a suite's contact sheet; returns a sentence on what it could not show, "" where it shows all."""
    items = [item for item in data.plan if item.suite == suite]
    sheet, gone = contact_sheet(data, load_copy(data.folder, suite), items)
    with atomic_path(report / f"{suite}.png") as temporary:
        sheet.save(temporary, compress_level=1)  # 3 times as fast, a few per cent larger
    gone = list(dict.fromkeys(gone))
    if not gone:
        return ""
    more = f"; and {len(gone) - SHOWN_GONE} more" if len(gone) > SHOWN_GONE else ""
    return f"The contact sheet of {suite} has empty cells: {'; '.join(gone[:SHOWN_GONE])}{more}."


def _remove_other_suites(data: RunData, report: Path) -> str:
    """Take away what an earlier command on this run reported of suites that the run no longer has.

    Returns:
        A sentence that names them, as their values are gone from ``records.parquet`` too; "" where there are none.
    """
    others = sorted(set(copied_suites(data.folder)) - data.run.suites.keys())
    for suite in others:
        for ending in (".md", ".csv", f"{COMPARISON}.csv", ".png"):
            (report / f"{suite}{ending}").unlink(missing_ok=True)
    if not others or not (data.folder / "run.json").is_file():  # a folder of several runs has no commands of its own
        return ""
    return (
        f"The last command on this run folder left out {', '.join(others)}: results of earlier commands are kept, but "
        "neither this report nor records.parquet shows them."
    )


def _write_tables(report: Path, suite: str, model: ReportModel) -> None:
    summary, comparison = (table[table["suite"] == suite] for table in (model.summary, model.comparison))
    write_text(report / f"{suite}.csv", csv_text(summary))
    write_text(report / f"{suite}.md", suite_tables(model, suite))
    compared = report / f"{suite}{COMPARISON}.csv"
    if len(comparison):
        write_text(compared, csv_text(comparison))
    else:
        compared.unlink(missing_ok=True)  # of a run that had a baseline before
