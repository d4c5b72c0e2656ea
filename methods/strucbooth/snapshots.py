"""Weights of a tuning kept in the cache, so that rows that differ in their number of steps share one tuning.

The rate is constant and all randomness is one seeded stream, so the weights after k steps of a long tuning are exactly
those of a tuning of k steps. A file is used only if it says, under a seal over all its content, that it was made from
exactly what the row would tune from; any other file is as good as none, and is written anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import __version__ as peft_version

from ...core.digest import array_digest, canonical_json, digest
from ...core.files import atomic_path
from ...datasets.clip import Clip
from ..base import DiffusionGenerator, Inputs
from ..lora import State
from .config import StrucBoothConfig

FILE_VERSION = 1
FOLDER = "tunings"
_NOT_DECISIVE = {"steps", "snapshots", "save", "reuse", "trace", "window", "window_log_snr", "identity_model"}
"""Settings that decide how long the tuning goes on or what is done with it, and a path whose content counts instead."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A tuning at one step count.

    Attributes:
        state: The adapters' weights.
        patches: Number of patches that guided the tuning.
        losses: Loss values step by step up to here, by loss.
    """

    state: State
    patches: int
    losses: Mapping[str, Sequence[float]]


class Snapshots:
    """The snapshots of one tuning, a file per step count.

    Several workers may write the same files at the same time: each file appears whole, and all say the same.

    Args:
        folder: Folder of the snapshots of all tunings.
        key: Digest of all that decides the weights besides the number of steps; see :func:`tuning_key`.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder / key
        self._key = key

    def save(self, step: int, snapshot: Snapshot) -> None:
        """Write a snapshot."""
        from safetensors.torch import save_file

        losses = {name: list(values) for name, values in snapshot.losses.items()}
        about = canonical_json(self._about(step) | {"patches": snapshot.patches, "losses": losses})
        state = {name: weight.contiguous() for name, weight in snapshot.state.items()}
        with atomic_path(self._path(step)) as temporary:
            save_file(state, temporary, {"about": about, "seal": _seal(about, state)})

    def load_all(self, steps: Collection[int]) -> dict[int, Snapshot] | None:
        """All snapshots asked for; None when one of them is not there, damaged, or of another tuning."""
        found = {step: self._load(step) for step in steps}
        whole = {step: snapshot for step, snapshot in found.items() if snapshot is not None}
        return whole if len(whole) == len(found) else None

    def _load(self, step: int) -> Snapshot | None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path(step), framework="pt") as file:
                metadata = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (FileNotFoundError, SafetensorError):  # cut off or overwritten: it is made again
            return None
        about = metadata.get("about", "")
        if metadata.get("seal") != _seal(about, state):
            return None
        facts = json.loads(about)  # sealed, so it is as save() wrote it
        if self._about(step).items() <= facts.items():
            return Snapshot(state, facts["patches"], facts["losses"])
        return None

    def _about(self, step: int) -> dict[str, Any]:
        return {"version": FILE_VERSION, "key": self._key, "step": step}

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:06d}.safetensors"


def tuning_key(
    generator: DiffusionGenerator,
    inputs: Inputs,
    sources: Mapping[str, Clip],
    config: StrucBoothConfig,
    guided_by: Sequence[Any],
) -> str:
    """Digest of all that decides the weights of a tuning besides its number of steps.

    Args:
        generator: What is tuned.
        inputs: The case.
        sources: Clips that guide single regions.
        config: The settings as they are for this generator.
        guided_by: Plain data: version of the tuner's code, and the face models that guide.
    """
    return digest(
        {
            "tuner": [*guided_by],
            "settings": config.model_dump(mode="json", exclude=_NOT_DECISIVE),
            "generator": [generator.name, generator.revision, generator.lora_targets],
            "case": [inputs.case_id, inputs.seed, _clip_key(inputs.identity), _clip_key(inputs.driving)],
            "sources": {region: _clip_key(clip) for region, clip in sources.items()},
            # Arithmetic differs in its last digits from build to build and with the number of threads.
            "arithmetic": [torch.__version__, peft_version, torch.get_num_threads()],
        }
    )


def _clip_key(clip: Clip) -> list[str]:
    return [array_digest(clip.frames), str(clip.fps)]


def _seal(about: str, state: State) -> str:
    weights = {
        name: [str(weight.dtype), list(weight.shape), array_digest(weight.contiguous().view(torch.uint8).numpy())]
        for name, weight in state.items()
    }
    return digest([about, weights])
