"""Fixtures for tests of methods."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """All of them compute with one thread."""
