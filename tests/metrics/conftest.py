"""Toy scenes: what a metric is shown, made from arrays, without any face model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.faces.base import Observation
from portraitbench.metrics.base import Scene, View

MakeView = Callable[..., View]
MakeScene = Callable[..., Scene]


def _view(
    features: dict[str, NDArray[Any]] | None = None,
    *,
    frames: NDArray[np.uint8] | None = None,
    found: list[bool] | None = None,
    size: tuple[int, int] = (512, 512),
) -> View:
    """A clip with these features (rows of frames without a face become NaN) and these frames.

    ``size`` is (height, width) where there are no frames.
    """
    rows = {name: np.array(values, np.float64) for name, values in (features or {}).items()}
    length = len(next(iter(rows.values()))) if rows else len(found if found is not None else frames)
    counts = np.array([True] * length if found is None else found).astype(np.int64)
    for values in rows.values():
        values[counts == 0] = np.nan
    height, width = size if frames is None else frames.shape[1:3]

    def load() -> Clip:
        assert frames is not None, "the metric reads pixels that it should not need"
        return Clip(frames)

    return View(load, lambda: Observation(height, width, counts, np.zeros((length, 4)), rows))


def _unread() -> Any:
    raise AssertionError("the metric reads a clip that its spec does not name")


@pytest.fixture
def make_view() -> MakeView:
    return _view


@pytest.fixture
def make_scene() -> MakeScene:
    """Scenes from views by role; looking at a role that was not given is an error."""

    def scene(generated: View, kind: SuiteKind = SuiteKind.CROSS_VIDEO, **roles: View) -> Scene:
        unread = View(_unread, _unread)
        identity, driving = roles.get("identity", unread), roles.get("driving", unread)
        return Scene(kind, generated, identity, driving, roles.get("target"))

    return scene


@pytest.fixture
def landmarks() -> NDArray[np.float64]:
    """Face-like points for five frames, shape (5, 68, 2), somewhere in a 512-pixel frame."""
    rng = np.random.default_rng(7)
    shape = rng.uniform(150, 350, (68, 2))
    shape[36], shape[45] = (190, 220), (310, 224)
    return shape + rng.normal(0, 4, (5, 68, 2))
