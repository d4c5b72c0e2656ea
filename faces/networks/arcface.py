"""A differentiable embedder of an ArcFace ONNX file: same crop, normalisation and weights, with gradients to pixels.

For identity losses. A loss on the very network that also scores inflates the score: use another pack for one of them,
or say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...core.onnx_file import read_onnx
from ...core.onnx_torch import OnnxModule
from ..alignment import ARCFACE_SIZE, arcface_matrix, bilinear_taps, five_points
from ..base import Face, Floats


class DifferentiableArcFace(nn.Module):
    """ArcFace on aligned crops of frames.

    Args:
        path: The recognition file of an InsightFace pack (``w600k_r50.onnx``).

    Attributes:
        mean: Subtracted from pixels in [0, 255].
        std: Divides them then.

    Raises:
        WeightsError: When the file is damaged or uses operators that cannot be differentiated here.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.mean, self.std = input_scale(path)
        self.network = OnnxModule(path)

    def forward(self, frames: Tensor, matrices: Sequence[Floats]) -> Tensor:
        """Embed one face per frame.

        Args:
            frames: RGB in [-1, 1], shape (N, 3, H, W).
            matrices: From frame pixels to the 112 x 112 crop, N of shape (3, 3); see ``alignment.arcface_matrix``.

        Returns:
            Embeddings as the network gives them (not normalised), shape (N, D).

        Raises:
            ValueError: When frames without gradients are out of range, or a matrix cannot be inverted.
        """
        # Not of frames that are trained on: the answer would wait for the device in every step.
        if not frames.requires_grad and frames.abs().max() > 2:
            raise ValueError("frames must be in [-1, 1]")
        crops = crop_faces((frames + 1) * 127.5, matrices)
        embeddings: Tensor = self.network((crops - self.mean) / self.std)
        return embeddings

    def embed(self, frames: Tensor, landmarks: Sequence[Floats]) -> Tensor:
        """Embed one face per frame, aligned by its 68 landmarks; see :class:`~.base.DifferentiableEmbedder`."""
        faces = [
            Face(np.concatenate([points.min(axis=0), points.max(axis=0)]), 1.0, None, points) for points in landmarks
        ]
        embeddings: Tensor = self(frames, [arcface_matrix(five_points(face)) for face in faces])
        return embeddings


def crop_faces(frames: Tensor, matrices: Sequence[Floats], size: int = ARCFACE_SIZE) -> Tensor:
    """Differentiable ``alignment.warp_face``: bilinear, black outside the frame.

    Args:
        frames: Any range in which 0 is black, shape (N, C, H, W).
        matrices: From frame pixels to crop pixels, N of shape (3, 3).
        size: Side of the crop.

    Returns:
        Crops, shape (N, C, size, size).
    """
    crops = []
    for frame, matrix in zip(frames, matrices, strict=True):
        channels, height, width = frame.shape
        index, weight = bilinear_taps(matrix, size, height, width)
        taps = torch.from_numpy(index).to(frame.device, non_blocking=True).reshape(-1)
        weights = torch.from_numpy(weight).to(frame.dtype).to(frame.device, non_blocking=True)
        pixels = frame.reshape(channels, -1).index_select(1, taps).reshape(channels, *weights.shape)
        crops.append((pixels * weights).sum(dim=1).reshape(channels, size, size))
    return torch.stack(crops)


def input_scale(path: Path) -> tuple[float, float]:
    """Mean and standard deviation that a recognition file expects of pixels in [0, 255], by InsightFace's rule.

    Files exported from MXNet scale inside the graph: a Sub and a Mul among the first eight nodes, known by their names.

    Returns:
        (0, 1) for those, (127.5, 127.5) for all others.
    """
    names = [node.name for node in read_onnx(path).graph.node[:8]]
    subtracts = any(name.startswith(("Sub", "_minus")) for name in names)
    multiplies = any(name.startswith(("Mul", "_mul")) for name in names)
    return (0.0, 1.0) if subtracts and multiplies else (127.5, 127.5)
