"""The overview, like Figure 2(b): where the regions are, and the gradient fields that are aligned in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...datasets.clip import Clip, Frame
from ...methods.strucbooth.gradients import structural_gradients
from ...methods.strucbooth.regions import REGIONS
from ...methods.strucbooth.tensors import as_tensor
from .drawing import Locate, boxes_of, cut, grid, outline, show
from .shown import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PATCHES = ("right_eye", "left_eye", "mouth")


def overview_figure(one: Shown, method: str, baseline: str, locate: Locate) -> Figure:
    """A row each for driver, baseline and ours: the frame with its regions, its gradient field, and three patches.

    The field's hue is the direction of the gradient and its brightness the norm, the strongest of a picture white-hot
    at full brightness.
    """
    figure, axes = grid(3, 2 + 2 * len(_PATCHES))
    parts = (("driving", one.driving), (f"{baseline} (PGT)", one.base), (method, one.ours))
    for row, (name, clip) in zip(axes, parts, strict=True):
        frame = clip.frames[len(clip) // 2]
        show(row[0], frame, name.replace("+", "\n+"))
        boxes = dict(zip(REGIONS, boxes_of(frame, REGIONS, locate), strict=False))
        for box in boxes.values():
            outline(row[0], box, "lime")
        first = name == "driving"
        show(row[1], gradient_picture(frame), "gradients" if first else "")
        for index, region in enumerate(_PATCHES):
            if region in boxes:
                patch = cut(frame, [boxes[region]])
                show(row[2 + 2 * index], patch, region.replace("_", " ") if first else "")
                show(row[3 + 2 * index], gradient_picture(patch), "gradients" if first else "")
    return figure


def gradient_picture(frame: Frame) -> Frame:
    """The Facial Structural Gradients of a frame as a picture, two pixels smaller each way.

    Args:
        frame: uint8 RGB, shape (H, W, 3); sides of at least 3 pixels.

    Returns:
        uint8 RGB: hue is the direction, red for a gradient to the right, brightness the norm.
    """
    from matplotlib.colors import hsv_to_rgb

    if min(frame.shape[:2]) < 3:
        return frame
    across, down = structural_gradients(as_tensor(Clip.from_image(frame)))[0].numpy()
    norm = np.hypot(across, down)
    hue = (np.arctan2(down, across) / (2 * np.pi)) % 1.0
    strength = np.sqrt(norm / max(float(norm.max()), 1e-6))
    colours = hsv_to_rgb(np.stack([hue, np.ones_like(hue), strength], axis=-1))
    picture: Frame = (255 * colours).round().astype(np.uint8)
    return picture
