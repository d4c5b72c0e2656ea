"""Sparse identity loss: one random frame of the output against the identity image (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import ConfigError, NoFaceError
from ...datasets.clip import Clip
from ...faces.base import LANDMARKS, DifferentiableEmbedder, Floats, HasDifferentiableEmbedder
from ...faces.observer import Observer
from .config import OWNER
from .losses import PixelTerm, identity_loss
from .patches import Decode
from .tensors import as_tensor


def find_embedder(model: Path | None, observer: Observer) -> DifferentiableEmbedder:
    """The differentiable identity network: an ArcFace file, or the first face backend's that has one.

    Raises:
        ConfigError: When there is none.
        WeightsError: When the file is damaged.
    """
    source = embedder_source(model, observer)
    if isinstance(source, Path):
        from ...faces.networks.arcface import DifferentiableArcFace

        return DifferentiableArcFace(source).eval()
    return source.differentiable()


def embedder_source(model: Path | None, observer: Observer) -> Path | HasDifferentiableEmbedder:
    """Where :func:`find_embedder` takes the network from; nothing is loaded.

    Raises:
        ConfigError: When there is none.
    """
    if model is not None:
        if not model.is_file():
            raise ConfigError(f"{OWNER}: identity_model {model} does not exist")
        return model
    for backend in observer.backends:
        if isinstance(backend, HasDifferentiableEmbedder):
            return backend
    names = ", ".join(backend.info.name for backend in observer.backends)
    raise ConfigError(
        f"{OWNER}: its identity loss needs an identity network with gradients, which the face backends of this run "
        f"({names}) have not: add one with --faces (insightface has), name an ArcFace file with "
        "identity_model=, or leave the loss out with identity_weight=0"
    )


@dataclass(frozen=True, eq=False)
class IdentityTarget:
    """What the identity loss of one case compares with.

    Attributes:
        embedder: Differentiable face embedding network.
        reference: Embedding of the identity image, shape (1, D).
        landmarks: Landmarks of the PGT's frames, shape (T, 68, 2): where the output's faces are; NaN where there is
            none.
    """

    embedder: DifferentiableEmbedder
    reference: Tensor
    landmarks: Floats

    @classmethod
    def of_case(
        cls,
        embedder: DifferentiableEmbedder,
        identity: Clip,
        landmarks: Floats,
        observer: Observer,
        device: torch.device,
    ) -> IdentityTarget:
        """Embed the identity image.

        Raises:
            NoFaceError: When it shows no face.
        """
        points = observer.observe(identity, [LANDMARKS]).landmarks
        if not torch.tensor(points[0]).isfinite().all():
            raise NoFaceError("the identity image shows no face")
        if isinstance(embedder, torch.nn.Module):
            embedder.to(device)
        with torch.no_grad():
            reference = embedder.embed(as_tensor(identity).to(device)[:1], [points[0]])
        return cls(embedder, reference, landmarks)

    def term(self, decode: Decode, frame: int, row: int, weight: float) -> PixelTerm:
        """The loss of one frame.

        Args:
            decode: The generator's decoder.
            frame: Index of the frame in the clip.
            row: Row of the frame in the latents that the term will be given.
            weight: Weight of the loss.
        """

        def loss(x0: Tensor) -> Tensor:
            decoded = decode(x0[row : row + 1]).clamp(-1, 1)
            return identity_loss(self.embedder.embed(decoded, [self.landmarks[frame]]), self.reference)

        return PixelTerm("identity", weight, loss)
