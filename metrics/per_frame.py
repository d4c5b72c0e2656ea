"""What the metrics of single frames share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.errors import CaseError
from ..faces.base import Floats
from .base import Scene, View


def compare_found(found: NDArray[np.bool_], compare: Callable[..., Floats], *features: Floats) -> Floats:
    """Compare features in the frames that have them.

    Args:
        found: Frames with a face on every side, shape (T,).
        compare: Takes the usable rows of each feature, returns one value per row.
        *features: Arrays of T rows; a row of a found frame with a NaN in it counts as unusable.

    Returns:
        Values, shape (T,); NaN for the frames left out.

    >>> compare_found(np.array([True, False]), np.subtract, np.array([3.0, np.nan]), np.array([1.0, 1.0]))
    array([ 2., nan])
    """
    usable = found.copy()
    for feature in features:
        usable &= np.isfinite(feature.reshape(len(found), -1)).all(axis=1)
    values = np.full(len(found), np.nan)
    if usable.any():
        values[usable] = compare(*(feature[usable] for feature in features))
    return values


def target_of(scene: Scene) -> View:
    """The target of a scene.

    Raises:
        CaseError: When the suite does not know it.
    """
    if scene.target is None:
        raise CaseError("the case has no target, which this metric compares with")
    return scene.target


def mean_detail(parts: Mapping[str, Floats]) -> dict[str, float | int | str]:
    """Means of named series over the frames where they are defined; a series without any is left out.

    >>> mean_detail({"a": np.array([1.0, np.nan, 3.0]), "b": np.array([np.nan])})
    {'a': 2.0}
    """
    return {name: float(np.nanmean(values)) for name, values in parts.items() if np.isfinite(values).any()}
