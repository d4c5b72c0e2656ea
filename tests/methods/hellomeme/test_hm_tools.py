"""The face tools as a whole on crafted models: against upstream's stored answers."""

from __future__ import annotations

import cv2
import hm_faces
import numpy as np
import pytest
import torch
from hm_faces_golden import case, prepare, unlike_upstream

from portraitbench.core.errors import NoFaceError, WeightsError
from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.face_tools import load_tools
from portraitbench.methods.hellomeme.inputs import Control, FaceSettings


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return hm_faces.save_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("control", Control)
def test_answers_are_those_of_upstream(root, control):
    assert unlike_upstream(root, control) == []


def test_a_frame_without_a_face_keeps_its_row_and_its_picture(root):
    out = prepare(root, Control.CNTRL2)
    assert out.held == (2,)
    assert len(out.canvas) == len(out.condition) == 5
    assert torch.equal(out.condition[2], out.condition[1])
    assert torch.equal(out.expression_faces[2], out.expression_faces[1])
    assert np.array_equal(out.rotation[2], out.rotation[1])
    assert not np.array_equal(out.canvas.frames[2], out.canvas.frames[1])


def test_cases_without_a_face_are_typed_failures(root):
    own = load_tools(FaceSettings(), root, "cpu")
    nobody = Clip.from_image(hm_faces.portrait((-900, -900), marked=False))
    someone = Clip.from_image(hm_faces.portrait((400, 400)))
    with pytest.raises(NoFaceError, match="the identity image shows no face"):
        own.prepare(nobody, someone)
    with pytest.raises(NoFaceError, match="the driving clip shows no face"):
        own.prepare(someone, nobody)


def test_without_a_crop_the_identity_image_is_only_resized(root):
    identity, driving = case()
    plain = load_tools(FaceSettings(crop_reference=False), root, "cpu").prepare(identity, driving)
    resized = cv2.resize(identity.frames[0], (512, 512), interpolation=cv2.INTER_CUBIC)
    expected = torch.tensor(resized[None]).permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(plain.reference, expected, atol=1e-6)
    assert not torch.allclose(prepare(root, Control.CNTRL2).reference, expected, atol=0.1)


def test_the_heads_own_way_counts_as_much_as_the_ratio_says(root):
    def middles(ratio):
        maps = prepare(root, Control.CNTRL2, translation_ratio=ratio).condition
        columns = torch.arange(512.0)
        return torch.stack([(one.amax((0, 1)) > 0).float() @ columns / (one.amax((0, 1)) > 0).sum() for one in maps])

    none, all_ = middles(0.0), middles(1.0)
    assert (none - none[0]).abs().max() < (all_ - all_[0]).abs().max()


def test_a_missing_or_damaged_model_is_one_line(root, tmp_path):
    with pytest.raises(WeightsError, match=r"hello_face_det\.onnx is not in .*songkey/hello_group_facemodel"):
        load_tools(FaceSettings(), tmp_path, "cpu")
    hm_faces.save_models(tmp_path)
    path = tmp_path / "hello_group_facemodel" / "hello_3dmm.onnx"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"hello_3dmm\.onnx .* not a readable ONNX file") as caught:
        load_tools(FaceSettings(), tmp_path, "cpu")
    assert "\n" not in str(caught.value)
