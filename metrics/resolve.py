"""From what a user writes to a metric: ids with versions, and names that mean too many things."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Mapping
from typing import Any

from ..core.errors import ConfigError
from ..datasets.manifest import SuiteKind
from . import METRICS
from .base import ANY_MODEL, Metric
from .conventions import NAME as CONVENTIONS_NAME
from .primary import primary_in

_ABOUT_ALL = (
    f"How frames, faces, landmarks and pixels are taken is the same for all: bench metrics explain {CONVENTIONS_NAME}. "
    "Verdicts are about a benchmark's primary metrics alone: Holm's correction runs over them, and all other metrics "
    "are exploratory. The field 'primary' of a configuration file names others."
)
_ID = re.compile(r"(?P<name>[^\[\]/]+)(\[(?P<model>[^\[\]/]+)\])?(/(?P<version>[^\[\]/]*))?")


def resolve(metric_id: str, options: Mapping[str, Any] | None = None) -> Metric:
    """Make the metric that an id names.

    Args:
        metric_id: "aed_lmk_px512", with its version "aed_lmk_px512/1", or with a face model "aed_coeff_l1[smirk]".
        options: The metric's own options.

    Raises:
        ConfigError: When the id is unknown, is a name under which papers cite several metrics ("AED"), has another
            version than the one here, misses its face model, or an option does not fit.
    """
    match = _ID.fullmatch(metric_id)
    if match is None:
        raise ConfigError(f"metric {metric_id!r}: write a name, a name/version or a name[model]")
    name, model, version = match["name"], match["model"], match["version"]
    _refuse_citation(name)
    factory = METRICS.get(name)
    chosen = dict(options or {})
    if model and chosen.setdefault("model", model) != model:
        raise ConfigError(f"metric {metric_id!r}: its option 'model' says {chosen['model']!r}: name one model")
    has_models = _has_models(factory({}))
    if has_models and "model" not in chosen:
        raise ConfigError(f"metric {name!r} has one form per face model: name the model, as in {name}[smirk]")
    if model and not has_models:
        raise ConfigError(f"metric {metric_id!r}: {name} has no forms per face model: leave [{model}] out")
    metric = factory(chosen)
    known = metric.spec.id.partition("/")[2]
    if version is not None and version != known:
        raise ConfigError(f"metric {metric_id!r}: the version here is {known}: write {metric.spec.id}")
    return metric


def all_metrics() -> list[Metric]:
    """Every registered metric in its default form; those with one form per face model still lack the model."""
    return [METRICS.get(name)({}) for name in METRICS]


def default_metrics(kind: SuiteKind, features: Collection[str], *, targets: bool = True) -> list[Metric]:
    """Choose the metrics that apply to a benchmark.

    Args:
        kind: The benchmark.
        features: Face features that the run's backends provide ("landmarks", "coefficients/smirk").
        targets: Whether the suite knows the targets; else metrics that need them are left out.

    Returns:
        Metrics in their default form, in the order of their names.
    """
    return [
        metric
        for default in all_metrics()
        for metric in _forms(default, features)
        if metric.spec.by_default
        and kind in metric.spec.kinds
        and set(metric.spec.needs) <= set(features)
        and (targets or "target" not in metric.spec.roles)
    ]


def left_out(kind: SuiteKind, measured: Collection[str], features: Collection[str], *, targets: bool) -> dict[str, str]:
    """The metrics of a benchmark that a run does not measure, by id, and why.

    Args:
        kind: The benchmark.
        measured: Full ids of the metrics that it does measure.
        features: Face features that the run's backends provide.
        targets: Whether the suite knows the targets.
    """
    reasons: dict[str, str] = {}
    names = {one.partition("/")[0].partition("[")[0] for one in measured}
    for metric in all_metrics():
        spec = metric.spec
        if kind not in spec.kinds or spec.name.partition("[")[0] in names:
            continue
        lacking = sorted(set(spec.needs) - set(features))
        if lacking:
            reasons[spec.id] = f"needs {', '.join(lacking)}, which none of the run's face backends gives"
        elif "target" in spec.roles and not targets:
            reasons[spec.id] = "needs targets, and the suite knows none"
        else:
            reasons[spec.id] = "not asked for"
    return reasons


def explain(metric: Metric) -> str:
    """Say in plain text what a metric is."""
    spec = metric.spec
    facts = {
        "unit": spec.unit,
        "better": "higher" if spec.higher_is_better else "lower",
        "scored per": spec.level,
        "reads": ", ".join(("generated", *spec.roles)),
        "needs": ", ".join(spec.needs) or "no face model",
        "benchmarks": ", ".join(spec.kinds),
        "primary in": primary_in(spec.name),
        "cited as": ", ".join(spec.aliases) or "-",
        "options": ", ".join(f"{key}={value}" for key, value in metric.options.items()) or "-",
    }
    told = [
        textwrap.fill(f"{key:<12}{value}", 110, initial_indent="  ", subsequent_indent=" " * 14, break_long_words=False)
        for key, value in facts.items()
    ]
    lines = [f"{spec.id}  {spec.title}", "", *told, ""]
    definition = textwrap.wrap(spec.definition, width=100, break_long_words=False)
    return "\n".join([*lines, *definition, "", *textwrap.wrap(_ABOUT_ALL, width=100)])


def _has_models(metric: Metric) -> bool:
    return any(need.endswith(f"/{ANY_MODEL}") for need in metric.spec.needs)


def _forms(metric: Metric, features: Collection[str]) -> list[Metric]:
    """A metric as it is, or once per model whose feature is at hand."""
    name = metric.spec.name.partition("[")[0]
    if not _has_models(metric):
        return [metric]
    prefix = metric.spec.needs[0].removesuffix(ANY_MODEL)
    models = sorted(feature.removeprefix(prefix) for feature in features if feature.startswith(prefix))
    return [METRICS.get(name)({"model": model}) for model in models]


def _refuse_citation(name: str) -> None:
    """Refuse names under which papers cite metrics, in any spelling; a metric may be called by its own name."""

    def spelled(text: str) -> str:
        return text.casefold().replace("-", "_")

    own = name if name in METRICS else None
    cited = [
        metric.spec
        for metric in all_metrics()
        if spelled(name) in map(spelled, metric.spec.aliases) and metric.spec.name.partition("[")[0] != own
    ]
    if cited:
        ids = ", ".join(spec.id for spec in cited)
        raise ConfigError(f"metric {name!r} is not an id: papers cite {ids} by that name, say which you mean")
