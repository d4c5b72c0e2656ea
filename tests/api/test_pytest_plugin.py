"""The pytest plug-in as a user has it: another project's tests, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

TOYS = Path(__file__).parents[1] / "toys.py"
PROJECT = """
SUITE = {{"suites": [{suite!r}], "faces": ["toy"], "plugins": [{toys!r}], "cache": "cache", "metrics": ["id_sim"]}}
def mine(folder):
    return [{{"name": "outputs", "label": "mine", "options": {{"dir": folder}}}}]
def test_good(bench_gate):
    bench_gate(rules=["id_sim>=-0.001"], methods=mine("good"), **SUITE)
def test_bad(bench_gate):
    bench_gate(rules=["id_sim>=-0.001"], methods=mine("bad"), **SUITE)
"""


@pytest.mark.slow
def test_a_project_gates_itself(make_suite, tmp_path):
    suite = make_suite(tmp_path / "suite", identities=2, drivings=2)
    for i in range(2):
        for d in range(2):
            paths = [next((tmp_path / "suite").glob(f"{name}.*")) for name in (f"i{i}", f"d{d}")]
            picture = Image.blend(*(Image.open(path).convert("RGB") for path in paths), 0.5)
            for folder in ("good", "bad"):
                (tmp_path / folder).mkdir(exist_ok=True)
                picture.save(tmp_path / folder / f"i{i}__d{d}.png")
                ImageDraw.Draw(picture).rectangle((8, 8, 40, 40), fill=(255, 0, 255))
    (tmp_path / "test_model.py").write_text(PROJECT.format(suite=str(suite), toys=str(TOYS)))

    def tests(*flags):
        # By its name as well: an environment from before the plug-in has no entry point for it.
        program = [sys.executable, "-m", "pytest", "-p", "portraitbench.pytest_plugin", "-q", "-p", "no:cacheprovider"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        return subprocess.run(
            [*program, *flags], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    first = tests("-k", "good", "--bench-update", "the first one")
    assert first.returncode == 0, first.stdout
    assert '"note": "the first one"' in (tmp_path / "bench_baseline.json").read_text()
    second = tests()
    assert second.returncode == 1
    assert "1 failed, 1 passed" in second.stdout
    assert "regressed tiny, mine: id_sim/1" in second.stdout
    assert (tmp_path / "runs" / "pytest" / "test_bad" / "gate" / "summary.md").is_file()
