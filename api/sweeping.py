"""Ablations: a sweep that a tuner declares, as an ordinary run whose rows are settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from .core.errors import ConfigError
from .core.registry import load_plugin
from .harness.component import component_spec
from .harness.defaults import EMBEDDED, TUNER
from .harness.runner import Progress
from .harness.session import Session
from .methods import METHODS
from .methods.base import Tuner
from .methods.sweeps import SweepSettings, find_sweep, sweep_rows
from .methods.tuned_method import TunedMethod
from .running import Run, RunFields, carry_out, session_for

DEFAULTS: Mapping[str, Any] = {"suites": [EMBEDDED], "baseline": EMBEDDED, "faces": [EMBEDDED]}
"""What a sweep runs on where nothing is said."""


def ablate(
    sweep: str,
    values: Sequence[int] | None = None,
    *,
    method: str = TUNER,
    progress: Progress | None = None,
    report: bool = True,
    **fields: Unpack[RunFields],
) -> Run:
    """Run a sweep of a tuner and draw it; by default on the embedded generator, suite and face model.

    Args:
        sweep: Its name, like "losses"; ``bench methods explain`` lists a tuner's.
        values: Numbers that the rows take, where the sweep takes any; None for its own.
        method: The tuner, with options under all rows: "NAME" or "NAME:key=value,...".
        progress: Told how far the run is.
        report: Whether to write the report at the end.
        **fields: Fields of a run, but for ``methods``.

    Returns:
        The run; the baseline and the sweep's rows are its methods.

    Raises:
        BenchError: In one line, when sweep, values or options do not fit, or the run cannot go on.
    """
    return carry_out(session_of(sweep, values, method=method, **fields), None, progress, report=report)


def session_of(
    sweep: str, values: Sequence[int] | None = None, *, method: str = TUNER, **fields: Unpack[RunFields]
) -> Session:
    """The parts of the run that :func:`ablate` would be; takes the same.

    Raises:
        BenchError: In one line, when sweep, values or options do not fit.
    """
    if "methods" in fields:
        raise ConfigError("ablate: its rows are the methods: name the tuner only")
    for path in fields.get("plugins", ()):
        load_plugin(Path(path))
    tuner = component_spec(method, "--method")
    if tuner.label != component_spec(tuner.name, "--method").label:
        raise ConfigError("--set as: the rows of an ablation have labels of their own")
    made = METHODS.get(tuner.name)
    if not issubclass(made, Tuner):
        raise ConfigError(f"--method {tuner.name}: is no tuner, and only tuners have sweeps")
    declared = find_sweep(made.sweeps, tuner.name, sweep)
    given = {**DEFAULTS, **fields, "ablation": sweep}
    alone = session_for(None, given | {"methods": [tuner]})
    tuned = alone.method(alone.labels[-1])
    settings = SweepSettings(tuner.options, tuned.settings, tuned.generator if isinstance(tuned, TunedMethod) else None)
    rows = sweep_rows(declared, settings, values)
    given["ablation_left_out"] = dict(declared.left_out(settings))
    methods = [{"name": tuner.name, "label": label, "options": options} for label, options in rows.items()]
    return session_for(None, given | {"methods": methods})
