"""The whole way from the face model to weights, on a tiny set."""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers")

from portraitbench.methods.pocket.training import train_all as module
from portraitbench.methods.pocket.training.dataset import SetConfig, open_arrays, render_set
from portraitbench.methods.pocket.training.train_all import LARGE, render_in_pieces, train_all
from portraitbench.methods.pocket.training.train_unet import add_arguments
from portraitbench.methods.pocket.training.trainer import Trainer

SMALL = SetConfig(people=3, frames=2, varied=0, size=48, jitter=0.0)


@pytest.fixture
def facekit(shared):
    return shared / "facekit" / "ict_facekit.npz"


@pytest.mark.slow
def test_two_processes_render_what_one_does(kit, facekit, tmp_path):
    assert render_in_pieces(facekit, tmp_path / "both", SMALL, 2, math.inf)
    alone = render_set(tmp_path / "alone", SMALL, kit)
    assert np.array_equal(open_arrays(tmp_path / "both", SMALL)["frames"], alone.frames)


def test_rendering_stops_in_time_and_goes_on(kit, facekit, tmp_path):
    folder = tmp_path / "set"
    assert not render_in_pieces(facekit, folder, SMALL, 1, time.monotonic() - 1)
    assert open_arrays(folder, SMALL)["done"].sum() == 1
    assert render_in_pieces(facekit, folder, SMALL, 1, math.inf)
    assert np.array_equal(render_set(tmp_path / "alone", SMALL, kit).frames, open_arrays(folder, SMALL)["frames"])


def test_one_command_given_again_ends_with_weights(tiny, facekit, tmp_path, monkeypatch):
    """Out of time after the first person, after the sets, and after a step; then through to the end."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, LARGE)
    options = ["--steps", "2", "--batch", "2", "--every", "1", "--device", "cpu", "--detail", "1"]

    def piece(minutes):
        given = parser.parse_args([*options, "--minutes", str(minutes)])
        given.facekit, given.folder, given.workers = facekit, tmp_path, 1
        given.people, given.held_out_people = 2, 1
        return train_all(given)

    monkeypatch.setattr(module.SetConfig, "__init__", small(module.SetConfig.__init__))
    monkeypatch.setattr(Trainer, "held_out", lambda self, data: 0.5)
    assert not piece(0)
    assert not (tmp_path / "run").exists()
    while not (tmp_path / "run").exists():
        assert not piece(0)
    assert (tmp_path / "run" / "curve.csv").read_text().count("\n") == 2
    assert piece(60)
    assert (tmp_path / "run" / "curve.csv").read_text().count("\n") == 3
    weights = load_file(tmp_path / "run" / "unet.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}


def small(make):
    """Sets of two pictures a person."""

    def shorter(self, **settings):
        make(self, **{"frames": 2} | settings)

    return shorter
