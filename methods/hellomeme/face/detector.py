"""Finding faces: what the NanoDet file answers, turned into boxes.

The decoding is that of NanoDet (RangiLyu/nanodet) with HelloMeme's settings: for each cell of three grids a score, and
for each side of its box a distribution over eight distances, whose mean is taken.
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from ....core.errors import WeightsError
from ....datasets.clip import Frame
from ....faces.base import Floats
from ..weights import OWNER
from .networks import Array, FaceNetwork
from .pixels import warp_to
from .points import overlap

WIDTH, HEIGHT = 160, 272
STRIDES = (8, 16, 32)
"""Pixels per cell of the three grids, in the order of the file's outputs."""
_BINS = 8
_SCORE, _OVERLAP, _CANDIDATES = 0.4, 0.3, 200
_MEAN = np.array([103.53, 116.28, 123.675], np.float32) / 255
_DEVIATION = np.array([57.375, 57.12, 58.395], np.float32) / 255
"""Of the picture's channels in [0, 1], blue first."""


class FaceDetector:
    """Finds all faces of a frame.

    Args:
        network: Reads a picture of 160 x 272 pixels, channels blue, green, red.
    """

    def __init__(self, network: FaceNetwork) -> None:
        self._network = network

    def __call__(self, frame: Frame) -> Floats:
        """Boxes in whole pixels of the frame, best score first, shape (N, 4)."""
        height, width = frame.shape[:2]
        matrix = letterbox(width, height)
        pixels = warp_to(frame, matrix, WIDTH, HEIGHT)[..., ::-1]
        image = (pixels.astype(np.float32) / 255 - _MEAN) / _DEVIATION
        answers = self._network(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        boxes, scores = decode(answers)
        boxes = boxes[keep_best(boxes, scores)]
        scale, shift = matrix[0, 0], matrix[:2, 2]
        corners = (boxes.reshape(-1, 2, 2) - shift) / scale
        # Rounded before they are cut off: what lies a hair before a whole pixel comes to lie on it.
        inside = np.clip(corners, 0, [width, height]).astype(np.float32)
        whole: Floats = np.trunc(inside).astype(np.float64).reshape(-1, 4)
        is_extended = (whole[:, 2:] > whole[:, :2]).any(axis=1)  # within one pixel there is nothing to read
        return whole[is_extended]


def letterbox(width: int, height: int) -> Floats:
    """Matrix that fits a frame into the network's picture, centred, its shape kept; shape (3, 3)."""
    scale = min(WIDTH / width, HEIGHT / height)
    return np.array(
        [
            [scale, 0, (WIDTH - scale * width) / 2],
            [0, scale, (HEIGHT - scale * height) / 2],
            [0, 0, 1],
        ]
    )


def decode(answers: list[Array]) -> tuple[Floats, Floats]:
    """Boxes and scores of all cells that score above the threshold.

    Args:
        answers: Three maps of scores (cells), then three of distances (cells x 32), in the order of ``STRIDES``.

    Returns:
        Boxes in the picture's pixels, shape (N, 4), and scores, shape (N,).

    Raises:
        WeightsError: When the maps have other sizes.
    """
    boxes, scores = [], []
    # Grids reach over the edge: 272 is no multiple of 32, and the coarsest grid has 9 rows.
    cells = [-(-HEIGHT // stride) * -(-WIDTH // stride) for stride in STRIDES]
    sizes = [answer.size for answer in answers[:6]]
    if sizes != [*cells, *(4 * _BINS * count for count in cells)]:
        raise WeightsError(f"{OWNER}: the face detector answers with {sizes} numbers: the file is of another model")
    for row, stride in enumerate(STRIDES):
        score = answers[row].reshape(-1).astype(np.float64)
        likely = score > _SCORE
        bins = answers[3 + row].reshape(-1, 4, _BINS)[likely]
        distances = (softmax(bins, axis=-1) * np.arange(_BINS)).sum(axis=-1) * stride
        y, x = np.divmod(np.flatnonzero(likely), -(-WIDTH // stride))
        centre = np.stack([x, y, x, y], axis=1) * stride  # a cell's corner, not its middle
        boxes.append(centre + distances * [-1, -1, 1, 1])
        scores.append(score[likely])
    return np.concatenate(boxes), np.concatenate(scores)


def keep_best(boxes: Floats, scores: Floats) -> list[int]:
    """Of boxes that overlap keep the one with the best score; returns rows, best first."""
    rest = np.argsort(scores, kind="stable")[::-1][:_CANDIDATES].tolist()
    kept: list[int] = []
    while rest:
        best, *rest = rest
        kept.append(best)
        rest = [row for row in rest if overlap(boxes[row], boxes[best], 1e-5) <= _OVERLAP]
    return kept
