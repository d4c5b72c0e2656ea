"""Which metrics a run computes."""

from __future__ import annotations

from collections.abc import Collection

from ..core.errors import ConfigError
from ..datasets.manifest import SuiteKind
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
    ids = [metric.spec.id for metric in chosen]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise ConfigError(f"metrics: {twice[0]} stands twice: two forms of one metric need a run each (--name)")
    for metric in chosen:
        lacking = sorted(set(metric.spec.needs) - set(provided))
        if lacking:
            raise ConfigError(
                f"metric {metric.spec.name}: needs {lacking[0]}, which none of the face backends "
                f"[{', '.join(spec.name for spec in config.faces)}] gives: add one with --faces"
            )
    return [metric for metric in chosen if kind in metric.spec.kinds]
