"""Fixtures for tests of the tuner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from portraitbench.core.registry import load_plugin
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.observer import Observer
from portraitbench.methods import METHODS
from portraitbench.methods.base import Inputs, MethodContext

TINY = Path(__file__).with_name("tiny_generators.py")


@pytest.fixture
def context(tmp_path, fresh_registries):
    """A method context whose observer is the tiny face backend."""
    load_plugin(TINY)
    observer = Observer([BACKENDS.get("tiny")({})])
    return MethodContext(lambda: observer, device="cpu", cache=tmp_path)


@pytest.fixture
def tiny(context):
    """Make a tiny generator by its parameterization."""

    def make(kind="epsilon", **options):
        return METHODS.get(f"tiny-{kind}")(options, context)

    return make


@pytest.fixture
def case():
    """Make a case of smooth pictures."""

    def make(frames=1, seed=11):
        def clip(count, offset):
            rows, columns = np.mgrid[:64, :64] / 64
            rng = np.random.default_rng(seed + offset)
            waves, phase = rng.uniform(3, 15, (3, 2)), rng.uniform(0, 6, 3)
            moving = [
                [np.sin(a * rows + b * columns + p + t) for (a, b), p in zip(waves, phase, strict=True)]
                for t in range(count)
            ]
            return Clip(np.clip(128 + 90 * np.moveaxis(np.array(moving), 1, -1), 0, 255).astype(np.uint8))

        return Inputs("one", clip(1, 0), clip(frames, 1), seed)

    return make
