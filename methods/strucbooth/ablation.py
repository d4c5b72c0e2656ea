"""The rows of the paper's ablations, as settings: no other code runs for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...core.errors import ConfigError
from .config import StrucBoothConfig

Rows = dict[str, dict[str, Any]]
"""By label, in table order: the options in which a row differs. The baseline, which is no tuning, is not among them."""

WEIGHTS = ("gradient_weight", "identity_weight")


def loss_rows(settings: StrucBoothConfig, given: Collection[str] = ()) -> Rows:
    """Table 2 (a): the losses are added one after another.

    Args:
        settings: As they are for the generator without an ablation. A weight that they leave at 0 is the paper's where
            its row has the loss on.
        given: Names of options that the user gave.

    Raises:
        ConfigError: When the user switched off a loss that a row is about.
    """
    paper, on = StrucBoothConfig(), {}
    for name in WEIGHTS:
        if getattr(settings, name) == 0 and name in given:
            raise ConfigError(f"--set {name}=0: a row of this ablation has that loss on: give it a weight above 0")
        on[name] = getattr(settings, name) or getattr(paper, name)
    return {
        "PGT": dict.fromkeys(WEIGHTS, 0.0),
        "PGT+grad": on | {"identity_weight": 0.0},
        "PGT+grad+id": on,
    }


def step_rows(steps: Sequence[int]) -> Rows:
    """Figure 2 (c): from one tuning per case; each row keeps what the shorter ones need. 0 steps are the baseline.

    Raises:
        ConfigError: When no step count above 0 is given, or one is negative.
    """
    counts = sorted(set(steps) - {0})
    if not counts or counts[0] < 0:
        raise ConfigError("--steps: give step counts of 0 and above, one at least above 0, like 0,30,60,90,120")
    return {
        f"steps={count}": {"steps": count, "reuse": True, "snapshots": tuple(counts[:index])}
        for index, count in enumerate(counts)
    }


def decoding_rows(halos: Sequence[int]) -> Rows:
    """Table 2 (b): patches decoded alone, with context around them, and whole frames.

    Raises:
        ConfigError: When a halo is negative.
    """
    counts = sorted(set(halos))
    if not counts or counts[0] < 0:
        raise ConfigError("--halo: give numbers of latent cells, 0 and above, like 0,2")
    patch: Rows = {f"patch+halo={halo}" if halo else "patch": {"decoding": "patch", "halo": halo} for halo in counts}
    return patch | {"global": {"decoding": "global", "halo": 0}}


def lay_over(options: Mapping[str, Any], rows: Rows) -> Rows:
    """The rows with the user's options under them.

    Raises:
        ConfigError: When the user gave an option that the rows are about.
    """
    decided = {name for row in rows.values() for name in row} - set(WEIGHTS)
    if clash := sorted(decided & options.keys()):
        raise ConfigError(f"--set {clash[0]}: this is what the rows differ in")
    return {label: {**options, **row} for label, row in rows.items()}
