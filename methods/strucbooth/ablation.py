"""The paper's ablations as sweeps: their rows are settings, no other code runs for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...core.errors import ConfigError
from ..sweeps import Rows, Sweep, SweepSettings
from .config import StrucBoothConfig

WEIGHTS = ("gradient_weight", "identity_weight")


def loss_rows(settings: SweepSettings, values: Sequence[int] = ()) -> Rows:  # noqa: ARG001 - takes no values
    """Table 2 (a): the losses are added one after another.

    Args:
        settings: As they are for the generator without an ablation. A weight that they leave at 0 is the paper's where
            its row has the loss on.
        values: Not used.

    Raises:
        ConfigError: When the user switched off a loss that a row is about.
    """
    paper, on = StrucBoothConfig(), {}
    for name in WEIGHTS:
        weight = float(settings.in_effect[name])
        if weight == 0 and name in settings.given:
            raise ConfigError(f"--set {name}=0: a row of this ablation has that loss on: give it a weight above 0")
        on[name] = weight or getattr(paper, name)
    return {
        "PGT": dict.fromkeys(WEIGHTS, 0.0),
        "PGT+grad": on | {"identity_weight": 0.0},
        "PGT+grad+id": on,
    }


def step_rows(settings: SweepSettings, values: Sequence[int]) -> Rows:  # noqa: ARG001 - the same under all settings
    """Figure 2 (c): from one tuning per case; each row keeps what the shorter ones need. 0 steps are the baseline.

    Raises:
        ConfigError: When no step count above 0 is given, or one is negative.
    """
    counts = sorted(set(values) - {0})
    if not counts or counts[0] < 0:
        raise ConfigError("--values: give step counts of 0 and above, one at least above 0, like 0,30,60,90,120")
    return {
        f"steps={count}": {"steps": count, "reuse": True, "snapshots": tuple(counts[:index])}
        for index, count in enumerate(counts)
    }


def decoding_rows(settings: SweepSettings, values: Sequence[int]) -> Rows:  # noqa: ARG001 - the same under all settings
    """Table 2 (b): patches decoded alone, with context around them, and whole frames.

    Raises:
        ConfigError: When a halo is negative.
    """
    counts = sorted(set(values))
    if not counts or counts[0] < 0:
        raise ConfigError("--values: give numbers of latent cells, 0 and above, like 0,2")
    patch: dict[str, dict[str, str | int]] = {
        f"patch+halo={halo}" if halo else "patch": {"decoding": "patch", "halo": halo} for halo in counts
    }
    return patch | {"global": {"decoding": "global", "halo": 0}}


SWEEPS: Mapping[str, Sweep] = {
    "losses": Sweep(
        "The baseline, then the losses one after another: PGT, gradients, identity.", loss_rows, builds_on=WEIGHTS
    ),
    "steps": Sweep(
        "Step counts, all from one tuning per case, whose weights stay in the cache; 0 is the baseline.",
        step_rows,
        values=(0, 30, 60, 90, 120),
    ),
    "decoding": Sweep(
        "Patches decoded alone, with a halo of so many latent cells around them, and whole frames.",
        decoding_rows,
        values=(0, 2),
    ),
}
"""The tuner's sweeps by name."""
