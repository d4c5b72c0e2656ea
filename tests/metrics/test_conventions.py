"""What is printed as shared by all metrics is what the code does."""

from __future__ import annotations

import re

import numpy as np
import pytest

from portraitbench.faces.base import Face
from portraitbench.faces.policy import choose
from portraitbench.metrics.conventions import CONVENTIONS, conventions_markdown
from portraitbench.metrics.masks import face_mask


def test_the_printed_mesh_points_are_those_that_are_read():
    from portraitbench.faces.mediapipe_points import mesh_to_ibug68

    printed = [int(number) for number in re.findall(r"\b\d+\b", CONVENTIONS["MediaPipe"].partition("iBUG's order:")[2])]
    mesh = np.arange(478.0)[:, None].repeat(3, axis=1)
    assert mesh_to_ibug68(mesh)[:, 0].tolist() == printed


def test_the_printed_overlap_decides_which_face_counts():
    least = float(re.search(r"at least ([\d.]+)", CONVENTIONS["Which face"]).group(1))

    def box(x, side):
        return Face(np.array([x, 0.0, x + side, side]), 1.0)

    def overlapping(share):
        """A box of side 10 whose overlap with (0, 0, 10, 10) is this share of their union."""
        return box(10 * (1 - share) / (1 + share), 10.0)

    large = box(50.0, 30.0)
    first = [[box(0.0, 10.0)]]
    assert choose([*first, [large, overlapping(least + 0.01)]]) == [0, 1]
    assert choose([*first, [large, overlapping(least - 0.01)]]) == [0, 0]


def test_a_mask_takes_pixels_by_their_centres_as_printed():
    points = np.array([[2.4, 3.5], [6.6, 7.5]])
    rows, columns = np.nonzero(face_mask(points, 12, 12))
    assert (columns.min(), columns.max()) == (np.ceil(2.4), np.floor(6.6))
    assert (rows.min(), rows.max()) == (np.ceil(3.5 - 0.5 * 4), np.floor(7.5))
    assert "where its centre lies in the mask's shape" in CONVENTIONS["Coordinates"]


@pytest.mark.parametrize("command", [("metrics", "explain", "conventions")])
def test_the_command_and_the_page_print_them(bench, command):
    told = " ".join(bench(*command).out.split())
    for title, text in CONVENTIONS.items():
        assert title in told
        assert " ".join(text.split()) in told
        assert text in conventions_markdown()


def test_a_metric_says_where_they_are(bench):
    assert "bench metrics explain conventions" in " ".join(bench("metrics", "explain", "gaze_deg").out.split())
