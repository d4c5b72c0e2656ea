"""The report model: every number of a report, computed once from a run folder's records. Renderers print it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..core.errors import Status
from ..datasets.manifest import SuiteKind
from ..harness.run_file import RunFile
from ..metrics.primary import unmeasured
from .ablation import panels
from .compare import compare
from .cost import cost
from .details import score_details
from .plots import Panel
from .records_frame import tidy_frame
from .run_data import RunData, read_run
from .tables import common_cases, failures, low_coverage, summarise

CROWDED_COLUMNS = ["suite", "method", "cases", "generated", "driving"]


@dataclass(frozen=True, eq=False)
class ReportModel:
    """What a report says, without a word of how it is laid out.

    Attributes:
        name: The run's name, that of its folder.
        run: Suites, methods with their settings, metrics with their definitions, face backends, provenance.
        frame: All values; see :mod:`reports.records_frame`.
        summary: A row per suite, method and metric; see :func:`reports.tables.summarise`.
        comparison: A row per suite, competitor with a baseline and metric; see :func:`reports.compare.compare`.
        common: Means over the cases common to all competitors; see :func:`reports.tables.common_cases`.
        failures: What is missing, and why; see :func:`reports.tables.failures`.
        low_coverage: Methods whose means leave out much.
        crowded: Where several faces were seen; see :func:`crowded`.
        details: Mask fractions and capped frames; see :func:`reports.details.score_details`.
        cost: Seconds and memory by stage; see :func:`reports.cost.cost`.
        ablation: What the plot of an ablation shows; empty for other runs.
        unmeasured: By suite: what the paper calls the primary metrics that are not measured, with their choices.
        notes: What a reader has to know besides, a sentence each.
    """

    name: str
    run: RunFile
    frame: pd.DataFrame
    summary: pd.DataFrame
    comparison: pd.DataFrame
    common: pd.DataFrame
    failures: pd.DataFrame
    low_coverage: list[str]
    crowded: pd.DataFrame
    details: pd.DataFrame
    cost: pd.DataFrame
    ablation: list[list[Panel]]
    unmeasured: dict[str, dict[str, tuple[str, ...]]]
    notes: tuple[str, ...] = ()

    @property
    def suites(self) -> list[str]:
        """Suites that anything was planned for, in the run's order."""
        planned = set(self.summary["suite"])
        return [name for name in self.run.suites if name in planned]


def build_report(folder: Path) -> ReportModel:
    """Compute a report from a run folder, finished or not; nothing is written.

    Raises:
        StoreError: When the folder is not a run, another version wrote it, or one of its files is damaged.
    """
    return model_of(read_run(folder))


def model_of(data: RunData) -> ReportModel:
    """Compute a report from what was read of a run folder."""
    frame = tidy_frame(data)
    summary = summarise(frame, data.run)
    return ReportModel(
        name=data.name,
        run=data.run,
        frame=frame,
        summary=summary,
        comparison=compare(frame, data.run),
        common=common_cases(frame, data.run),
        failures=failures(frame, data.folder),
        low_coverage=low_coverage(summary),
        crowded=crowded(data),
        details=score_details(frame),
        cost=cost(data.store),
        ablation=panels(data.run, frame),
        unmeasured={suite: _unmeasured(data.run, suite, summary) for suite in data.run.suites},
        notes=(*left_out_rows(data.run), *_file_notes(data)),
    )


def left_out_rows(run: RunFile) -> list[str]:
    """Rows that an ablation cannot have on its generator, a sentence each."""
    rows: dict[str, str] = run.config.get("ablation_left_out") or {}
    return [f"The row {name} of this ablation is left out: {reason}." for name, reason in rows.items()]


def _file_notes(data: RunData) -> Iterator[str]:
    """What happened to output files since they were made."""
    if data.changed:
        yield (
            f"{len(data.changed)} outputs have changed on disk since they were made and count as missing: "
            "give the bench run command again."
        )
    if data.gone:
        yield (
            f"{len(data.gone)} output files are not in the run folder any more ({data.gone[0]}"
            f"{', ...' if len(data.gone) > 1 else ''}); their values are those of when they were made."
        )


def _unmeasured(run: RunFile, suite: str, summary: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The benchmark's primary metrics that are not measured; empty where the configuration names others."""
    if run.config.get("primary"):
        return {}
    measured = set(summary.loc[summary["suite"] == suite, "metric"])
    return {column.title: column.choices for column in unmeasured(SuiteKind(run.suites[suite].kind), measured)}


def crowded(data: RunData) -> pd.DataFrame:
    """Where several faces were seen, by suite and method: cases, and frames of outputs and of driving clips.

    One of them was followed (the largest at first), but a crowded clip is worth a look.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    records = data.store.records
    for item in data.plan:
        made = records.get(("generate", item.key))
        if made is None or made["status"] != Status.OK:
            continue
        scored = (records.get(("score", planned.key(made))) for planned in item.metrics)
        flags = [record["several_faces"] for record in scored if record and "several_faces" in record]
        most = {role: max(flag[role] for flag in flags) for role in ("generated", "driving")} if flags else {}
        if any(most.values()):
            counts[item.suite, item.method].update(most | {"cases": 1})
    rows = [[*names, *(count[part] for part in CROWDED_COLUMNS[2:])] for names, count in counts.items()]
    return pd.DataFrame(rows, columns=CROWDED_COLUMNS)
