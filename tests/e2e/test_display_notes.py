"""What was done to show a file is told where its numbers are."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

NOTE = "transparency is laid over black"


def test_notes_reach_the_check_the_run_and_the_report(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, mode in (("ids", "RGB"), ("drv", "RGBA")):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((40, 40, len(mode)), 120, np.uint8)).save(tmp_path / folder / f"{mode}.png")
    build = ("data", "build", "cross-image", "--identities", "ids", "--drivings", "drv", "--out", "mine.yaml")
    assert f"note RGBA.png: {NOTE}" in bench(*build, "--faces", "none", "--size", "32").out
    assert f"note RGBA: {NOTE}" in bench("data", "check", "mine.yaml").out
    assert f"note RGBA: {NOTE}" in bench("data", "check", "mine.yaml", "--deep").out
    assert bench("run", "-s", "mine.yaml", "-m", "copy-driving", "-f", "pocket", "--cache", "cache").code == 0
    about = json.loads((tmp_path / "runs" / "mine" / "run.json").read_text())
    assert about["suites"]["mine"]["notes"] == {"RGBA": [NOTE]}
    assert f"| mine | RGBA | {NOTE} |" in (tmp_path / "runs" / "mine" / "report" / "index.md").read_text()
