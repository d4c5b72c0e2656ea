"""What a tuner declares so that ``bench ablate`` can run it: named sweeps, whose rows are settings of the tuner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import ConfigError

if TYPE_CHECKING:
    from .base import DiffusionGenerator

Rows = Mapping[str, Mapping[str, Any]]
"""By label, in table order: the options in which a row differs. The baseline, which is no tuning, is not among them."""


class SweepSettings(NamedTuple):
    """The tuner's options under all rows.

    Attributes:
        given: What the user gave.
        in_effect: All of them for this generator, given or not, as plain data.
        generator: What is tuned; None where rows are made for nothing in particular.
    """

    given: Mapping[str, Any]
    in_effect: Mapping[str, Any]
    generator: DiffusionGenerator | None = None


def _nothing(settings: SweepSettings) -> Mapping[str, str]:  # noqa: ARG001 - a generator has all rows
    return {}


@dataclass(frozen=True)
class Sweep:
    """One ablation of a tuner.

    A tuner offers its sweeps by name in :attr:`.base.Tuner.sweeps`. A sweep that is named after a numeric option
    which all its rows state is drawn against that number, with the baseline at 0; others are drawn row by row.

    Attributes:
        help: What its rows differ in; one or two sentences.
        rows: Makes the rows from the settings and the values; raises ConfigError where these do not fit.
        values: Numbers that it takes when none are given; empty for a sweep that takes none.
        builds_on: Options that the rows switch on and off at the value which the user gave; all others that rows state
            cannot be given.
        left_out: Rows that the generator cannot have, by label, and why; told in the report.
    """

    help: str
    rows: Callable[[SweepSettings, Sequence[int]], Rows]
    values: tuple[int, ...] = ()
    builds_on: tuple[str, ...] = ()
    left_out: Callable[[SweepSettings], Mapping[str, str]] = _nothing


def find_sweep(sweeps: Mapping[str, Sweep], owner: str, name: str) -> Sweep:
    """A tuner's sweep by name.

    Args:
        sweeps: All that it declares.
        owner: Its registry name, for the message.
        name: The sweep's.

    Raises:
        ConfigError: When it has none of that name; offers the nearest.
    """
    if name in sweeps:
        return sweeps[name]
    near = get_close_matches(name, sweeps, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sweeps) or 'none'}"
    raise ConfigError(f"method {owner} has no sweep {name!r}: {hint}")


def sweep_rows(sweep: Sweep, settings: SweepSettings, values: Sequence[int] | None) -> dict[str, dict[str, Any]]:
    """All options of each row: the user's, with what the rows differ in over them.

    Args:
        sweep: From :func:`find_sweep`.
        settings: What lies under the rows.
        values: The user's; None takes the sweep's own.

    Raises:
        ConfigError: When values are given that the sweep does not take, or the user gave an option that the rows are
            about.
    """
    if values is not None and not sweep.values:
        raise ConfigError("--values: this sweep takes none")
    rows = sweep.rows(settings, sweep.values if values is None else values)
    decided = {name for row in rows.values() for name in row} - set(sweep.builds_on)
    if clash := sorted(decided & settings.given.keys()):
        raise ConfigError(f"--set {clash[0]}: this is what the rows differ in")
    return {label: {**settings.given, **row} for label, row in rows.items()}
