"""``bench run``, ``bench score``, ``bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..core.errors import ConfigError
from ..harness.config import RunConfig, load_config, stored_config
from ..harness.plan import PlanItem, make_plan, replan_metrics
from ..harness.run_file import load_plan, load_run
from ..harness.runner import RETRIABLE, Runner, Summary
from ..harness.session import Session
from ..reports.render.numbers import duration
from ..reports.render.terminal import print_closing, print_cost, print_results
from ..reports.report import write_report
from .progress import RunProgress

Texts = list[str] | None
_PART = "NAME or NAME:key=value,...; as=LABEL names the row"

SuiteOption = Annotated[Texts, typer.Option("--suite", "-s", help="Suite name or manifest file; repeatable.")]
MethodOption = Annotated[Texts, typer.Option("--method", "-m", help=f"Generator or tuner: {_PART}; repeatable.")]
FacesOption = Annotated[
    Texts, typer.Option("--faces", "-f", help=f"Face backend: {_PART}; first one wins; repeatable.")
]
MetricOption = Annotated[Texts, typer.Option("--metric", help="Metric id; repeatable. Default: all that apply.")]
OutputsOption = Annotated[Texts, typer.Option(help="LABEL=FOLDER with results made elsewhere; repeatable.")]
CaseOption = Annotated[Texts, typer.Option("--case", help="Case id or pattern like 'id01__*'; repeatable.")]
PluginOption = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file that registers things.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", "-w", min=1, help="Worker processes on this machine.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder for assets and face features.")]
OutOption = Annotated[Path | None, typer.Option(help="Folder of run folders. Default: runs")]
BaselineOption = Annotated[str | None, typer.Option("--baseline", "-b", help="Generator that tuners build on.")]
FullOption = Annotated[bool | None, typer.Option("--full", help="All cases of the embedded suites, not a first look.")]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        help="Weights of the baseline (without one: of every method): a folder, or random-tiny for a dry run of the "
        "whole chain, which measures nothing.",
        metavar="DIR|random-tiny",
    ),
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most this many cases of each suite.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of the run. Default: 0")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps. Default: cpu")]
NameOption = Annotated[str | None, typer.Option(help="Run folder's name. Default: the suites' names.")]


def run(
    suite: SuiteOption = None,
    method: MethodOption = None,
    baseline: BaselineOption = None,
    weights: WeightsOption = None,
    faces: FacesOption = None,
    metric: MetricOption = None,
    outputs: OutputsOption = None,
    case: CaseOption = None,
    limit: LimitOption = None,
    full: FullOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads per worker. Default: 1")] = None,
    shard: Annotated[str | None, typer.Option(help="i/n: do only the i-th of n parts of the cases.")] = None,
    case_timeout: Annotated[float | None, typer.Option(help="Seconds one case may take.")] = None,
    retry_failed: Annotated[
        bool | None, typer.Option(help="Do crashed, timed out and out-of-memory work again. Default: no")
    ] = None,
    fail_on_error: Annotated[bool | None, typer.Option(help="Exit with 1 when a case failed. Default: no")] = None,
    plugin: PluginOption = None,
    out: OutOption = None,
    name: NameOption = None,
    cache: CacheOption = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with these fields.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Print what would be done and stop.")] = False,
) -> None:
    """Generate, look, score and report. Running the same command again goes on where it was stopped."""
    flags = {
        "suites": suite,
        "methods": [*(method or []), *_outputs(outputs)],
        "baseline": baseline,
        "weights": weights,
        "faces": faces,
        "metrics": metric,
        "cases": case,
        "limit": limit,
        "full": full,
        "seed": seed,
        "device": device,
        "workers": workers,
        "threads": threads,
        "shard": shard,
        "case_timeout": case_timeout,
        "retry_failed": retry_failed,
        "fail_on_error": fail_on_error,
        "plugins": plugin,
        "out": out,
        "name": name,
        "cache": cache,
    }
    given = {key: value for key, value in flags.items() if value is not None and value != []}
    session = Session(load_config(config, given))
    if dry_run:
        _print_plan(make_plan(session), session)
        return
    carry_out(session, None)


def score(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    faces: FacesOption = None,
    metric: MetricOption = None,
    workers: WorkersOption = None,
    plugin: PluginOption = None,
    cache: CacheOption = None,
) -> None:
    """Score the outputs of an earlier run again, with other metrics or face models; nothing is generated."""
    loaded = load_run(run_folder)
    flags: dict[str, Any] = {"faces": faces, "metrics": metric, "workers": workers, "plugins": plugin, "cache": cache}
    if faces and not metric:
        flags["metrics"] = []
    given = {key: value for key, value in flags.items() if value is not None}
    session = Session(stored_config(loaded.config | given, run_folder))
    carry_out(session, replan_metrics(session, load_plan(run_folder, loaded)))


def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    all_metrics: Annotated[bool, typer.Option("--all-metrics", help="Print the exploratory metrics as well.")] = False,
) -> None:
    """Write the tables and contact sheets of a run again."""
    console = Console(highlight=False, markup=False)
    model = write_report(run_folder)
    print_results(console, model, all_metrics=all_metrics)
    print_cost(console, model.cost)
    print_closing(console, model, run_folder / "report" / "index.md")


def carry_out(session: Session, plan: list[PlanItem] | None) -> None:
    """Do what a session is asked to do, write its report, and print the tables; ``plan`` as for :class:`Runner`.

    Raises:
        typer.Exit: With 1 when a case failed and the configuration asks for that.
    """
    console = Console(highlight=False, markup=False)
    config = session.config
    with RunProgress(console) as progress:
        summary = Runner(session, progress, plan).run()
    model = write_report(config.folder)
    print_results(console, model)
    print_cost(console, model.cost)
    _print_summary(console, summary, progress, config)
    print_closing(console, model, config.folder / "report" / "index.md")
    if summary.failures and config.fail_on_error:
        raise typer.Exit(1)


def _print_summary(console: Console, summary: Summary, progress: RunProgress, config: RunConfig) -> None:
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in progress.seconds.items())
    done = f"{summary.items} outputs; {summary.reused} steps reused, {summary.performed} done ({spent})"
    console.print(done, soft_wrap=True)
    if summary.calls:
        calls = ", ".join(f"{name} {count}" for name, count in sorted(summary.calls.items()))
        console.print(f"shown to face models: {calls}", soft_wrap=True)
    if summary.failures:
        failed = ", ".join(f"{count} {status}" for status, count in sorted(summary.failures.items()))
        hint = " (try them again with --retry-failed)" if summary.failures.keys() & RETRIABLE else ""
        console.print(f"without an output: {failed}{hint}")
    pictures = sorted((config.folder / "report").glob("*.png"))
    console.print(f"pictures: {', '.join(str(path) for path in pictures)}", soft_wrap=True)


def _print_plan(plan: list[PlanItem], session: Session) -> None:
    console = Console(highlight=False, markup=False)
    for suite in dict.fromkeys(item.suite for item in plan):
        own = [item for item in plan if item.suite == suite]
        cases = len({item.case for item in own})
        metrics = ", ".join(part.id for part in own[0].metrics) or "none"
        console.print(f"{suite}: {cases} cases x {len(session.labels)} methods ({', '.join(session.labels)})")
        console.print(f"  metrics: {metrics}", soft_wrap=True)
    console.print(f"run folder: {session.config.folder}", soft_wrap=True)


def _outputs(texts: Texts) -> list[dict[str, Any]]:
    specs: list[dict[str, Any]] = []
    for text in texts or []:
        label, equals, folder = text.partition("=")
        if not equals or not label or not folder:
            raise ConfigError(f"--outputs {text!r}: write LABEL=FOLDER")
        specs.append({"name": "outputs", "label": label, "options": {"dir": folder}})
    return specs
