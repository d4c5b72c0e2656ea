"""Which published weights do what in the two style modes: the table of upstream's code, row by row."""

from __future__ import annotations

import pytest
from torch import nn

from portraitbench.methods.hellomeme import published as module
from portraitbench.methods.hellomeme.options import HelloMemeOptions

RV, SD = "realisticVisionV60B1_v51VAE", "stable-diffusion-v1-5"
COLUMNS = ("denoiser", "helper", "words", "reference_words", "encoder", "decoder")
TABLE = {"x1": (RV, SD, SD, SD, SD, RV), "x2": (RV, RV, RV, SD, RV, RV)}


class Loaded(nn.Module):
    """Stands for a network, and says which folder it came from."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Load the networks of a weights folder that holds empty folders."""
    for part in module.needed():
        (tmp_path / part.repository / part.below).mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(module, "load_stock", lambda model, folder, dtype: Loaded(folder))
    monkeypatch.setattr(module, "load_adapter", lambda make, folder, dtype: Loaded(folder))
    monkeypatch.setattr(module, "load_words", lambda tokenizer, encoder, dtype: Loaded(encoder))

    def load(**options):
        return module.Parts(HelloMemeOptions(weights=str(tmp_path), **options), "cpu").load_networks()

    load.root = tmp_path
    return load


@pytest.mark.parametrize("style", TABLE)
def test_each_part_has_the_weights_that_upstream_gives_it(load, style):
    networks = load(style=style)
    found = [getattr(networks, name).folder.relative_to(load.root).parts for name in COLUMNS]
    assert tuple(repository for repository, _ in found) == TABLE[style]
    assert [folder for _, folder in found] == ["unet", "unet", "text_encoder", "text_encoder", "vae", "vae"]
    # Adapters of a tuner go into the denoiser alone, so the helper is never the same object.
    assert networks.helper is not networks.denoiser


@pytest.mark.parametrize(
    ("control", "there", "away"), [("cntrl2", "expression", "vision"), ("cntrl1", "vision", "expression")]
)
def test_one_expression_encoder_is_loaded(load, control, there, away):
    networks = load(control=control)
    assert getattr(networks, there) is not None
    assert getattr(networks, away) is None
    adapters = {name: getattr(networks, name).folder.name for name in ("reference", "control", "motion", "animatediff")}
    assert adapters == {
        "reference": "hm3_reference",
        "control": "hm3_control_mix",
        "motion": "hm3_motion",
        "animatediff": "hm3_animatediff",
    }
