"""Size and place of the face in its window."""

from __future__ import annotations

import numpy as np
import pytest

from portraitbench.faces.base import Observation
from portraitbench.faces.crops import CENTRE, portrait_crop


def seen(x: float, y: float, extent: float, side: int = 1000) -> Observation:
    corners = np.array([(x - extent / 2, y - extent / 2), (x + extent / 2, y + extent / 2)])
    return Observation(side, side, np.array([1]), np.zeros((1, 4)), {"landmarks": corners[None]})


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("centre", [(0.5, 0.5), CENTRE, (0.4, 0.7)])
def test_the_face_has_the_size_and_place_asked_for(zoom, centre):
    crop = portrait_crop(seen(500, 520, 100), zoom, centre)
    assert crop is not None
    assert crop.side == round(300 / zoom)
    place = (np.array([500, 520]) - (crop.x, crop.y)) / crop.side
    assert np.abs(place - centre).max() <= 1 / crop.side


def test_the_window_stays_inside_the_picture():
    crop = portrait_crop(seen(30, 980, 100), 0.1, (1.0, 0.0))
    assert crop is not None
    assert (crop.x, crop.y, crop.side) == (0, 0, 1000)
