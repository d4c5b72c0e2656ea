"""The report of a run: a folder with a page, a table per suite, a contact sheet per suite, and what it cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..core.errors import AssetError, ManifestError, Status
from ..core.files import atomic_path, write_text
from ..harness.config import stored_config
from ..harness.media import COMPARISON
from ..harness.plan import PlanItem
from ..harness.run_file import BackendAbout, MetricAbout, ProvenanceAbout, RunFile, load_plan, load_run
from ..harness.session import Session
from ..harness.store import Store, storing
from .ablation import about_ablation, draw_ablation
from .compare import compare
from .comparison_table import LEGEND, comparison_table
from .contact_sheet import contact_sheet
from .cost import cost
from .records_frame import compact
from .tables import csv_text, failures, low_coverage, markdown, markdown_table, summarise


class Report(NamedTuple):
    """The numbers of a report.

    Attributes:
        summary: A row per suite, method and metric; see :func:`reports.tables.summarise`.
        comparison: A row per suite, method with a baseline and metric; see :func:`reports.compare.compare`.
    """

    summary: pd.DataFrame
    comparison: pd.DataFrame


def write_report(folder: Path, session: Session | None = None) -> Report:
    """Write ``<folder>/report`` and ``<folder>/records.parquet``.

    All files but ``cost.csv`` (see :mod:`.cost`) depend on the results alone, so that equal results give equal bytes.

    Args:
        folder: A run folder, finished or not.
        session: The session of the run, if there is one; else it is made from the run's own configuration.

    Returns:
        The summary and the comparison with the baseline, which is empty when the run has none.

    Raises:
        StoreError: When the folder is not a run, or cannot be written.
    """
    run = load_run(folder)
    session = session or session_of(folder, run)
    frame = compact(folder)
    numbers = Report(summarise(frame, run), compare(frame, run))
    report = folder / "report"
    plan = load_plan(folder, run)
    store = Store(folder)
    store.load()
    sheets: list[str] = []
    with storing(report):
        draw_ablation(report, run, frame)
        for suite in run.suites:
            items = [item for item in plan if item.suite == suite]
            if not items:
                continue
            _write_tables(report, suite, numbers)
            try:
                sheet = contact_sheet(session, store, items)
            except (ManifestError, AssetError):
                continue  # the numbers stand without the media, which may be on another machine
            with atomic_path(report / f"{suite}.png") as temporary:
                sheet.save(temporary)
            sheets.append(suite)
        write_text(report / "index.md", _page(run, frame, numbers, crowded(store, plan), sheets))
        write_text(report / "cost.csv", csv_text(cost(store)))
    return numbers


def session_of(folder: Path, run: RunFile) -> Session:
    """Make the session that a run folder's configuration describes, wherever the folder has been moved to."""
    return Session(stored_config(run.config, folder))


