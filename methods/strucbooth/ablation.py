"""The paper's ablations as sweeps: their rows are settings, no other code runs for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...core.errors import ConfigError
from ..sweeps import Rows, Sweep, SweepSettings
from .config import StrucBoothConfig
from .regions import REGION_NAMES, REGIONS

WEIGHTS = ("gradient_weight", "identity_weight")
TILED = "tiled"


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


def decoding_rows(settings: SweepSettings, values: Sequence[int]) -> Rows:
    """Table 2 (b): patches decoded alone, with context around them, whole frames, and whole frames in tiles.

    Raises:
        ConfigError: When a halo is negative.
    """
    counts = sorted(set(values))
    if not counts or counts[0] < 0:
        raise ConfigError("--values: give numbers of latent cells, 0 and above, like 0,2")
    patch: dict[str, dict[str, str | int]] = {
        f"patch+halo={halo}" if halo else "patch": {"decoding": "patch", "halo": halo} for halo in counts
    }
    whole = {"global": "global"} | ({} if without_tiles(settings) else {TILED: "tiled"})
    return patch | {label: {"decoding": decoding, "halo": 0} for label, decoding in whole.items()}


def without_tiles(settings: SweepSettings) -> dict[str, str]:
    """The row of tiled decoding, where the generator's decoder has none."""
    generator = settings.generator
    if generator is None or generator.has_tiled_decoding:
        return {}
    return {TILED: f"the decoder of {generator.name} has no tiled decoding"}


def weight_rows(settings: SweepSettings, values: Sequence[int]) -> Rows:
    """The trade between expression and identity: every gradient weight with every identity weight.

    Args:
        settings: As they are for the generator without an ablation; a weight of 0 counts as the paper's.
        values: Percent of these weights.

    Raises:
        ConfigError: When a value is negative, or none is above 0.
    """
    shares = sorted(set(values))
    if not shares or shares[0] < 0 or shares[-1] == 0:
        raise ConfigError("--values: give percent of the weights, 0 and above, one at least above 0, like 0,50,100,200")
    paper = StrucBoothConfig()
    gradient, identity = (float(settings.in_effect[name]) or getattr(paper, name) for name in WEIGHTS)
    pairs = [(gradient * grad / 100, identity * own / 100) for grad in shares if grad for own in shares]
    return {f"grad={grad:g}+id={own:g}": dict(zip(WEIGHTS, (grad, own), strict=True)) for grad, own in pairs}


def window_rows(settings: SweepSettings, values: Sequence[int]) -> Rows:
    """How long the LoRA stays on while sampling, all from one tuning per case. 0 percent is the baseline.

    Args:
        settings: Windows in noise levels that a generator has by default are taken out of the rows.
        values: Percent of the sampling steps, from the first.

    Raises:
        ConfigError: When a value is no percentage, or none is above 0.
    """
    shares = sorted(set(values) - {0})
    if not shares or shares[0] < 0 or shares[-1] > 100:
        raise ConfigError("--values: give percent of the sampling steps, one at least above 0, like 20,40,60,80,100")
    others = {name: None for name in ("window_log_snr", "window_sigma") if settings.in_effect.get(name) is not None}
    return {f"window={share / 100:g}": {"window": share / 100, "reuse": True, **others} for share in shares}


def region_rows(settings: SweepSettings, values: Sequence[int] = ()) -> Rows:  # noqa: ARG001 - takes no values
    """Which regions are aligned: each kind alone, and all together."""
    alone = {name: REGION_NAMES[name] for name in ("eyes", "brows", "nose", "mouth")}
    return {name: {"regions": regions} for name, regions in (alone | {"all": REGIONS}).items()}


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
        "Patches decoded alone, with a halo of so many latent cells around them, whole frames, and whole frames by the "
        "decoder's own tiles.",
        decoding_rows,
        values=(0, 2),
        left_out=without_tiles,
    ),
    "weights": Sweep(
        "Every gradient weight with every identity weight, as percent of the settings' own: expression for identity.",
        weight_rows,
        values=(0, 50, 100, 200),
        builds_on=WEIGHTS,
    ),
    "window": Sweep(
        "Percent of the sampling steps with LoRA on, all from one tuning per case; 0 is the baseline.",
        window_rows,
        values=(20, 40, 60, 80, 100),
    ),
    "regions": Sweep("Eyes, brows, nose and mouth alone, and all regions together.", region_rows),
}
"""The tuner's sweeps by name."""
