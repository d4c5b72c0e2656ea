"""HelloMeme's own published outputs, scored next to their drivers as any outputs are.

The pictures are read from the checkout that HELLOMEME_UPSTREAM names; they show real people and are not ours to keep.
What must come out was measured independently of this code: 5 to 7 px at 512 after alignment, for the image and for the
clip (with dlib's 68 points).
"""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageSequence

from portraitbench.core.digest import file_sha256
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output

UPSTREAM = os.environ.get("HELLOMEME_UPSTREAM", "")
DATA = Path(UPSTREAM) / "data"
CASES = {
    "image": ("reference_images/harris.jpg", "drive_images/yao.jpg", "harris_yao.jpg"),
    "clip": ("reference_images/trump.jpg", "jue.gif", "trump_jue.gif"),
}
SIZE = 512

if not UPSTREAM:
    pytest.skip("needs HELLOMEME_UPSTREAM, a checkout of HelloMeme with its data", allow_module_level=True)
import dlib  # noqa: E402, F401 - in the test extra: a checkout without it must fail here, not be skipped


def read(name):
    """All frames of a file at 512 pixels."""
    with Image.open(DATA / name) as file:
        frames = [
            frame.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
            for frame in ImageSequence.Iterator(file)
        ]
    return Clip(np.stack([np.asarray(frame) for frame in frames]), Fraction(8))


def write_suite(folder, kind):
    identity, driver, output = (read(name) for name in CASES[kind])
    assets = {}
    for asset_id, clip in {"person": Clip(identity.frames[:1]), "driver": driver}.items():
        path = write_output(folder / asset_id, clip)
        facts = {"media": "image" if clip.is_image else "video", "licence": "unclear", "provenance": "upstream's data"}
        assets[asset_id] = {"path": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size, **facts}
    write_output(folder / "made" / "person__driver", output)
    suite = {"schema": 1, "name": "published", "title": "p", "kind": f"cross-{'video' if kind == 'clip' else 'image'}"}
    suite |= {"size": SIZE, "assets": assets, "identities": [{"id": "person", "asset": "person"}]}
    suite["drivings"] = [{"id": "driver", "asset": "driver", "frames": len(driver)}]
    (folder / "published.yaml").write_text(yaml.safe_dump(suite))
    return folder / "published.yaml"


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("image", 4.0, 6.5), pytest.param("clip", 5.0, 7.5, marks=pytest.mark.slow)]
)
def test_published_outputs_score_as_measured_elsewhere(bench, tmp_path, kind, low, high):
    manifest = write_suite(tmp_path / "suite", kind)
    arguments = ["--outputs", f"published={tmp_path / 'suite' / 'made'}", "-f", "dlib", "--out", tmp_path / "runs"]
    run = bench("run", "-s", manifest, *arguments, "--name", "r", "--cache", tmp_path / "cache")
    assert run.code == 0, run.err
    scored = bench("score", tmp_path / "runs" / "r", "--metric", "aed_lmk_px512/1")
    assert scored.code == 0, scored.err
    records = [
        json.loads(line)
        for path in (tmp_path / "runs" / "r" / "records").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    (row,) = [row for row in records if row.get("metric") == "aed_lmk_px512/1"]
    assert set(row["value_status"]) == {"ok"}
    assert len(row["values"]) == (1 if kind == "image" else 45)
    assert low <= np.mean(row["values"]) <= high
