"""What the face tools hand over is checked where it is made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.inputs import Control, HelloMemeInputs


def given(frames=2, side=32, **fields):
    values = {
        "reference": torch.zeros(1, 3, side, side),
        "condition": torch.zeros(frames, 3, side, side),
        "rotation": np.zeros((frames, 3)),
        "translation": np.zeros((frames, 3)),
        "canvas": Clip(np.zeros((frames, side, side, 3), np.uint8)),
        "expression_faces": torch.zeros(frames, 3, 224, 224),
    }
    return HelloMemeInputs(**(values | fields))


def test_frames_without_a_face_keep_their_row():
    assert given(3, held=(1,)).found.tolist() == [True, False, True]


def test_the_kind_of_control_follows_from_what_is_there():
    parts = {"coefficients": torch.zeros(2, 51), "face_parts": torch.zeros(2, 3, 3, 224, 224)}
    assert given().control is Control.CNTRL2
    assert given(**parts).control is Control.CNTRL2
    assert given(expression_faces=None, **parts).control is Control.CNTRL1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("condition", torch.zeros(3, 32, 32)),
        ("condition", torch.zeros(3, 3, 32, 32)),
        ("rotation", np.zeros((2, 1, 3))),
        ("expression_faces", torch.zeros(2, 3, 112, 112)),
        ("canvas", Clip(np.zeros((2, 16, 16, 3), np.uint8))),
        ("coefficients", torch.zeros(2, 51)),
        ("expression_faces", None),
    ],
)
def test_wrong_shapes_are_refused(field, value):
    with pytest.raises(ValueError, match=field.split("_")[0]):
        replace(given(), **{field: value})
