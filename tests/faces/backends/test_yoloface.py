"""YOLO-face behind a crafted TorchScript file: real loading, real decoding, known candidates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from yoloface_crafted import Crafted, lit

from portraitbench.core.digest import file_sha256
from portraitbench.core.errors import WeightsError
from portraitbench.faces.backends.yoloface import YoloFace, decode, grids, keep_best, network_size
from portraitbench.faces.base import Detects


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "yoloface_v5m.pt"
    torch.jit.script(Crafted()).save(str(file))
    return file


@pytest.mark.parametrize(
    ("height", "width", "y", "x"), [(416, 416, 112, 240), (500, 800, 150, 500), (300, 200, 60, 90)]
)
def test_a_file_is_loaded_and_its_answer_is_in_pixels_of_the_frame(path, height, width, y, x):
    detector = YoloFace.of_file(path)
    assert isinstance(detector, Detects)
    assert detector.info.weights == file_sha256(path)
    (faces,) = detector.detect([lit(height, width, y, x)])
    assert len(faces) == 1, "one below the score, one by its class score, one that overlaps a better one"
    (face,) = faces
    tall, wide = network_size(height, width)
    cell_y, cell_x = 32 * height / tall, 32 * width / wide
    middle = np.array([face.box[::2].mean(), face.box[1::2].mean()])
    assert abs(middle[0] - x) <= cell_x
    assert abs(middle[1] - y) <= cell_y
    assert face.box[2:] - face.box[:2] == pytest.approx([64 * width / wide, 96 * height / tall])
    assert face.points[2] == pytest.approx(middle)
    assert face.points[1] - face.points[0] == pytest.approx([20 * width / wide, 0], abs=1e-4)
    assert face.score == pytest.approx(0.9 * 0.8)


def test_the_network_sees_rgb_in_0_to_1_stretched_to_whole_cells():
    seen = []

    def network(image, grids):
        seen.append((image, grids))
        return torch.zeros(1, 0, 16)

    frame = np.zeros((100, 150, 3), np.uint8)
    frame[..., 0] = 255
    assert YoloFace(network).detect([frame]) == [[]]
    image, cells = seen[0]
    assert image.shape == (1, 3, 416, 640)  # 416 / 100 * 150 = 624, and on to the next multiple of 32
    assert image[0, :, 5, 5].tolist() == [1, 0, 0]
    assert [tuple(grid.shape) for grid in cells] == [(1, 1, 52, 80, 2), (1, 1, 26, 40, 2), (1, 1, 13, 20, 2)]
    assert cells[0][0, 0, 3, 7].tolist() == [7, 3]


def test_resizing_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    seen = []
    frame = np.random.default_rng(0).integers(0, 256, (200, 330, 3), dtype=np.uint8)
    YoloFace(lambda image, _: seen.append(image) or torch.zeros(1, 0, 16)).detect([frame])
    expected = cv2.resize(frame, (704, 416), interpolation=cv2.INTER_LINEAR)
    off = np.abs((seen[0][0].permute(1, 2, 0) * 255).numpy() - expected.astype(float))
    assert off.max() <= 1.01
    assert (off > 0.5).mean() < 0.2, "OpenCV mixes in fixed point"


def test_suppression_against_a_loop():
    random = np.random.default_rng(3)
    candidates = random.uniform(0, 1, (60, 16))
    candidates[:, :2] *= 60
    candidates[:, 2:4] = 20 + 10 * candidates[:, 2:4]
    candidates[:, [4, 15]] = candidates[:, [4, 15]] ** 0.2
    found = keep_best(decode(candidates, np.array([2.0, 0.5])))
    rest = [row for row in candidates if row[4] > 0.5 and row[4] * row[15] > 0.5]
    rest.sort(key=lambda row: -row[4] * row[15])
    kept = []

    def share(a, b):
        sides = [
            max(0.0, min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2))
            for i in (0, 1)
        ]
        both = sides[0] * sides[1]
        return both / (a[2] * a[3] + b[2] * b[3] - both)

    for row in rest:
        if all(share(row, other) <= 0.45 for other in kept):
            kept.append(row)
    assert 3 < len(kept) < len(rest)
    assert [face.score for face in found] == pytest.approx([row[4] * row[15] for row in kept])
    assert found[0].box == pytest.approx(
        [
            2 * (kept[0][0] - kept[0][2] / 2),
            (kept[0][1] - kept[0][3] / 2) / 2,
            2 * (kept[0][0] + kept[0][2] / 2),
            (kept[0][1] + kept[0][3] / 2) / 2,
        ]
    )


def test_what_cannot_be_used_is_one_line(tmp_path, path):
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(path.read_bytes()[:200])
    plain = tmp_path / "plain.pt"
    torch.save({"a": torch.zeros(2)}, plain)
    for file, words in ((tmp_path / "no.pt", "is missing"), (damaged, "no TorchScript"), (plain, "no TorchScript")):
        with pytest.raises(WeightsError, match=words) as error:
            YoloFace.of_file(file)
        assert "\n" not in str(error.value)
    other = tmp_path / "other.pt"
    torch.jit.script(torch.nn.Conv2d(3, 3, 1)).save(str(other))
    with pytest.raises(WeightsError, match="another model"):
        YoloFace.of_file(other).detect([lit(64, 64, 30, 30)])
    with pytest.raises(WeightsError, match="shape"):
        YoloFace(lambda image, grids: torch.zeros(1, 5, 6)).detect([lit(64, 64, 30, 30)])


def test_grids_hold_positions():
    assert [tuple(one.shape[2:4]) for one in grids(64, 96, torch.device("cpu"))] == [(8, 12), (4, 6), (2, 3)]
