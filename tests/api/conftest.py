"""Runs written by hand, as the tests of reports have them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def new_run():
    """The class ``Crafted`` of ``tests/reports``: takes a folder, collects outputs and scores, writes the run."""
    path = Path(__file__).parents[1] / "reports" / "conftest.py"
    spec = importlib.util.spec_from_file_location("crafted_runs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Crafted
