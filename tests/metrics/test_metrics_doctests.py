"""The examples in the docstrings of this room hold."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["coefficients", "emotion", "expression", "frames", "identity", "masks", "pixels", "ssim"]
)
def test_examples(name):
    results = doctest.testmod(importlib.import_module(f"portraitbench.metrics.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
