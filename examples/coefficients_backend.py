"""AED on the expression coefficients of a 3D face model of your own (Deep3D, SMIRK, EMOCA, ...), as a plug-in.

Their licences forbid passing the models on, so export yours once from its own repository, with the normalisation that
it asks for inside:

    class Expression(torch.nn.Module):
        def forward(self, face):             # RGB in [0, 1], (1, 3, 224, 224)
            return net(2 * face - 1)["exp"]  # (1, K): expression only, neither shape nor pose
    torch.export.save(torch.export.export(Expression().eval(), (torch.rand(1, 3, 224, 224),)), "deep3d.pt2")

Then any run, or the outputs of an old one, can be measured by it beside the other face models:

    bench score RUN --plugin examples/coefficients_backend.py -f dlib \\
        -f coefficients:weights=deep3d.pt2,model=deep3d64 \\
        --metric aed_coeff_l1:model=deep3d64

The model's name goes into the metric's id (`aed_coeff_l1[deep3d64]/1`), its file's digest into `run.json`: numbers of
two models, or of two files, are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from portraitbench.core.checkpoints import need_file
from portraitbench.core.digest import file_sha256
from portraitbench.core.options import Options, UserPath, parse_options
from portraitbench.datasets.clip import Frame
from portraitbench.faces import BACKENDS
from portraitbench.faces.base import BackendInfo, Face, FaceBackend, Floats

OWNER = "face backend coefficients"
SIDE = 224
MARGIN = 0.25
"""Growth of the square around the landmarks on each side, as a share of its side."""


class CoefficientsOptions(Options):
    """Options of the backend.

    Attributes:
        weights: File of ``torch.export.save``: RGB in [0, 1], shape (1, 3, 224, 224), to coefficients (1, K).
        model: Name of the face model, which the metric's id carries.
    """

    weights: UserPath
    model: str


class CoefficientsBackend(FaceBackend):
    """Reads expression coefficients from a square crop around the landmarks that another backend has found."""

    options_model = CoefficientsOptions

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:  # noqa: ARG002 - exported for the CPU
        own = parse_options(CoefficientsOptions, options, OWNER)
        path = need_file(own.weights, OWNER, "export it as examples/coefficients_backend.py says")
        self.model = own.model
        self._network = torch.export.load(path).module()
        self.info = BackendInfo("coefficients", "1", file_sha256(path), "the model's own")

    @torch.inference_mode()
    def coefficients(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Expression coefficients of one face per frame, shape (N, K)."""
        crops = (self._crop(frame, face) for frame, face in zip(frames, faces, strict=True))
        return torch.cat([self._network(crop) for crop in crops]).double().numpy()

    def _crop(self, frame: Frame, face: Face) -> torch.Tensor:
        """The face in a square, shape (1, 3, 224, 224), resized with antialiasing; outside the picture is black."""
        points = face.landmarks if face.landmarks is not None else face.box.reshape(2, 2)
        low, high = points.min(axis=0), points.max(axis=0)
        side = int(np.ceil((1 + 2 * MARGIN) * (high - low).max()))
        x, y = np.floor((low + high - side) / 2).astype(int)
        picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1).float() / 255
        height, width = frame.shape[:2]
        # Negative padding cuts, positive padding adds black.
        square = functional.pad(picture, (-x, x + side - width, -y, y + side - height))
        return functional.interpolate(square[None], (SIDE, SIDE), mode="bilinear", antialias=True)


BACKENDS.add("coefficients", CoefficientsBackend)
