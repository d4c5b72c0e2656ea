"""The example of AED on a face model of one's own: its numbers are the network's, and its crop is where the face is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from portraitbench.core.registry import load_plugin
from portraitbench.faces import BACKENDS
from portraitbench.faces.base import Face

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "coefficients_backend.py"


class MeanColours(torch.nn.Module):
    """Mean colour of the whole crop and of its upper left corner."""

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return torch.cat([faces.mean(dim=(2, 3)), faces[:, :, :56, :56].mean(dim=(2, 3))], dim=1)


@pytest.fixture
def backend(fresh_registries, tmp_path):
    path = tmp_path / "network.pt2"
    torch.export.save(torch.export.export(MeanColours().eval(), (torch.rand(1, 3, 224, 224),)), path)
    load_plugin(EXAMPLE)
    return BACKENDS.get("coefficients")({"weights": str(path), "model": "colours"})


def square(centre, side):
    """Landmarks that fill a square."""
    return np.array(centre) + np.linspace(-side / 2, side / 2, 68)[:, None] * np.ones(2)


def test_coefficients_are_the_networks_on_the_square_around_the_landmarks(backend):
    frame = np.zeros((100, 120, 3), np.uint8)
    frame[20:80, 30:90] = (255, 51, 0)  # 60 px: landmarks 40 px wide, and a quarter of that on each side
    face = Face(np.array([40.0, 30.0, 80.0, 70.0]), 1.0, None, square((60, 50), 40))
    values = backend.coefficients([frame], [face])
    np.testing.assert_allclose(values, [[1.0, 0.2, 0.0, 1.0, 0.2, 0.0]], atol=1e-5)


def test_what_lies_outside_the_picture_is_black(backend):
    frame = np.full((100, 120, 3), 255, np.uint8)
    face = Face(np.array([0.0, 0.0, 40.0, 40.0]), 1.0, None, square((0, 0), 40))
    whole, corner = np.split(backend.coefficients([frame], [face])[0], 2)
    np.testing.assert_allclose(whole, 0.25, atol=0.01)
    np.testing.assert_allclose(corner, 0, atol=1e-6)


def test_a_run_reports_them_under_the_models_name(bench_process, backend, tmp_path):
    pytest.importorskip("dlib")
    network = next(tmp_path.glob("*.pt2"))
    flags = ["--plugin", EXAMPLE, "-f", "dlib", "-f", f"coefficients:weights={network},model=colours"]
    outcome = bench_process(
        *("run", "-s", "demo-image", "--limit", "1", "-m", "copy-driving", "-m", "copy-identity", *flags),
        *("--metric", "aed_coeff_l1:model=colours", "--out", "runs", "--cache", "cache"),
        cwd=tmp_path,
    )
    assert outcome.code == 0, outcome.err
    table = (tmp_path / "runs" / "demo-image" / "report" / "demo-image.csv").read_text()
    assert "aed_coeff_l1[colours]/1" in table


def test_a_missing_network_is_named(backend, tmp_path):
    from portraitbench.core.errors import WeightsError

    with pytest.raises(WeightsError, match=r"gone\.pt2 is missing"):
        BACKENDS.get("coefficients")({"weights": str(tmp_path / "gone.pt2"), "model": "colours"})
