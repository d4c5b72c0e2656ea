"""What the face tools hand to the networks: a case as HelloMeme sees it, read by ONNX face models or crafted ones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.clip import Clip
from ...faces.base import Floats

CANVAS = 512
"""Side of the generator's frame in pixels; random-tiny works on 128."""
FACE = 224
"""Side in pixels of the crops that the expression encoder and CLIP read."""
COEFFICIENTS = 51
"""ARKit blendshape coefficients per frame."""


class Control(StrEnum):
    """Which expression code drives the control network.

    CNTRL2, upstream's default, is PD-FGC's code of one face crop. CNTRL1 is ARKit coefficients with CLIP embeddings of
    three face parts.
    """

    CNTRL1 = "cntrl1"
    CNTRL2 = "cntrl2"


@dataclass(frozen=True)
class FaceSettings:
    """What the face tools are asked to do; part of what decides their output.

    Attributes:
        control: Which of the two kinds of expression input to prepare.
        translation_ratio: How much of the driving head's own movement is added to the reference's place: 0 none.
        crop_reference: Cut the identity image around its face; otherwise it is only resized.
        side: Side of the square canvas, in pixels.
    """

    control: Control = Control.CNTRL2
    translation_ratio: float = 0.5
    crop_reference: bool = True
    side: int = CANVAS


@dataclass(frozen=True, eq=False)
class HelloMemeInputs:
    """One case, cropped and read. T driving frames, S the canvas' side in pixels. Tensors: float32, on the CPU, RGB.

    A driving frame without a face keeps its row, which repeats the last frame before it that has one (the first such
    frame at the beginning), and is named in ``held``; without any face the tools raise ``NoFaceError``.

    Attributes:
        reference: The identity image on the canvas, in [-1, 1], shape (1, 3, S, S).
        condition: Heat maps of the driving head's turn at the reference's place and size: four coloured lines on black,
            in [-1, 1], shape (T, 3, S, S). This is the control network's ``condition``.
        rotation: Head angles of the driving frames about x, y and z in radians, shape (T, 3).
        translation: Head positions of the driving frames in the 3D face model's units, camera at the origin and before
            the reference's place is put in, shape (T, 3).
        canvas: The driving clip in one fixed window of the canvas' size, T frames, also those without a face; what
            landmark metrics compare with.
        held: Frames that showed no face, ascending.
        expression_faces: For CNTRL2: faces warped to PD-FGC's five points, in [-1, 1], shape (T, 3, 224, 224).
        coefficients: For CNTRL1: ARKit blendshapes in [0, 1], shape (T, 51).
        face_parts: For CNTRL1: left brow and eye, right brow and eye, mouth, as CLIP's image encoder wants them (its
            mean and deviation taken off), shape (T, 3, 3, 224, 224): frame, part, colour, rows, columns.
    """

    reference: Tensor
    condition: Tensor
    rotation: Floats
    translation: Floats
    canvas: Clip
    held: tuple[int, ...] = ()
    expression_faces: Tensor | None = None
    coefficients: Tensor | None = None
    face_parts: Tensor | None = None

    def __post_init__(self) -> None:
        count, side = len(self.canvas), self.reference.shape[-1]
        expected = {
            "reference": (1, 3, side, side),
            "condition": (count, 3, side, side),
            "rotation": (count, 3),
            "translation": (count, 3),
            "expression_faces": (count, 3, FACE, FACE),
            "coefficients": (count, COEFFICIENTS),
            "face_parts": (count, 3, 3, FACE, FACE),
        }
        for name, shape in expected.items():
            value: Tensor | Floats | None = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise ValueError(f"{name} must have shape {shape}, not {tuple(value.shape)}")
        if (self.canvas.height, self.canvas.width) != (side, side):
            raise ValueError(f"the canvas must have {side} x {side} pixels, as the reference has")
        if (self.coefficients is None) != (self.face_parts is None):
            raise ValueError("coefficients and face_parts go together")
        if self.expression_faces is None and self.coefficients is None:
            raise ValueError("an expression is missing: expression_faces, or coefficients with face_parts")

    @property
    def control(self) -> Control:
        """Which kind of expression it carries; CNTRL2 where it has both."""
        return Control.CNTRL1 if self.expression_faces is None else Control.CNTRL2

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which driving frames showed a face, shape (T,)."""
        found = np.ones(len(self.canvas), bool)
        found[list(self.held)] = False
        return found


class FaceTools(Protocol):
    """Reads faces the way HelloMeme wants them."""

    def prepare(self, identity: Clip, driving: Clip) -> HelloMemeInputs:
        """Crop and read a case.

        Raises:
            NoFaceError: When the identity image, or every driving frame, shows no face.
        """
        ...
