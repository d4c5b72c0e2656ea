"""What importing costs, and that the top-level folders are in nobody's way."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "dlib", "onnxruntime", "insightface", "face_alignment")


def python(program: str, **options: object) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module",
    [
        "portraitbench",
        "portraitbench.running",
        "portraitbench.faces",
        "portraitbench.metrics",
        "portraitbench.methods",
        "portraitbench.cli.app",
    ],
)
def test_importing_loads_nothing_heavy(module):
    loaded = python(f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))")
    assert loaded == ""


def test_other_libraries_are_not_confused_by_the_top_level_folders():
    """From the repository root the folders ``datasets`` and ``metrics`` lie on Python's path."""
    wanted = ("transformers", "peft", "diffusers")
    libraries = [name for name in wanted if importlib.util.find_spec(name) is not None]
    if not libraries:
        pytest.skip(f"none of {wanted} is installed")
    names = ", ".join(libraries)
    where = python(f"import {names}; print(*(library.__file__ for library in ({names},)))", cwd=ROOT).split()
    assert len(where) == len(libraries)
    assert all("site-packages" in path for path in where)


def test_the_installed_package_is_what_is_imported_from_the_root():
    where = python("import portraitbench as pb, portraitbench.datasets.clip as m; print(pb.Clip is m.Clip)", cwd=ROOT)
    assert where == "True"


def test_the_top_level_folders_are_no_packages_by_themselves():
    """A wheel must never install a package called ``datasets`` or ``metrics``."""
    from importlib.metadata import distribution

    names = (distribution("portraitbench").read_text("top_level.txt") or "").split()
    assert names == ["portraitbench"]
