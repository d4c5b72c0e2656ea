"""Fixtures for tests of the whole command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TOYS = Path(__file__).parents[1] / "toys.py"


@pytest.fixture
def where(tmp_path: Path) -> list[str]:
    """Flags that keep a run below ``tmp_path`` and its faces toys."""
    folders = ["--out", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    return ["--plugin", str(TOYS), "--faces", "toy", *folders]


@pytest.fixture
def suite(tmp_path: Path, make_suite) -> Path:
    """A suite of three cases."""
    return make_suite(tmp_path / "suite")


@pytest.fixture
def refused(bench) -> Callable[..., str]:
    """Run the command, see that it refuses with one line and exit code 2, and return the line."""

    def run(*arguments: object) -> str:
        outcome = bench(*arguments)
        assert "Traceback" not in outcome.out + outcome.err
        lines = outcome.err.splitlines()
        assert (outcome.code, len(lines)) == (2, 1), outcome
        assert lines[0].startswith("bench: ")
        return lines[0].removeprefix("bench: ")

    return run


@pytest.fixture
def finished(bench, where: list[str], suite: Path, tmp_path: Path) -> tuple[Path, list[object]]:
    """A finished run: its folder, and the arguments that made it."""
    arguments = ["run", "-s", suite, "-m", "copy-driving", "-m", "toy", *where]
    assert bench(*arguments).code == 0
    return tmp_path / "runs" / "tiny", arguments
