"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of portraits beside the checkout; tests that want it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "portraits" / "sources.yaml").is_file():
        pytest.skip("needs ../shared/portraits beside the checkout")
    return folder
