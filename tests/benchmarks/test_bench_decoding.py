"""How fast one tuning step decodes, patch-wise and globally, with the embedded decoder. Run with --benchmark-only."""

from __future__ import annotations

import pytest
import torch

from portraitbench.profiling.decoders import make_subject
from portraitbench.profiling.decoding import arms


@pytest.fixture(scope="module")
def ways():
    subject = make_subject("pocket", 128, torch.device("cpu"), 0)
    return arms(subject, [0])


@pytest.mark.benchmark(group="decoding-pocket-128")
@pytest.mark.parametrize("arm", ["patch", "global", "naive patch"])
def test_one_step(benchmark, ways, arm):
    assert float(benchmark(ways[arm]).abs().max()) > 0
