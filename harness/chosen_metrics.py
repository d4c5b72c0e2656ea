"""Which metrics a run computes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..core.errors import ConfigError
from ..datasets.manifest import SuiteKind
from ..metrics import METRICS
from ..metrics.base import Metric
from ..metrics.resolve import default_metrics, resolve
from .config import RunConfig
from .making import making


def chosen_metrics(config: RunConfig, kind: SuiteKind, provided: Collection[str]) -> list[Metric]:
    """The metrics for a kind of suite: those asked for, or all that the face models allow.

    Args:
        config: What the run is asked to do.
        kind: Kind of the suite.
        provided: Face features that the run's backends give.

    Raises:
        ConfigError: When a metric asked for needs a face feature that no backend gives.
    """
    with making("metrics"):
        if not config.metrics:
            return default_metrics(kind, set(provided))
        chosen = [resolve(spec.name, spec.options) for spec in config.metrics]
    ids = form_ids(chosen)
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise ConfigError(f"metrics: {twice[0]} stands twice: leave it out once")
    for metric in chosen:
        lacking = sorted(set(metric.spec.needs) - set(provided))
        if lacking:
            raise ConfigError(
                f"metric {metric.spec.name}: needs {lacking[0]}, which none of the face backends "
                f"[{', '.join(spec.name for spec in config.faces)}] gives: add one with --faces"
            )
    return [metric for metric in chosen if kind in metric.spec.kinds]


def form_ids(metrics: Sequence[Metric]) -> list[str]:
    """What tables call metrics: their ids; of several forms of one metric those that are not the default say how.

    Two forms of PSNR are ``psnr_mask/1`` and ``psnr_mask[mask=hull]/1``.
    """
    ids = [metric.spec.id for metric in metrics]
    return [_own_id(metric) if ids.count(metric.spec.id) > 1 else metric.spec.id for metric in metrics]


def _own_id(metric: Metric) -> str:
    default = METRICS.get(metric.spec.name.partition("[")[0])({}).options
    own = [f"{key}={value}" for key, value in metric.options.items() if key != "model" and value != default.get(key)]
    if not own:
        return metric.spec.id
    name, _, version = metric.spec.id.partition("/")
    stem, _, model = name.rstrip("]").partition("[")
    return f"{stem}[{','.join(filter(None, [model, *own]))}]/{version}"
