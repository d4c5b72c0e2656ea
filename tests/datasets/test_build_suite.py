from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml

from portraitbench.core.errors import ConfigError
from portraitbench.datasets.assets import AssetStore
from portraitbench.datasets.build import BuildSpec, build_suite
from portraitbench.datasets.check import check_suite
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.framing import frame_window
from portraitbench.datasets.manifest import Crop, SuiteKind, load_suite
from portraitbench.datasets.media import write_clip, write_image
from portraitbench.datasets.naming import stable_id


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
    spaced, underscored = stable_id(Path("Ann Lee.png")), stable_id(Path("__x__y.png"))
    assert [one.id for one in suite.identities] == [spaced, underscored, "ann-lee"]
    assert [case.id for case in suite.cases()] == [f"{spaced}__smile", f"{underscored}__smile", "ann-lee__smile"]
    assert suite.assets[spaced].path == "people/Ann Lee.png"
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
    with pytest.raises(ConfigError, match=r"a manifest ends in \.yaml, \.yml, \.json"):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "faces", out=folders / "suite.txt"))
    (folders / "void").mkdir()
    with pytest.raises(ConfigError, match="void has no usable image: it is empty"):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "void"))
    assert not (folders / "suite.yaml").exists()


def test_ids_of_any_script_are_valid_different_and_depend_on_nothing_else():
    stems = (
        "x" * 200,
        "x" * 201,
        "Zoë",
        "日本",
        "日 本",
        "..",
        "-a-",
        "a b",
        "a_b",
        "a__b",
        "CON",
        "a.b",
        "é",
        "emoji 😀",
    )
    names = [stable_id(Path(f"{stem}.png")) for stem in stems]
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name)
        assert "__" not in name
    assert len({name.lower() for name in names}) == len(stems)
    assert stable_id(Path("a_b.png")) == stable_id(Path("other/a_b.jpg")) == "a_b"
    # The two ways to write an accent are one name.
    assert stable_id(Path("e\u0301.png")) == stable_id(Path("\u00e9.png"))


def test_a_new_file_moves_no_id(folders):
    for name in ("小明.png", "小红.png"):
        write_image(folders / "han" / name, np.full((40, 50, 3), len(name), np.uint8))
    spec = _spec(folders, SuiteKind.CROSS_IMAGE, "han")
    before = {asset.path: name for name, asset in build_suite(spec).suite.assets.items()}
    write_image(folders / "han" / "丁一.png", np.full((40, 50, 3), 9, np.uint8))
    after = {asset.path: name for name, asset in build_suite(spec, force=True).suite.assets.items()}
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()


def test_two_files_that_would_share_an_id_are_refused_by_name(folders):
    for name in ("smile.png", "Smile.png"):
        write_image(folders / "twins" / name, np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"Smile\.png and smile\.png in .*twins would have the same id: rename"):
        build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "twins"))


def test_one_folder_may_serve_twice(folders):
    suite = build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "people")).suite
    assert len(suite.assets) == 3
    assert len(suite.cases()) == 9
    write_image(folders / "other" / "ann-lee.png", np.full((40, 50, 3), 99, np.uint8))
    suite = build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "other"), force=True).suite
    assert suite.drivings[0].id == "ann-lee"
    assert suite.assets[suite.drivings[0].asset].path == "other/ann-lee.png"


def test_media_may_lie_anywhere(folders, tmp_path):
    far = tmp_path / "elsewhere"
    (far / "links").mkdir(parents=True)
    (far / "links" / "linked.png").symlink_to(folders / "faces" / "smile.png")
    (tmp_path / "linked-folder").symlink_to(folders / "people", target_is_directory=True)
    out = tmp_path / "suites" / "mine.json"
    spec = BuildSpec(SuiteKind.CROSS_IMAGE, far / "links", tmp_path / "linked-folder", out, "mine", "own", "own", 32)
    build_suite(spec)
    suite = _opens_and_fits(tmp_path, out)
    assert out.read_text().startswith("{")
    assert set(suite.roots.values()) == {str(folders / "people"), str(folders / "faces")}
    path = AssetStore(tmp_path / "cache").require(suite, suite.drivings[0].asset, out.parent)
    assert path == folders / "faces" / "smile.png"


def test_links_of_a_hugging_face_cache_are_followed(tmp_path):
    hub = tmp_path / "models--x"
    snapshot = hub / "snapshots" / "abc"
    write_image(hub / "blobs" / "0123.png", np.full((40, 50, 3), 7, np.uint8))
    (hub / "blobs" / "0123.png").rename(hub / "blobs" / "0123")
    (snapshot / "ids").mkdir(parents=True)
    (snapshot / "ids" / "face.png").symlink_to("../../../blobs/0123")
    ids = snapshot / "ids"
    spec = BuildSpec(SuiteKind.CROSS_IMAGE, ids, ids, snapshot / "suite.yaml", "hub", "own", "own", 32)
    build_suite(spec)
    suite = _opens_and_fits(tmp_path, spec.out)
    assert (suite.roots, suite.assets["face"].path) == ({}, "ids/face.png")


