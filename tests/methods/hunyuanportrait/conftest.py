"""Fixtures for tests of HunyuanPortrait."""

from __future__ import annotations

import sys
from pathlib import Path

# The helpers beside this file (hp_*.py) import each other by name; the test runner does not add their folder.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "faces" / "backends"))
