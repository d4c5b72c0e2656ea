"""Fixtures for tests of HelloMeme."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The helpers beside this file (hm_*.py) import each other by name; the test runner does not add their folder.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def random_tiny():
    """The networks of random-tiny, built once; tests must leave them as they are."""
    from portraitbench.methods.hellomeme.dry_run import random_networks
    from portraitbench.methods.hellomeme.inputs import Control

    return random_networks("x1", Control.CNTRL2)


@pytest.fixture
def make_generator(random_tiny, tmp_path, fresh_registries):
    """Make a HelloMeme on random weights; its face models are the tuner tests' tiny ones, which see a face always."""
    from portraitbench.core.registry import load_plugin
    from portraitbench.faces import BACKENDS
    from portraitbench.faces.observer import Observer
    from portraitbench.methods.base import MethodContext
    from portraitbench.methods.hellomeme.generator import HelloMeme

    load_plugin(Path(__file__).parents[1] / "strucbooth" / "tiny_generators.py")
    observer = Observer([BACKENDS.get("tiny")({})])
    context = MethodContext(lambda: observer, device="cpu", cache=tmp_path)

    def make(**options):
        generator = HelloMeme({"weights": "random-tiny", "steps": 2, "fps": 0} | options, context)
        if not {"style", "control", "precision"} & options.keys():
            generator.__dict__["_networks"] = random_tiny
        return generator

    make.context = context
    return make


@pytest.fixture
def make_inputs():
    """Make a case of smooth pictures; frames of the clip differ."""
    import numpy as np

    from portraitbench.datasets.clip import Clip
    from portraitbench.methods.base import Inputs

    def make(frames=1, seed=11):
        rows, columns = np.mgrid[:240, :240] / 240
        waves = [np.sin(5 * rows + shift) + np.cos(4 * columns - 0.7 * shift) for shift in range(frames + 1)]
        pictures = [np.stack([128 + 50 * wave, 100 + 30 * wave, 160 - 40 * wave], -1) for wave in waves]
        clip = Clip(np.clip(pictures, 0, 255).astype(np.uint8))
        return Inputs("one", Clip(clip.frames[:1]), Clip(clip.frames[1:]), seed)

    return make
