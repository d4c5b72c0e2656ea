"""What frozen networks say of a rendered set's pictures, computed once and kept beside them.

Reading 2000 people takes minutes, and a training that is done in pieces begins again with each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ....core.digest import digest, file_sha256
from ....core.files import atomic_path
from ....faces.backends.pocket import WEIGHTS as FACE_WEIGHTS
from ....faces.networks.pocket import PocketFaceNet
from .. import autoencoder
from .dataset import RenderedSet, SetConfig
from .train_autoencoder import to_tensor


def kept(
    folder: Path, config: SetConfig, weights: Path, people: slice, compute: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Load what was computed before from the same set and weights, or compute it and keep it.

    Args:
        folder: The set's.
        config: The set's.
        weights: File of the network that says it.
        people: Of whom.
        compute: Gives the tensors.
    """
    key = digest([file_sha256(weights), asdict(config), list(range(config.people)[people])])
    path = folder / f"{weights.stem}-{key[:16]}.safetensors"
    if not path.is_file():
        values = compute()
        with atomic_path(path) as temporary:
            save_file(values, temporary)
    return load_file(path)


def read_set(folder: Path, data: RenderedSet, network: PocketFaceNet, people: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Landmarks, code and pose as the packaged face network reads them, leading shape (P, F), on the CPU."""
    names = ("landmarks", "code", "pose")

    def compute(frames: Tensor) -> dict[str, Tensor]:
        reading = network(frames.to(network.steps.device))
        return {name: getattr(reading, name) for name in names}

    found = _by_person(folder, data, FACE_WEIGHTS, people, compute)
    return found["landmarks"], found["code"], found["pose"]


def encode_set(folder: Path, data: RenderedSet, network: autoencoder.PocketAutoencoder, people: slice) -> Tensor:
    """Latents by the packaged autoencoder, float16, shape (P, F, 8, h, w), on the CPU."""

    def compute(frames: Tensor) -> dict[str, Tensor]:
        return {"latents": network.encode(frames.to(network.mean.device)).half()}

    return _by_person(folder, data, autoencoder.WEIGHTS, people, compute)["latents"]


@torch.no_grad()
def _by_person(
    folder: Path, data: RenderedSet, weights: Path, people: slice, compute: Callable[[Tensor], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """What is computed of each person's pictures that share a scene, on the CPU, kept in the set's folder."""
    count = data.config.frames - data.config.varied

    def of_all() -> dict[str, Tensor]:
        rows = [compute(to_tensor(frames[:count])) for frames in data.frames[people]]
        return {name: torch.stack([row[name].cpu() for row in rows]).contiguous() for name in rows[0]}

    return kept(folder, data.config, weights, people, of_all)