def crowded(store: Store, plan: Sequence[PlanItem]) -> list[list[str]]:
    """Where several faces were seen, by suite and method: cases, and frames of outputs and of driving clips.

    One of them was followed (the largest at first), but a crowded clip is worth a look.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for item in plan:
        made = store.records.get(("generate", item.key))
        if made is None or made["status"] != Status.OK:
            continue
        scored = (store.records.get(("score", planned.key(made))) for planned in item.metrics)
        flags = [record["several_faces"] for record in scored if record and "several_faces" in record]
        most = {role: max(flag[role] for flag in flags) for role in ("generated", "driving")} if flags else {}
        if any(most.values()):
            counts[item.suite, item.method].update(most | {"cases": 1})
    return [
        [*names, *(str(count[part]) for part in ("cases", "generated", "driving"))] for names, count in counts.items()
    ]


def _write_tables(report: Path, suite: str, numbers: Report) -> None:
    summary, comparison = (table[table["suite"] == suite] for table in numbers)
    write_text(report / f"{suite}.csv", csv_text(summary))
    write_text(report / f"{suite}.md", _tables(numbers, suite))
    compared = report / f"{suite}{COMPARISON}.csv"
    if len(comparison):
        write_text(compared, csv_text(comparison))
    else:
        compared.unlink(missing_ok=True)  # of a run that had a baseline before


def _tables(numbers: Report, suite: str) -> str:
    compared = comparison_table(numbers.comparison, suite)
    return markdown_table(numbers.summary, suite) + (f"\n{compared}" if compared else "")


def _page(run: RunFile, frame: pd.DataFrame, numbers: Report, several: list[list[str]], sheets: list[str]) -> str:
    parts = [f"# {frame['run'].iloc[0] if len(frame) else 'run'}\n"]
    for suite, about in run.suites.items():
        parts.append(f"## {about.title}\n\n`{suite}`, {about.kind}, {about.size} px.\n")
        if about.guides:
            told = "; ".join(f"`{driving}`: {_settings(guides)}" for driving, guides in about.guides.items())
            parts.append(f"Regions driven by pictures of their own: {told}.\n")
        parts.append(_tables(numbers, suite))
        if suite in sheets:
            parts.append(f"![contact sheet of {suite}]({suite}.png)\n")
        else:
            parts.append("No contact sheet: the suite's manifest or media are not where they were.\n")
    parts.append(
        "Cells are means over cases of the mean over frames; a percentage behind one is its coverage, where some "
        "frames or cases have no value.\n"
    )
    if len(numbers.comparison):
        parts.append(LEGEND)
    if warning := low_coverage(numbers.summary):
        parts.append(f"**{warning}**\n")
    if ablation := about_ablation(run, frame):
        parts.append(ablation)
    bad = failures(frame)
    if len(bad):
        rows = [[str(value) for value in row] for row in bad.itertuples(index=False)]
        parts.append("## Values that are missing\n\n" + markdown([str(name) for name in bad.columns], rows))
    if several:
        headers = ["suite", "method", "cases", "output frames", "driving frames"]
        parts.append("## Several faces in a frame\n\n" + markdown(headers, several))
    if noted := [[suite, *row] for suite, about in run.suites.items() for row in _noted(about.notes)]:
        parts.append("## How files were shown\n\n" + markdown(["suite", "asset", "note"], noted))
    parts.append("## What was compared\n\n" + _methods(run))
    parts.append("## What was measured\n\n" + _metrics(run.metrics))
    parts.append("## Who measured\n\n" + _backends(run.backends))
    parts.append("## With what\n\n" + _provenance(run.provenance))
    return "\n".join(parts)


def _noted(notes: Mapping[str, Sequence[str]]) -> list[list[str]]:
    return [[asset_id, note] for asset_id, own in notes.items() for note in own]


def _methods(run: RunFile) -> str:
    """Every method with all its settings, given or not: what a paper leaves open has to be told."""
    rows = [
        [name, run.method_grades.get(name, "real"), _settings(run.method_settings.get(name, {}))]
        for name in run.methods
    ]
    return markdown(["method", "grade", "settings"], rows)


def _metrics(metrics: Mapping[str, MetricAbout]) -> str:
    rows = [
        [name, about.title, about.unit, _settings(about.options), " + ".join(about.backends) or "-"]
        for name, about in metrics.items()
    ]
    return markdown(["metric", "what", "unit", "options", "face models"], rows)


def _settings(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(options.items())) or "-"


def _backends(backends: Sequence[BackendAbout]) -> str:
    rows = []
    for backend in backends:
        name = f"{backend.name} {backend.version}"
        rows.append(
            [name, backend.grade, backend.device, backend.weights[:12], _settings(backend.options), backend.licence]
        )
    return markdown(["backend", "grade", "device", "weights", "options", "licence"], rows)


def _provenance(about: ProvenanceAbout) -> str:
    checkout = about.checkout
    code = (
        f"{checkout['commit']}{' with uncommitted changes' if checkout['dirty'] else ''}" if checkout else "installed"
    )
    packages = ", ".join(f"{name} {version}" for name, version in about.packages.items())
    return (
        f"Code: {code}. Python {about.python} on {about.system} ({about.machine}).\n\n"
        f"Packages: {packages}.\n\nOutputs are stored without loss (PNG, H.264 RGB at crf 0).\n"
    )
