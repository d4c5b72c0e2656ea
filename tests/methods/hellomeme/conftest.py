"""Fixtures for tests of HelloMeme."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

# The helpers beside this file (hm_*.py) import each other by name; the test runner does not add their folder.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
