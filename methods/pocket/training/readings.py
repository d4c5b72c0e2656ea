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


@torch.no_grad()
def read_set(folder: Path, data: RenderedSet, network: PocketFaceNet, people: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Landmarks, code and pose of the pictures that share their person's scene, on the CPU, leading shape (P, F).

    Args:
        folder: The set's.
        data: The set.
        network: The packaged one.
        people: Of whom.
    """
    count = data.config.frames - data.config.varied
    device = str(network.steps.device)
    names = ("landmarks", "code", "pose")

    def compute() -> dict[str, Tensor]:
        readings = [network(to_tensor(own[:count], device)) for own in data.frames[people]]
        return {name: torch.stack([getattr(own, name).cpu() for own in readings]).contiguous() for name in names}

    found = kept(folder, data.config, FACE_WEIGHTS, people, compute)
    return found["landmarks"], found["code"], found["pose"]


@torch.no_grad()
def encode_set(folder: Path, data: RenderedSet, network: autoencoder.PocketAutoencoder, people: slice) -> Tensor:
    """Latents of the pictures that share their person's scene, float16 on the CPU, shape (P, F, 8, h, w).

    Args:
        folder: The set's.
        data: The set.
        network: The packaged one.
        people: Of whom.
    """
    count = data.config.frames - data.config.varied
    device = str(network.mean.device)

    def compute() -> dict[str, Tensor]:
        rows = [network.encode(to_tensor(frames[:count], device)).half().cpu() for frames in data.frames[people]]
        return {"latents": torch.stack(rows).contiguous()}

    return kept(folder, data.config, autoencoder.WEIGHTS, people, compute)["latents"]
