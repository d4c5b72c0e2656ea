from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
import yaml

from portraitbench.core.errors import ConfigError
from portraitbench.datasets.assets import AssetStore
from portraitbench.datasets.build import BuildSpec, build_suite, unique_id
from portraitbench.datasets.check import check_suite
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.framing import frame_window
from portraitbench.datasets.manifest import Crop, SuiteKind, load_suite
from portraitbench.datasets.media import write_clip, write_image


def _clip(path, frames, fps, height=48, width=64):
    rng = np.random.default_rng(frames)
    write_clip(path, Clip(rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8), Fraction(fps)))


@pytest.fixture
def folders(tmp_path):
    for name in ("Ann Lee.png", "ann-lee.png", "__x__y.png"):
        write_image(tmp_path / "people" / name, np.full((40, 50, 3), len(name), np.uint8))
    (tmp_path / "people" / "notes.txt").write_text("not a picture")
    (tmp_path / "people" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "people" / ".hidden.png").write_bytes(b"")
    write_image(tmp_path / "people" / "dot.png", np.zeros((1, 1, 3), np.uint8))
    write_image(tmp_path / "faces" / "smile.png", np.zeros((40, 50, 3), np.uint8))
    _clip(tmp_path / "clips" / "long.mkv", 50, 12)
    _clip(tmp_path / "clips" / "short.mkv", 20, 12)
    write_image(tmp_path / "clips" / "still.png", np.zeros((40, 50, 3), np.uint8))
    return tmp_path


def _spec(root, kind, drivings, identities="people", **changes):
    fields = {"licence": "own", "provenance": "filmed with consent", "name": "mine", "size": 32}
    fields["out"] = root / "suite.yaml"
    people = root / identities if identities else None
    return BuildSpec(kind, root / drivings, people, **{**fields, **changes})


def _opens_and_fits(root, path):
    suite = load_suite(path)
    assert check_suite(AssetStore(root / "cache"), suite, path.parent, deep=True).ok
    return suite


def test_cross_image(folders):
    report = build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "faces"))
    suite = _opens_and_fits(folders, folders / "suite.yaml")
    assert suite == report.suite
    assert [one.id for one in suite.identities] == ["Ann-Lee", "x_y", "ann-lee-2"]
    assert [case.id for case in suite.cases()] == ["Ann-Lee__smile", "x_y__smile", "ann-lee-2__smile"]
    assert suite.assets["Ann-Lee"].path == "people/Ann Lee.png"
    assert {(asset.licence, asset.provenance) for asset in suite.assets.values()} == {("own", "filmed with consent")}
    assert sorted(path.name for path in report.skipped) == ["broken.jpg", "dot.png", "notes.txt"]
    for path, reason in report.skipped.items():
        assert reason.startswith(f"{path}: ")
        assert "\n" not in reason


def test_cross_video_takes_the_first_three_seconds(folders):
    report = build_suite(_spec(folders, SuiteKind.CROSS_VIDEO, "clips"))
    suite = _opens_and_fits(folders, folders / "suite.yaml")
    assert [(one.id, one.start, one.frames) for one in suite.drivings] == [("long", 0, 36), ("short", 0, 20)]
    assert "is an image, and a video is wanted" in report.skipped[folders / "clips" / "still.png"]


def test_self_video_wants_three_seconds_and_drives_with_the_last_two(folders):
    report = build_suite(_spec(folders, SuiteKind.SELF_VIDEO, "clips", None))
    suite = _opens_and_fits(folders, folders / "suite.yaml")
    (clip,) = suite.clips
    assert (clip.id, clip.identity_frame, clip.start, clip.frames) == ("long", 0, 12, 24)
    assert "lasts 1.7 s, and 3 s are needed" in report.skipped[folders / "clips" / "short.mkv"]


def test_crops_come_from_the_caller_and_see_the_clip_at_full_size(folders):
    seen = []

    def crop_of(clip):
        seen.append((len(clip), clip.height, clip.width))
        return None if clip.width == 50 and clip.frames.max() == 11 else Crop(x=2, y=1, side=20)

    report = build_suite(_spec(folders, SuiteKind.CROSS_VIDEO, "clips"), crop_of=crop_of)
    assert seen[:2] == [(1, 40, 50), (1, 40, 50)]
    assert seen[-1] == (8, 48, 64)
    assert {one.crop for one in report.suite.drivings} == {Crop(x=2, y=1, side=20)}
    assert "no face was found" in report.skipped[folders / "people" / "Ann Lee.png"]
    window = report.suite.drivings[0]
    framed = frame_window(report.suite, window, folders / report.suite.assets[window.asset].path)
    assert framed.frames.shape == (36, 32, 32, 3)


def test_an_existing_manifest_is_kept_unless_forced(folders):
    spec = _spec(folders, SuiteKind.CROSS_IMAGE, "faces")
    spec.out.write_text("mine")
    with pytest.raises(ConfigError, match=r"suite\.yaml exists already"):
        build_suite(spec)
    assert spec.out.read_text() == "mine"
    build_suite(spec, force=True)
    assert yaml.safe_load(spec.out.read_text())["name"] == "mine"


def test_the_same_folders_give_the_same_manifest(folders):
    spec = _spec(folders, SuiteKind.CROSS_VIDEO, "clips")
    build_suite(spec)
    first = spec.out.read_bytes()
    build_suite(spec, force=True)
    assert spec.out.read_bytes() == first


def test_what_cannot_be_built_says_why(folders, tmp_path):
    with pytest.raises(ConfigError, match="takes no folder of identities"):
        build_suite(_spec(folders, SuiteKind.SELF_VIDEO, "clips"))
    with pytest.raises(ConfigError, match="takes a folder of identities"):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "faces", None))
    with pytest.raises(ConfigError, match="gone does not exist"):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "gone"))
    with pytest.raises(ConfigError, match=r"faces has no usable video: .*smile\.png"):
        build_suite(_spec(folders, SuiteKind.CROSS_VIDEO, "faces"))
    with pytest.raises(ConfigError, match="name: "):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "faces", name="a b"))
    with pytest.raises(ConfigError, match="write the manifest to a folder above the media"):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "faces", out=folders / "elsewhere" / "suite.yaml"))
    (folders / "void").mkdir()
    with pytest.raises(ConfigError, match="void has no usable image: it is empty"):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "void"))
    assert not (folders / "suite.yaml").exists()


def test_long_and_foreign_names_become_valid_ids():
    taken: dict[str, int] = {}
    for stem in ("x" * 300, "X" * 300, "Zoë", "日本", "..", "-a-", "a b", "a_b", "a__b", "CON"):
        name = unique_id(stem, taken)
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name)
        assert "__" not in name
        taken[name] = 0
    assert len({name.lower() for name in taken}) == 10
