"""The figure of docs/hunyuanportrait.md: which noise levels a tuner trains at, and where its adapters act."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..strucbooth.config import StrucBoothConfig
from .schedule import NoiseLevels, VideoNoise

STEPS = 25
"""Upstream's sampling steps."""
_SHARES = 100_000
_NAMES = {
    NoiseLevels.KARRAS: "karras: the sampling ramp",
    NoiseLevels.LOGNORMAL: "lognormal: SVD's training",
    NoiseLevels.DISCRETE: "discrete: SVD's 1000 steps",
}


@dataclass(frozen=True)
class Coverage:
    """How the levels that a tuner draws meet those of the steps with adapters.

    Attributes:
        levels: Which are drawn.
        on: Share of draws at or above the last level with adapters.
        median: Median of the draws.
        most: Their highest.
    """

    levels: NoiseLevels
    on: float
    median: float
    most: float


def last_level_on(window: float | None = None) -> float:
    """Noise level of the last sampling step with adapters, for a share of the steps; None takes the paper's."""
    count = round((StrucBoothConfig().window if window is None else window) * STEPS)
    return float(VideoNoise().sampling_times(STEPS)[count - 1])


def coverage(levels: NoiseLevels) -> Coverage:
    """See :class:`Coverage`; of evenly spread shares of the training range."""
    drawn = _drawn(levels)
    on = float((drawn >= last_level_on()).double().mean())
    return Coverage(levels, on, float(drawn.median()), float(drawn.max()))


def draw(path: Path) -> None:
    """Write the figure as SVG, always the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    sampled, last = VideoNoise().sampling_times(STEPS)[:-1], last_level_on()
    axes.axvspan(last, float(sampled[0]), color="tab:green", alpha=0.15, label="adapters on: the first 10 of 25 steps")
    bins = torch.logspace(-3, 3, 61, dtype=torch.float64)
    for levels, name in _NAMES.items():
        drawn = _drawn(levels)
        counts = torch.histogram(drawn.double(), bins).hist / len(drawn) * 10  # ten bins a decade
        label = f"{name} ({coverage(levels).on:.0%} on)"
        axes.stairs(counts.tolist(), bins.tolist(), label=label, linewidth=1.4)
    axes.plot(sampled.tolist(), [0.0] * STEPS, "|", color="black", markersize=12, label="the 25 sampling steps")
    axes.set(xscale="log", xlim=(1e-3, 1e3), ylim=(0, None), xlabel="noise level", ylabel="share of draws per decade")
    axes.invert_xaxis()
    axes.legend(fontsize=8)
    with mpl.rc_context({"svg.hashsalt": "portraitbench"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _drawn(levels: NoiseLevels) -> torch.Tensor:
    return VideoNoise(levels).times((torch.arange(_SHARES, dtype=torch.float64) + 0.5) / _SHARES)
