"""The face tools of HelloMeme's own code, from a checkout that HELLOMEME_UPSTREAM names. None of it is here.

Its ONNX files come from the test.
"""

from __future__ import annotations

import contextlib
import importlib
import io

import hm_filling
import hm_upstream
import numpy as np
import torch

RATIO = 0.5


def load(root):
    """Upstream's helpers and its tools on the ONNX files below ``root``."""
    hm_upstream.load()
    utils = importlib.import_module("hellomeme.utils")
    tools = importlib.import_module("hellomeme.tools")
    for name in ("hello_face_alignment", "hello_3dmm", "hello_arkit"):
        module = importlib.import_module(f"hellomeme.tools.{name}")
        module.download_file_from_cloud = lambda model_id, file_name, **_: str(
            root / model_id.split("/")[1] / file_name
        )
    kit = {
        "device": "cpu",
        "dtype": torch.float32,
        "face_aligner": tools.HelloCameraDemo(face_alignment_module=tools.HelloFaceAlignment(), reset=False),
        "harkit_bs": tools.HelloARKitBSPred(gpu_id=None),
        "h3dmm": tools.Hello3DMMPred(),
        "image_encoder": Keep(),
        "pd_fpg_motion": Keep(),
    }
    return utils, kit


class Keep:
    """Stands in for an encoder: remembers what it was shown."""

    image_embeds = torch.zeros(1, 1)

    def __init__(self):
        self.seen = []

    def to(self, **_):
        return self

    def __call__(self, pictures):
        self.seen.append(pictures.clone())
        return self

    def cpu(self):
        return torch.zeros(1, 1)


def prepare(root, identity, driving, *, crop_reference=True, ratio=RATIO):
    """Upstream's preparation of a case, as named tensors; T counts the frames in which it saw a face."""
    utils, kit = load(root)
    # What it prints and its progress bars are not for our reports.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        ref = _read(utils, kit, identity, crop_reference)
        frames, points, angles, places = _read(utils, kit, driving, True)
        heat = utils.gen_control_heatmaps(angles, places, ref[3][0], save_size=512, trans_ratio=ratio)
        utils.get_drive_expression_pd_fgc(kit, frames, points)
        coefficients = utils.get_arkit_bs(kit, frames, points)
        utils.get_face_parts(kit, frames, points, save_size=256)
    count = len(frames)
    return {
        "reference": _signed(ref[0]),
        "condition": heat.transpose(0, 1),
        "rotation": torch.tensor(np.concatenate(angles)),
        "translation": torch.tensor(np.concatenate(places)),
        "canvas": torch.tensor(np.ascontiguousarray(frames[..., ::-1])),
        "points": torch.tensor(points),
        "expression_faces": torch.cat(kit["pd_fpg_motion"].seen[:count]),
        "coefficients": coefficients,
        "face_parts": torch.cat(kit["image_encoder"].seen).reshape(3, count, 3, 224, 224).transpose(0, 1),
    }


def window(seed):
    """Upstream's window for one of the clips of ``hm_filling``."""
    face = hm_filling.FillingFace(seed)
    frames = [np.full((face.height, face.width, 3), row, np.uint8) for row in range(hm_filling.FRAMES)]

    class Alignment:
        face_image_size = 128

        def detect(self, frame):
            return face.detect(frame[0, 0, 0]).astype(np.int32), None, None

        @property
        def face_detector(self):
            return self

        def forward(self, frame, **_):
            row = frame[0, 0, 0]
            euler = np.append(face.euler[row], np.float32(0))
            return {"pt222": face.points[row], "euler_rad": euler, "prob": np.float32([0.9])}

    hm_upstream.load()
    utils, tools = importlib.import_module("hellomeme.utils"), importlib.import_module("hellomeme.tools")
    with contextlib.redirect_stderr(io.StringIO()):
        kept, points = utils.det_landmarks(
            tools.HelloCameraDemo(face_alignment_module=Alignment(), reset=False), frames
        )
    _, moved = utils.crop_and_resize(np.stack(kept), points, save_size=512)
    low, high = points[0].argmin(axis=0), points[0].argmax(axis=0)
    ends = []
    for axis in (0, 1):
        (one, other), (new_one, new_other) = (side[0, [low[axis], high[axis]], axis] for side in (points, moved))
        scale = (new_other - new_one) / (float(other) - float(one))
        ends.append((round(one - new_one / scale), round(one - new_one / scale + 512 / scale)))
    (left, right), (top, bottom) = ends
    return left, top, right, bottom


def kept(boxes):
    """Which of some boxes of faces, shape (N, 4), last in upstream's tracker."""

    class Alignment:
        face_image_size = 128

        def detect(self, _):
            return np.column_stack([np.tile(np.arange(len(boxes))[:, None], 3), np.arange(len(boxes)) + 1]), None, None

        @property
        def face_detector(self):
            return self

        def forward(self, _, face_box, **__):
            points = np.float32(boxes[face_box[0]]).reshape(2, 2)
            return {"pt222": np.tile(points, (111, 1)), "euler_rad": np.float32([0, 0, 0]), "prob": np.float32([0.9])}

    hm_upstream.load()
    tools = importlib.import_module("hellomeme.tools")
    faces = tools.HelloCameraDemo(face_alignment_module=Alignment(), reset=False).forward(None)
    rows = [np.float32(face["face_rect"]).tolist() for face in faces]
    return [np.float32(boxes).tolist().index(row) for row in rows]


def _read(utils, kit, clip, crop):
    kept, landmarks = utils.det_landmarks(kit["face_aligner"], [frame[..., ::-1].copy() for frame in clip])
    return utils.get_drive_pose(kit, kept, landmarks, crop=crop)


def _signed(frames):
    return torch.tensor(np.ascontiguousarray(frames[..., ::-1])).permute(0, 3, 1, 2).float() / 127.5 - 1
