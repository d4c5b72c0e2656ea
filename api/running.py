"""Runs: made by one call, and read back from their folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

from .core.options import given_path
from .harness.component import ComponentSpec, component_spec
from .harness.config import load_config
from .harness.plan import PlanItem, make_plan
from .harness.run_file import RunFile, load_run
from .harness.runner import Progress, Runner, Summary
from .harness.session import Session

if TYPE_CHECKING:
    import pandas as pd

    from .reports.model import ReportModel

Component = str | Mapping[str, Any] | ComponentSpec
"""A method, face backend or metric: "NAME", "NAME:key=value,as=LABEL", or its fields name, label and options."""
AnyPath = str | PathLike[str]


class RunFields(TypedDict, total=False):
    """Keyword arguments of :func:`run`: the fields of :class:`.harness.config.RunConfig`, and ``weights``."""

    suites: Sequence[str]
    methods: Sequence[Component]
    baseline: Component
    weights: str
    faces: Sequence[Component]
    metrics: Sequence[Component]
    primary: Sequence[str]
    cases: Sequence[str]
    limit: int
    full: bool
    seed: int
    device: str
    gpu_in_key: bool
    tf32: bool
    executor: Component
    workers: int
    threads: int
    shard: str
    case_timeout: float
    retry_failed: bool
    fail_on_error: bool
    plugins: Sequence[AnyPath]
    out: AnyPath
    name: str
    cache: AnyPath
    ablation: str


class Run:
    """A run folder, finished or not. Every method reads the folder anew, so that later work on it shows.

    Attributes:
        folder: Where it is.
        outcome: What the call that returned this did; None for a run that was only loaded.
    """

    def __init__(self, folder: Path, outcome: Summary | None = None) -> None:
        self.folder = folder
        self.outcome = outcome

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def about(self) -> RunFile:
        """Configuration, suites, methods, metrics, face backends, versions: the contents of ``run.json``.

        Raises:
            StoreError: When the folder is no run, or the file is damaged.
        """
        return load_run(self.folder)

    @property
    def page(self) -> Path:
        """The report's first page, once :meth:`report` has written it."""
        return self.folder / "report" / "index.html"

    def frame(self) -> pd.DataFrame:
        """All values: a row per suite, case, method, metric and frame, with status, reason and cost.

        Work that failed or is not done yet has rows too, with a NaN value and its status.
        """
        from .reports.records_frame import tidy

        return tidy(self.folder)

    def summary(self) -> pd.DataFrame:
        """Means over cases: a row per suite, method and metric, with coverage and the number of cases."""
        from .reports.tables import summarise

        return summarise(self.frame(), self.about)

    def comparison(self) -> pd.DataFrame:
        """Paired differences from the baseline, with intervals and verdicts; empty for a run without one."""
        from .reports.compare import compare

        return compare(self.frame(), self.about)

    def report(self, *, single_file: bool = False) -> ReportModel:
        """Write the folder's ``report`` and ``records.parquet`` again.

        Args:
            single_file: Whether to write ``single.html`` as well: the page with what fits of its pictures and clips.

        Returns:
            The numbers that stand in it; see :mod:`.reports.model`.
        """
        from .reports.report import write_report

        return write_report(self.folder, single_file=single_file)


class Planned(NamedTuple):
    """What a run would do.

    Attributes:
        folder: The run folder.
        methods: Row labels, in table order.
        items: The outputs, with the metrics that score them.
        inventories: By row label: what a method that looks results up has for the cases, in lines for people.
    """

    folder: Path
    methods: list[str]
    items: list[PlanItem]
    inventories: dict[str, list[str]]


def run(
    config: AnyPath | None = None,
    *,
    progress: Progress | None = None,
    report: bool = True,
    **fields: Unpack[RunFields],
) -> Run:
    """Generate, observe, score and report. The same call goes on where an earlier one was stopped.

    Things that were registered in this process only (``pb.METRICS.add``) are known to ``workers=1``; worker processes
    load the files in ``plugins``.

    Args:
        config: A YAML file with fields.
        progress: Told how far the run is.
        report: Whether to write the report at the end.
        **fields: Fields of :class:`.harness.config.RunConfig`; they win over the file's. Without any this is
            StrucBooth on the embedded generator.

    Returns:
        The run. Cases that failed are rows of its frame; ``run.outcome.failures`` counts them.

    Raises:
        BenchError: In one line, when a field does not fit or the run cannot go on; what was finished is kept.
    """
    return carry_out(session_for(config, fields), None, progress, report=report)


def plan(config: AnyPath | None = None, **fields: Unpack[RunFields]) -> Planned:
    """What :func:`run` would do; nothing is written.

    Raises:
        BenchError: In one line, when a field does not fit.
    """
    session = session_for(config, fields)
    items = make_plan(session)
    lengths = {item.case: session.media.case(item.suite, item.case).driving.frames for item in items}
    inventories = {label: session.method(label).inventory(lengths) for label in session.labels}
    return Planned(session.config.folder, session.labels, items, inventories)


def load(folder: AnyPath) -> Run:
    """Open a run folder.

    Raises:
        StoreError: When it is none.
    """
    found = Run(given_path(folder))
    load_run(found.folder)
    return found


def component(text: str) -> ComponentSpec:
    """Read the short form in which methods, face backends and metrics are named, ``NAME:key=value,as=LABEL``.

    Raises:
        ConfigError: In one line, when it is malformed.

    >>> component("warp:kind=tps,as=soft").label
    'soft'
    """
    return component_spec(text, "component")


def session_for(config: AnyPath | None, fields: Mapping[str, Any]) -> Session:
    """The parts of a run, from a file with fields over it."""
    return Session(load_config(None if config is None else given_path(config), dict(fields)))


def carry_out(
    session: Session,
    items: list[PlanItem] | None,
    progress: Progress | None,
    *,
    report: bool,
    generates: bool | None = None,
) -> Run:
    """Do what a session is asked to do.

    Args:
        session: The parts of the run.
        items: The plan; None plans from the configuration. See :class:`.harness.runner.Runner`.
        progress: Told how far the run is.
        report: Whether to write the report at the end.
        generates: Whether outputs that are missing are made; None makes them unless a plan is given.
    """
    done = Run(session.config.folder, Runner(session, progress, items, generates=generates).run())
    if report:
        done.report()
    return done
