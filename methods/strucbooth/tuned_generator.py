"""What StrucBooth hands out: the generator with its adapters on for the early sampling steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..base import Animation, DiffusionGenerator
from ..lora import Lora, State, save_lora
from .config import StrucBoothConfig
from .snapshots import Snapshot


class Tuned:
    """A generator tuned for one case; of use within the tuner's ``with`` block only.

    Args:
        generator: The generator with adapters in it.
        lora: The adapters.
        config: The settings.

    Attributes:
        config: The settings.
        snapshots: Adapter weights by step count, as far as the settings ask for them.
        detail: Facts about the tuning for the record.
    """

    def __init__(self, generator: DiffusionGenerator, lora: Lora, config: StrucBoothConfig) -> None:
        self._generator = generator
        self._lora = lora
        self.config = config
        self.snapshots: dict[int, State] = {}
        self.detail: Mapping[str, float | int | str] = {}

    def sample(self, conditions: Any, *, seed: int) -> Animation:
        """Generate with the adapters on for the settings' window of steps (section 6.2).

        Raises:
            RuntimeError: When the generator does not tell its steps: the window could not be kept.
        """
        on: list[bool] = []

        def on_step(index: int, count: int, t: Tensor) -> None:
            on.append(self._is_on(index, count, t))
            self._lora.enable(on[-1])

        try:
            animation = self._generator.sample(conditions, seed=seed, on_step=on_step)
        finally:
            self._lora.enable(True)
        if not on:
            raise RuntimeError(f"generator {self._generator.name} does not call on_step while it samples")
        detail = {**animation.detail, **self.detail, "sampling_steps": len(on), "lora_steps": sum(on)}
        return replace(animation, detail=detail, state={})  # no sampling begins again from a tuned one

    def keep(self, step: int) -> None:
        """Keep the weights if the settings ask for a snapshot after this many steps."""
        if step in self.config.snapshots:
            self.snapshots[step] = self._lora.state()

    def restore(self, found: Mapping[int, Snapshot]) -> Snapshot:
        """Take over an earlier tuning of the same case: its last weights and the snapshots that were asked for.

        Returns:
            The last of them.
        """
        last = found[self.config.steps]
        self._lora.load(last.state)
        self.snapshots = {step: found[step].state for step in self.config.snapshots}
        return last

    def use(self, step: int) -> None:
        """Go on with the weights of a snapshot.

        Raises:
            KeyError: When none was kept at this step count.
        """
        self._lora.load(self.snapshots[step])

    def save(self, folder: Path, case_id: str) -> None:
        """Write the weights as ``<case id>.safetensors``, and snapshots as ``<case id>.step-000100.safetensors``."""
        prefix, licence = self._generator.lora_prefix, self._generator.licence
        self._lora.save(folder / f"{case_id}.safetensors", prefix, licence=licence)
        for step, state in self.snapshots.items():
            path = folder / f"{case_id}.step-{step:06d}.safetensors"
            save_lora(state, path, self.config.rank, prefix, licence=licence)

    def _is_on(self, index: int, count: int, t: Tensor) -> bool:
        below, level = self.config.window_log_snr, self.config.window_sigma
        if below is not None or level is not None:
            log_snr = float(self._generator.parameterization.log_snr(t).reshape(-1)[0])
            return log_snr < below if below is not None else math.exp(-log_snr / 2) >= (level or 0)
        return index < round(self.config.window * count)
