"""A classical animator without weights: the identity image is warped so that its landmarks follow the driver's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..core.errors import NoFaceError
from ..core.options import Options, parse_options
from ..datasets.clip import Clip, Frame
from ..faces.alignment import umeyama
from ..faces.base import LANDMARKS, Floats
from .base import Animation, Generator, Inputs, MethodContext

CODE_VERSION = 2
STEADY = np.r_[0:4, 13:48]
"""Points that expressions move least: temples, brows, nose and eyes, but neither mouth nor chin."""


class WarpOptions(Options):
    """Options of the warp.

    Attributes:
        kind: "affine" maps triangles between landmarks, "tps" bends the image smoothly (thin-plate spline; slower).
        strength: 0 leaves the identity's landmarks where they are, 1 moves them all the way to the driver's.
    """

    kind: Literal["affine", "tps"] = "affine"
    strength: float = Field(default=1.0, ge=0.0, le=1.5)


class Warp(Generator):
    """Moves the identity image's pixels, frame by frame; invents none.

    The driver's first frame is laid onto the identity by a similarity over the steadier points; its later frames go
    through the same similarity, so that head motion since the first frame is transferred with the expression.

    Args:
        options: See :class:`WarpOptions`.
        context: Lends the landmark models.
    """

    name = "warp"
    options_model = WarpOptions

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        self._options = parse_options(WarpOptions, options, "method warp")
        self.settings = self._options.model_dump(mode="json")
        self._context = context

    def fingerprint(self) -> Mapping[str, Any]:
        """Code version, options and the landmark backend."""
        return {
            "name": self.name,
            "code": CODE_VERSION,
            "options": self._options.model_dump(),
            "faces": self._context.observer.fingerprint_for([LANDMARKS]),
        }

    def animate(self, inputs: Inputs) -> Animation:
        """Warp the identity image once per driving frame.

        Raises:
            NoFaceError: When the identity image, or every driving frame, shows no face. Single driving frames without
                one repeat the points of the frame before (the first ones: of the first face seen); their number is
                recorded as ``held_frames``.
        """
        observe = self._context.observer.observe
        source = observe(inputs.identity, [LANDMARKS]).landmarks[0]
        if np.isnan(source).any():
            raise NoFaceError("the identity image shows no face")
        driver, held = _fill_gaps(observe(inputs.driving, [LANDMARKS]).landmarks)
        target = follow(source, driver, self._options.strength)
        image = inputs.identity.frames[0]
        frames = np.stack([warp_image(image, source, points, self._options.kind) for points in target])
        return Animation(Clip(frames, inputs.driving.fps), detail={"held_frames": held})


def follow(source: Floats, driver: Floats, strength: float) -> Floats:
    """Where the identity's landmarks should go.

    Args:
        source: Landmarks of the identity, shape (68, 2).
        driver: Landmarks of the driving frames, shape (T, 68, 2).
        strength: Share of the way from the identity's landmarks to the driver's.

    Returns:
        Landmarks in the identity's frame, shape (T, 68, 2).
    """
    matrix = umeyama(driver[0][STEADY], source[STEADY])
    laid = driver @ matrix[:2, :2].T + matrix[:2, 2]
    moved: Floats = source + strength * (laid - source)
    return moved


def warp_image(image: Frame, source: Floats, target: Floats, kind: Literal["affine", "tps"]) -> Frame:
    """Warp an image so that ``source`` points land on ``target`` points; the border stays where it is.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        source: Points in the image, shape (K, 2), x and y in pixels.
        target: Where they go, shape (K, 2).
        kind: Piecewise affine over the Delaunay triangles of the targets, or thin-plate spline.

    Returns:
        uint8 RGB, shape (H, W, 3), sampled bilinearly.
    """
    from scipy.ndimage import map_coordinates

    height, width = image.shape[:2]
    border = _border_points(height, width)
    origin, goal = np.concatenate([source, border]), np.concatenate([target, border])
    # Each output pixel asks where it comes from, so the map runs from the goal back to the origin.
    back = _affine_map(goal, origin, height, width) if kind == "affine" else _spline_map(goal, origin, height, width)
    channels = [map_coordinates(image[..., channel], back[::-1], np.float64, 1, "nearest") for channel in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


def _affine_map(goal: Floats, origin: Floats, height: int, width: int) -> Floats:
    """Source x and y of every output pixel, shape (2, H, W): linear inside each triangle of the goal points."""
    from scipy.interpolate import LinearNDInterpolator

    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    unique, first = np.unique(np.clip(goal, 0, [width - 1, height - 1]), axis=0, return_index=True)
    mapped: Floats = LinearNDInterpolator(unique, origin[first])(columns, rows)
    return np.moveaxis(mapped, -1, 0)


def _spline_map(goal: Floats, origin: Floats, height: int, width: int) -> Floats:
    """Source x and y of every output pixel, shape (2, H, W), by a thin-plate spline through the goal points."""
    from skimage.transform import ThinPlateSplineTransform

    unique, first = np.unique(goal, axis=0, return_index=True)
    spline = ThinPlateSplineTransform.from_estimate(unique, origin[first])
    rows, columns = np.mgrid[:height, :width]
    points = np.column_stack([columns.ravel(), rows.ravel()]).astype(np.float64)
    mapped: Floats = spline(points).T.reshape(2, height, width)
    return mapped


def _border_points(height: int, width: int, each_side: int = 4) -> Floats:
    """Points along the image border that hold it in place, shape (4 * each_side, 2)."""
    steps = np.arange(each_side) / each_side
    right, bottom = width - 1, height - 1
    sides: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = [
        (steps * right, 0 * steps),
        (0 * steps + right, steps * bottom),
        (right - steps * right, 0 * steps + bottom),
        (0 * steps, bottom - steps * bottom),
    ]
    return np.concatenate([np.column_stack(side) for side in sides])


def _fill_gaps(landmarks: Floats) -> tuple[Floats, int]:
    """Repeat the last seen points in frames without a face; returns the points and the number of such frames."""
    seen = np.asarray(~np.isnan(landmarks).any(axis=(1, 2)))
    if not seen.any():
        raise NoFaceError("no driving frame shows a face")
    last = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), -1))
    last[last < 0] = int(np.argmax(seen))
    return landmarks[last], int((~seen).sum())
