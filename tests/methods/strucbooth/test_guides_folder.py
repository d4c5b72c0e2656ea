"""Guides from a folder: a control whose gradients come from other pictures than the driving clip."""

from __future__ import annotations

import numpy as np

from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output
from portraitbench.methods.strucbooth.tuner import StrucBooth


def test_a_folder_of_guides_tunes_like_clips_for_all_regions(bench, tmp_path, make_suite, monkeypatch):
    """The command hands the tuner the folder's clip for every region, and other pictures are another job."""
    from pathlib import Path

    suite = make_suite(tmp_path / "suite", drivings=1)
    seen = []
    from portraitbench.methods.strucbooth import tuner as module

    real = module.prepare

    def spy(*args, sources, **kwargs):
        seen.append(sources)
        return real(*args, sources=sources, **kwargs)

    monkeypatch.setattr(module, "prepare", spy)
    tiny = Path(__file__).with_name("tiny_generators.py")
    guides = tmp_path / "guides"
    where = [
        "--suite",
        suite,
        "--plugin",
        tiny,
        "--faces",
        "tiny",
        "--out",
        tmp_path / "runs",
        "--cache",
        tmp_path / "c",
    ]
    job = ["run", "--method", f"strucbooth:guides={guides}", "--baseline", "tiny-v", *where]
    missing = bench(*job)
    assert missing.code == 2 or "missing" in missing.out
    assert not seen

    assert bench("suites", "show", suite).code == 0
    case = bench("suites", "show", suite).out.split("\t")[0]
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    write_output(guides / case, Clip.from_image(picture))
    done = bench(*job)
    assert done.code == 0, done.err
    assert len(seen) == 1
    assert all(np.array_equal(clip.frames[0], picture) for clip in seen[0].values())
    assert set(seen[0]) == set(StrucBooth.regions["eyes"] + StrucBooth.regions["brows"] + ("mouth", "nose"))

    write_output(guides / case, Clip.from_image(255 - picture))
    assert bench(*job).code == 0
    assert len(seen) == 2
