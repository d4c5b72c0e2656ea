from __future__ import annotations

import numpy as np
import pytest
import torch

from portraitbench.core.errors import DivergedError
from portraitbench.methods.pixels import to_pixels


def test_every_gray_level_comes_back_and_what_is_beyond_becomes_the_end():
    levels = np.arange(256)
    frames = torch.tensor(levels / 127.5 - 1, dtype=torch.float32).reshape(1, 1, 16, 16).repeat(2, 3, 1, 1)
    pixels = to_pixels(frames)
    assert pixels.shape == (2, 16, 16, 3)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels[1, ..., 2].ravel(), levels)
    np.testing.assert_array_equal(to_pixels(torch.tensor([-1.5, 1.5]).reshape(2, 1, 1, 1)).ravel(), [0, 255])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_frame_that_is_not_finite_is_named_and_never_black(bad, dtype):
    frames = torch.zeros(3, 3, 4, 4, dtype=dtype)
    frames[2, 1, 0, 0] = bad
    with pytest.raises(DivergedError, match="frame 2 of 3"):
        to_pixels(frames)


def test_truncating_gives_the_level_below():
    frames = torch.tensor([0.999, 0.0]).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(to_pixels(frames, truncate=True).ravel(), [254, 127])
    np.testing.assert_array_equal(to_pixels(frames).ravel(), [255, 128])
