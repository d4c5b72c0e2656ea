"""Face tools of ``weights=random-tiny``: no face model, only something of the right shape that follows the driver."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...datasets.clip import Clip
from .inputs import COEFFICIENTS, FACE, Control, FaceSettings, HelloMemeInputs

_FRAME = 0.3, 0.7
"""Where the stand-in's square begins and ends, as shares of the side."""


class StandInTools:
    """Takes every frame for one large face that looks straight ahead.

    Args:
        settings: It heeds the canvas' side and the kind of control.
    """

    def __init__(self, settings: FaceSettings) -> None:
        self._settings = settings

    def prepare(self, identity: Clip, driving: Clip) -> HelloMemeInputs:
        """Resize everything; the driving frames themselves are the crops that encoders read."""
        side, is_code = self._settings.side, self._settings.control is Control.CNTRL2
        frames = _resized(driving, side)
        faces, count = _resized(driving, FACE), len(driving)
        means = F.adaptive_avg_pool2d(faces, (1, COEFFICIENTS)).mean(1).flatten(1)
        canvas = ((frames.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        return HelloMemeInputs(
            reference=_resized(identity, side)[:1],
            condition=_square(side).expand(count, -1, -1, -1),
            rotation=np.zeros((count, 3)),
            translation=np.zeros((count, 3)),
            canvas=Clip(canvas, driving.fps),
            expression_faces=faces if is_code else None,
            coefficients=None if is_code else (means + 1) / 2,
            face_parts=None if is_code else faces[:, None].expand(-1, 3, -1, -1, -1),
        )


def _resized(clip: Clip, side: int) -> Tensor:
    frames = torch.tensor(clip.frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.interpolate(frames, (side, side), mode="bilinear", antialias=True, align_corners=False)


def _square(side: int) -> Tensor:
    """A white square on black, in [-1, 1], shape (1, 3, side, side)."""
    first, last = (round(share * side) for share in _FRAME)
    image = torch.full((1, 3, side, side), -1.0)
    image[:, :, first:last, first:last] = 1
    return image
