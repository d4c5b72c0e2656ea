"""The detector's decoding against a loop over cells, and on a crafted network."""

from __future__ import annotations

import math

import hm_faces
import numpy as np
import pytest
import torch

from portraitbench.core.errors import WeightsError
from portraitbench.methods.hellomeme.face.detector import FaceDetector, decode, keep_best, letterbox
from portraitbench.methods.hellomeme.face.networks import OnnxNetwork
from portraitbench.methods.hellomeme.face.points import overlap


def answers(seed=0, likely=9):
    """Maps of the three grids in which some cells are faces."""
    draw = np.random.default_rng(seed)
    maps = []
    for stride in (8, 16, 32):
        cells = math.ceil(272 / stride) * (160 // stride)  # 680, 170, 45: the coarsest grid has a ninth row
        score = draw.uniform(0, 0.39, cells)
        score[draw.choice(cells, likely, replace=False)] = draw.uniform(0.41, 1, likely)
        maps.append((score.astype(np.float32)[None, :, None], draw.normal(0, 2, (1, cells, 32)).astype(np.float32)))
    return [score for score, _ in maps] + [box for _, box in maps]


def by_hand(maps):
    found = []
    for row, stride in enumerate((8, 16, 32)):
        wide = 160 // stride
        for cell, score in enumerate(maps[row].ravel()):
            if score <= 0.4:
                continue
            sides = []
            for side in range(4):
                weights = [math.exp(value) for value in maps[3 + row][0, cell, 8 * side : 8 * side + 8]]
                sides.append(stride * sum(k * weight for k, weight in enumerate(weights)) / sum(weights))
            x, y = cell % wide * stride, cell // wide * stride
            found.append([x - sides[0], y - sides[1], x + sides[2], y + sides[3], score])
    return np.array(found)


@pytest.mark.parametrize("seed", range(3))
def test_cells_become_boxes(seed):
    maps = answers(seed)
    boxes, scores = decode(maps)
    expected = by_hand(maps)
    assert len(expected) == 27
    assert np.allclose(boxes, expected[:, :4], atol=1e-4)
    assert np.allclose(scores, expected[:, 4])


def test_no_cell_gives_no_box():
    maps = answers(likely=0)
    boxes, scores = decode(maps)
    assert (boxes.shape, scores.shape) == ((0, 4), (0,))


def test_maps_of_another_size_are_refused():
    maps = answers()
    with pytest.raises(WeightsError, match="of another model"):
        decode([maps[0], maps[2], maps[1], *maps[3:]])
    with pytest.raises(WeightsError, match="of another model"):
        decode(maps[:3])


@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_overlaps_little_and_beats_what_goes(seed):
    draw = np.random.default_rng(seed)
    corner, size = draw.uniform(0, 60, (40, 2)), draw.uniform(10, 40, (40, 2))
    boxes, scores = np.hstack([corner, corner + size]), draw.permutation(40) / 40
    kept = keep_best(boxes, scores)
    assert kept == sorted(kept, key=lambda row: -scores[row])
    for row in range(40):
        rivals = [other for other in kept if other != row and overlap(boxes[row], boxes[other], 1e-5) > 0.3]
        if row in kept:
            assert not rivals
        else:
            assert any(scores[other] > scores[row] for other in rivals)


@pytest.mark.parametrize(("width", "height"), [(512, 512), (640, 360), (300, 900)])
def test_the_letterbox_keeps_the_shape_and_the_centre(width, height):
    matrix = letterbox(width, height)
    corners = np.array([[0, 0, 1], [width, height, 1]]) @ matrix.T
    assert np.allclose(corners[:, :2].mean(axis=0), [80, 136])
    assert matrix[0, 0] == matrix[1, 1]
    sides = np.diff(corners[:, :2], axis=0)[0]
    assert (sides <= [160 + 1e-9, 272 + 1e-9]).all()
    assert np.isclose(sides, [160, 272]).any()


@pytest.fixture(scope="module")
def detect(tmp_path_factory):
    return FaceDetector(OnnxNetwork(hm_faces.save_detector(tmp_path_factory.mktemp("det") / "hello_face_det.onnx")))


@pytest.mark.parametrize("centre", [(200, 220), (300, 260)])
def test_a_marked_head_is_found_where_it_is(detect, centre):
    (box,) = detect(hm_faces.portrait(centre))
    assert np.array_equal(box, np.trunc(box))
    assert abs((box[:2] + box[2:]) / 2 - centre).max() < 60
    assert len(detect(hm_faces.portrait(centre, marked=False))) == 0


@pytest.mark.parametrize(("reach", "expected"), [(0, []), (1, [[180, 80, 220, 120]])])
def test_a_box_within_one_pixel_is_no_face(reach, expected):
    maps = [np.zeros((1, cells, 1), np.float32) for cells in (680, 170, 45)]
    maps[0][0, 20 * 17 + 10] = 0.8  # at (80, 136), the picture's middle
    maps += [np.zeros((1, cells, 32), np.float32) for cells in (680, 170, 45)]
    maps[3][..., reach::8] = 200.0  # every side lies so many cells of 8 pixels away, at a scale of 0.4
    assert FaceDetector(lambda image: maps)(np.zeros((200, 400, 3), np.uint8)).tolist() == expected


def test_colours_are_read_in_the_networks_order(detect):
    blue = np.ascontiguousarray(hm_faces.portrait((200, 220))[..., ::-1])
    assert len(detect(blue)) == 0


def test_a_file_that_cannot_run_is_one_line(tmp_path):
    path = tmp_path / "hello_face_det.onnx"
    path.write_bytes(b"\x08\x07nonsense")
    with pytest.raises(WeightsError, match="not a usable ONNX file"):
        OnnxNetwork(path)
    reader = hm_faces.save_models(tmp_path) / "hello_group_facemodel" / "hello_3dmm.onnx"
    with pytest.raises(WeightsError, match="does not run"):
        OnnxNetwork(reader)(np.zeros((1, 3, 100, 100), np.float32))
    with pytest.raises(WeightsError, match="not finite"):
        OnnxNetwork(reader)(np.full((1, 3, 224, 224), np.nan, np.float32))


@pytest.mark.parametrize("count", [1, 3])
def test_onnxruntime_takes_as_many_threads_as_the_run_was_given(tmp_path, count):
    torch.set_num_threads(count)  # as the harness does; a fixture puts it back
    network = OnnxNetwork(hm_faces.save_detector(tmp_path / "hello_face_det.onnx"))
    options = network._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (count, 1)


def test_missing_libraries_are_one_line(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(WeightsError, match=r"pip install 'portraitbench\[hellomeme\]'"):
        OnnxNetwork(tmp_path / "any.onnx")
    monkeypatch.setitem(sys.modules, "cv2", None)
    detect = FaceDetector(lambda image: answers())
    with pytest.raises(WeightsError, match="need OpenCV"):
        detect(hm_faces.portrait((200, 200)))