def test_windows_start_and_last_as_asked_and_say_what_is_left(folders):
    half = Fraction(1, 2)
    report = build_suite(_spec(folders, SuiteKind.CROSS_VIDEO, "clips", start=half, seconds=Fraction(1)))
    assert [(one.id, one.start, one.frames) for one in report.suite.drivings] == [("long", 6, 12), ("short", 6, 12)]
    assert report.notes == ["2 clips go on: only seconds 0.5 to 1.5 are used (--start, --seconds)"]
    late = _spec(folders, SuiteKind.CROSS_VIDEO, "clips", start=Fraction(2))
    late = build_suite(late, force=True)
    assert [one.id for one in late.suite.drivings] == ["long"]
    assert "lasts 1.7 s, and the window begins at 2 s" in late.skipped[folders / "clips" / "short.mkv"]


def test_seconds_go_by_timestamps(folders, make_video, numbered_frame):
    slow_then_fast = [*range(0, 2000, 200), *range(2000, 5000, 40)]
    frames = [numbered_frame(index, 48, 64) for index in range(len(slow_then_fast))]
    (folders / "phone").mkdir()
    make_video(folders / "phone" / "dark.mp4", frames, "libx264", "yuv420p", pts=slow_then_fast)
    report = build_suite(_spec(folders, SuiteKind.CROSS_VIDEO, "phone"))
    assert report.suite.drivings[0].frames == 35
    assert any("variable frame rate, 5 to 25" in note for note in report.notes)
    clip = build_suite(_spec(folders, SuiteKind.SELF_VIDEO, "phone", None), force=True).suite.clips[0]
    assert (clip.identity_frame, clip.start, clip.frames) == (0, 5, 30)


def test_a_folder_of_numbered_frames_is_a_clip(folders):
    for index in range(80):
        write_image(folders / "sets" / "take1" / f"{index + 3:04d}.png", np.full((40, 50, 3), index, np.uint8))
    (folders / "sets" / "notes").mkdir()
    report = build_suite(_spec(folders, SuiteKind.CROSS_VIDEO, "sets"))
    suite = _opens_and_fits(folders, folders / "suite.yaml")
    assert [(one.id, one.frames) for one in suite.drivings] == [("take1", 75)]
    assert "without numbered pictures" in report.skipped[folders / "sets" / "notes"]
    assert any("states no rate" in note for note in report.notes)
    store = AssetStore(folders / "cache")
    framed = frame_window(suite, suite.drivings[0], store.require(suite, "take1", folders))
    assert [frame[0, 0, 0] for frame in framed] == list(range(75))
    write_image(folders / "sets" / "take1" / "0003.png", np.full((40, 50, 3), 200, np.uint8))
    assert "take1" in check_suite(AssetStore(folders / "cache"), suite, folders).changed


def test_damaged_and_cut_files_are_left_out_by_build_and_found_by_a_deep_check(folders, make_video, numbered_frame):
    frames = [numbered_frame(index, 48, 64) for index in range(30)]
    (folders / "bad").mkdir()
    good = make_video(folders / "bad" / "good.mkv", frames)
    data = good.read_bytes()
    (folders / "bad" / "cut.mkv").write_bytes(data[: len(data) * 2 // 3])
    # Blocks that are no blocks: FFmpeg steps over them and says nothing.
    hurt = bytearray(data)
    hurt[len(data) // 3 : len(data) - 400] = bytes(len(data) - 400 - len(data) // 3)
    (folders / "bad" / "hurt.mkv").write_bytes(hurt)
    report = build_suite(_spec(folders, SuiteKind.CROSS_VIDEO, "bad"))
    assert [one.id for one in report.suite.drivings] == ["good"]
    assert re.search("damaged", report.skipped[folders / "bad" / "hurt.mkv"])
    assert "is cut short" in report.skipped[folders / "bad" / "cut.mkv"]


def test_what_cannot_be_an_asset_is_left_out_at_once(folders):
    os.mkfifo(folders / "faces" / "pipe.png")
    (folders / "faces" / "device.png").symlink_to("/dev/zero")
    raw = os.fsencode(folders / "faces") + b"/\xc4\xe3.png"
    Path(os.fsdecode(raw)).write_bytes((folders / "faces" / "smile.png").read_bytes())
    report = build_suite(_spec(folders, SuiteKind.CROSS_IMAGE, "faces"))
    reasons = {os.fsencode(path.name): reason for path, reason in report.skipped.items() if path.parent.name == "faces"}
    assert set(reasons) == {b"pipe.png", b"device.png", b"\xc4\xe3.png"}
    assert "no UTF-8 text" in reasons[b"\xc4\xe3.png"]
    assert "pipe, a socket or a device" in reasons[b"pipe.png"]
    for reason in reasons.values():
        reason.encode()
