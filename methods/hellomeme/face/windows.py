"""Where faces are cut out: matrices for single faces and one fixed window for a clip. Only numbers, no pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....faces.alignment import umeyama
from ....faces.base import Floats
from .pixels import opencv
from .points import Points, box_around

PDFGC_POINTS = [182, 202, 36, 149, 133]
"""Both pupils, the nose tip, both mouth corners."""
PDFGC_TEMPLATE: Floats = np.array([[0.3843, 0.27], [0.62, 0.2668], [0.503, 0.4185], [0.406, 0.5273], [0.5977, 0.525]])
"""Where PD-FGC's encoder wants them, as shares of its crop."""

PART_POINTS = [33, 74, 96, 133, 149]
PART_TEMPLATE: Floats = np.array(
    [
        [0.50951539, 0.40128625],
        [0.29259476, 0.40203411],
        [0.72196212, 0.40857479],
        [0.63420714, 0.71678643],
        [0.38437035, 0.71723224],
    ]
)
"""Where faces are put before the parts are cut, as shares of the frame."""
PARTS = ([*range(48, 60), *range(74, 95)], [*range(61, 73), *range(96, 117)], [*range(118, 149)])
"""Points of left brow and eye, right brow and eye, mouth."""
PART_SIDE, PART_MARGIN = 256, 1.2

_WINDOW_SIZE, _WINDOW_RAISE = 3.0, 0.115


@dataclass(frozen=True)
class Alignment:
    """A face cut out by its points.

    Attributes:
        matrix: Affine matrix from frame pixels to crop pixels, shape (2, 3).
        centre: Centre of the points' bounding box in the frame, shape (2,).
        scale: Crop pixels per frame pixel.
    """

    matrix: Floats
    centre: Points
    scale: float


def turn(centre: Points, degrees: float, scale: float) -> Floats:
    """Turn counter-clockwise (as one sees it) about a point, and scale; shape (2, 3).

    By OpenCV, which rounds the point to float32: upstream's pictures are cut out by such matrices.
    """
    return np.asarray(opencv().getRotationMatrix2D(centre.tolist(), degrees, scale), np.float64)


def moved(matrix: Floats, points: Points) -> Points:
    """Points (K, 2) moved by a matrix of shape (2, 3), in their own precision."""
    there: Points = opencv().transform(points[:, None], matrix)[:, 0]
    return there


def moved_back(matrix: Floats, points: Points) -> Points:
    """Points (K, 2) moved by the inverse of a matrix of shape (2, 3), in their own precision."""
    return moved(opencv().invertAffineTransform(matrix), points)


def align_box(box: Points, side: int, margin: float) -> Floats:
    """Matrix that centres a detected box in a square crop, its longer side filling all but a share ``margin``."""
    size, centre = box[2:] - box[:2], (box[:2] + box[2:]) / 2
    matrix = turn(centre, 0.0, float(side / size.max() * (1 - margin)))
    matrix[:, 2] += side / 2 - centre
    return matrix


def align_points(points: Points, side: int, margin: float, degrees: float = 0.0) -> Alignment:
    """Cut a face out so that its turned points' box is centred and fills all but a share ``margin``.

    As upstream, the turn is about the centre of the box before it, and the scale is of the box after it.

    Args:
        points: Landmarks of one face, shape (K, 2).
        side: Side of the square crop, in pixels.
        margin: Share of the crop that stays free.
        degrees: Turn that levels the face, its :func:`.points.roll`.
    """
    low, high = np.split(box_around(points), 2)
    centre = (low + high) / 2
    turned = box_around(moved(turn(centre, degrees, 1.0), points))
    scale = float(side / (turned[2:] - turned[:2]).max() * (1 - margin))
    matrix = turn(centre, degrees, scale)
    scaled = box_around(moved(matrix, points))
    matrix[:, 2] += side / 2 - (scaled[:2] + scaled[2:]) / 2
    return Alignment(matrix, centre, scale)


def clip_window(points: Points, width: int, height: int) -> tuple[int, int, int, int]:
    """One square window that follows no frame: around all faces of a clip, three mean faces wide.

    It is raised a little, since hair needs room above the points, and moved inside the frame.

    Args:
        points: Landmarks of all frames, shape (T, K, 2).
        width: Width of the frames, in pixels.
        height: Height of the frames, in pixels.

    Returns:
        Left, top, right, bottom; the last two are one past the window's pixels.
    """
    # Faces often fill the frame, and the window's ends then lie on whole pixels before they are cut off: the points'
    # float32 and the order of these steps are upstream's, since rounding decides there.
    low, high = points.min(axis=1), points.max(axis=1)
    side = min((high - low).mean(axis=0).max() * _WINDOW_SIZE, min(width, height) - 1)
    centre = (low.min(axis=0) + high.max(axis=0)) * 0.5
    centre[1] -= side * _WINDOW_RAISE
    first, last = centre - side * 0.5, centre + side * 0.5
    first, last = np.maximum(first, 0), np.where(first < 0, last - first, last)
    ends = np.array([width, height], points.dtype)
    is_beyond = last >= ends
    first, last = np.where(is_beyond, first - (last - ends + 1), first), np.where(is_beyond, ends - 1, last)
    centre, whole = (first + last) * 0.5, np.floor(last - first).min()
    left, top = (centre - whole * 0.5).astype(int).tolist()
    right, bottom = (centre + whole * 0.5).astype(int).tolist()
    return left, top, right, bottom


def pdfgc_matrix(points: Floats, side: int) -> Floats:
    """Matrix to PD-FGC's crop of ``side`` pixels, shape (3, 3)."""
    return umeyama(points[PDFGC_POINTS], PDFGC_TEMPLATE * side)


def part_matrices(points: Floats, side: int) -> tuple[list[Floats], list[Floats]]:
    """Matrices for the three face parts: first each frame's face is put in one place, then one window per part is cut.

    Args:
        points: Landmarks of all frames, shape (T, 222, 2).
        side: Side of the square frames, in pixels.

    Returns:
        For each frame the matrix to a frame of the same size, shape (3, 3); for each part the matrix from there to
        its crop of ``PART_SIDE`` pixels, shape (2, 3), the same in all frames.
    """
    poses = [umeyama(one[PART_POINTS], PART_TEMPLATE * side) for one in points]
    pairs = zip(poses, points.astype(np.float32), strict=True)
    placed = np.stack([moved(matrix[:2], one) for matrix, one in pairs])
    crops = []
    for part in PARTS:
        low, high = np.split(box_around(placed[:, part].reshape(-1, 2)), 2)
        centre = (low + high) / 2
        crop = turn(centre, 0.0, float(PART_SIDE / ((high - low).max() * PART_MARGIN)))
        crop[:, 2] += PART_SIDE / 2 - centre
        crops.append(crop)
    return poses, crops
