"""Other metrics or face models on the outputs of an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

from .core.digest import canonical_json
from .core.errors import ConfigError
from .core.options import given_path
from .harness.component import ComponentSpec
from .harness.config import RunConfig, stored_config
from .harness.plan import PlanItem, replan_metrics, require_same_inputs
from .harness.run_file import load_plan, load_run
from .harness.runner import Progress
from .harness.session import Session
from .metrics.resolve import resolve
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
    run: Run | AnyPath,
    *,
    only: bool = False,
    progress: Progress | None = None,
    report: bool = True,
    **fields: Unpack[ScoreFields],
) -> Run:
    """Score the outputs of an earlier run again; nothing is generated.

    Args:
        run: A run, or its folder.
        only: Whether the metrics given replace those of the run; else they are added to them.
        progress: Told how far the work is.
        report: Whether to write the report at the end.
        **fields: What changes in its configuration. Other face models without metrics: all metrics they allow.

    Returns:
        The same run, with the new values.

    Raises:
        BenchError: In one line, when the folder is no run, a field does not fit, or an input of the outputs has changed
            since they were made.
    """
    folder = run.folder if isinstance(run, Run) else given_path(run)
    loaded = load_run(folder)
    items = load_plan(folder, loaded)
    changed: dict[str, list[str]] = {"metrics": []} if fields.get("faces") and not fields.get("metrics") else {}
    # All shards: the plan is that of the whole run, and the last command may have been one of several.
    data = loaded.config | dict(fields) | changed | {"shard": "1/1"}
    config = stored_config(data, folder, loaded.working_folder)
    if only and not fields.get("metrics"):
        raise ConfigError("--only: say which metrics with --metric")
    if fields.get("metrics") and not only:
        config = _with_metrics_of(items, config)
    session = Session(config)
    require_same_inputs(session, items)
    return carry_out(session, replan_metrics(session, items), progress, report=report)


def _with_metrics_of(items: Sequence[PlanItem], config: RunConfig) -> RunConfig:
    """The configuration with the metrics of an earlier plan before its own, each form once."""
    earlier = {one.id: one.spec for item in items for one in item.metrics}
    forms: dict[str, ComponentSpec] = {}
    for spec in (*earlier.values(), *config.metrics):
        forms.setdefault(canonical_json(resolve(spec.name, spec.options).fingerprint()), spec)
    return config.model_copy(update={"metrics": list(forms.values())})
