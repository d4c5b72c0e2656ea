"""Mistakes planted into the face tools: each must make an answer differ from upstream's stored ones."""

from __future__ import annotations

import hm_faces
import numpy as np
import pytest
import torch
from hm_faces_golden import WINDOWS, moved_windows, unlike_upstream

from portraitbench.core.errors import NoFaceError
from portraitbench.methods.hellomeme import face_tools as tools
from portraitbench.methods.hellomeme.face import (
    detector,
    heads,
    landmarks,
    pixels,
    points,
    pose,
    smoothing,
    tracking,
    windows,
)
from portraitbench.methods.hellomeme.inputs import Control

CODE, COEFFICIENTS = "expression_faces", "coefficients"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return hm_faces.save_models(tmp_path_factory.mktemp("models"))


def swapped(original):
    return lambda frame, *, bgr: original(frame, bgr=not bgr)


def rounded_heat_map(angles, translation, side):
    image, corners = np.zeros((side, side, 3), np.uint8), np.round(pose.project_square(angles, translation, side))
    for row, colour in enumerate(pose._COLOURS):
        ends = corners[[row, (row + 1) % 4]].astype(int).tolist()
        pixels.opencv().line(image, *ends, colour, 15)
    return image


def centred_decode(answers):
    boxes, scores = decode(answers)
    return boxes + 12, scores


def no_turn(points, side, margin, degrees=0.0):
    return align(points, side, margin)


def eager(self, frame, matrix):
    """Passes that turn by the tilt in the frame."""
    reading = self._read(frame, matrix)
    for _ in range(2):
        reading = self._read(frame, landmarks._around(reading.points, points.roll(reading.points)))
    return reading


def blind(self, frame, start=None):
    """A step that looks for faces only where none is followed."""
    detect = self._detect
    self._detect = (lambda frame: np.empty((0, 4))) if self._tracks else detect
    try:
        return step(self, frame, start)
    finally:
        self._detect = detect


def one_part_window_per_frame(frames, positions):
    return torch.cat([face_parts(frames[row : row + 1], positions[row : row + 1]) for row in range(len(frames))])


decode, align, step, face_parts = detector.decode, windows.align_points, tracking.Tracker.step, tools.face_parts
CHIN = smoothing.STEADINESS[0]
TRAPS = {
    "landmark network fed red first": (landmarks, "picture", swapped(landmarks.picture), CODE),
    "3D model fed blue first": (heads, "picture", swapped(heads.picture), CODE),
    "blendshapes fed red first": (heads, "picture", swapped(heads.picture), COEFFICIENTS),
    "head cut out as tightly as an expression": (heads, "_HEAD_MARGIN", 0.15, CODE),
    "expression cut out as loosely as a head": (heads, "_EXPRESSION_MARGIN", 0.35, COEFFICIENTS),
    "expression not levelled": (heads, "align_points", no_turn, COEFFICIENTS),
    "two passes for three": (landmarks, "_PASSES", 2, CODE),
    "passes turned by the tilt in the frame": (landmarks.LandmarkReader, "_passes", eager, CODE),
    "detector's cells centred": (detector, "decode", centred_decode, CODE),
    "detector fed red first": (detector, "warp_to", lambda *a: pixels.warp_to(*a)[..., ::-1], CODE),
    "no smoothing": (smoothing.Smoother, "__call__", lambda self, found, size: found, CODE),
    "second round starts from nothing": (tracking.Tracker, "step", lambda self, frame, _=None: step(self, frame), CODE),
    "no fresh detection": (tracking.Tracker, "step", blind, CODE),
    "no fresh detection of a face that is followed": (tracking.Tracker, "step", blind, WINDOWS),
    "window not raised": (windows, "_WINDOW_RAISE", 0.0, CODE),
    "window around a face that fills the frame not raised": (windows, "_WINDOW_RAISE", 0.0, WINDOWS),
    "window of two faces": (windows, "_WINDOW_SIZE", 2.0, CODE),
    "heat map rounded": (tools, "heat_map", rounded_heat_map, CODE),
    "heat map blue first": (pose, "_COLOURS", tuple(colour[::-1] for colour in pose._COLOURS), CODE),
    "heat map with thin lines": (pose, "_THICKNESS", 13, CODE),
    "head's place left in its crop": (heads, "translation_in_frame", lambda place, *_: place, CODE),
    "PD-FGC's crop bilinear": (tools, "warp", lambda f, m, s, cubic=False: pixels.warp(f, m, s), CODE),
    "parts' window per frame": (tools, "face_parts", one_part_window_per_frame, COEFFICIENTS),
    "parts not blurred": (tools, "blur", lambda frame: frame, COEFFICIENTS),
    "CLIP's mean left in": (tools, "CLIP_MEAN", np.zeros(3), COEFFICIENTS),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_a_planted_trap_is_noticed(root, monkeypatch, trap):
    owner, name, planted, seen_by = TRAPS[trap]
    monkeypatch.setattr(owner, name, planted)
    try:
        control = Control.CNTRL2 if seen_by == CODE else Control.CNTRL1
        wrong = moved_windows() if seen_by == WINDOWS else unlike_upstream(root, control)
    except NoFaceError:
        wrong = ["no face is found any more"]
    assert wrong
