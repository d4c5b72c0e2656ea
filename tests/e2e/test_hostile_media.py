"""Media that cannot be used: a typed row for each case that needs them, and values for all others."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from portraitbench.core.digest import file_sha256
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output
from portraitbench.reports.records_frame import tidy


def write_bytes(data: bytes):
    return lambda path: path.write_bytes(data)


def truncate(share: float):
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def picture(width: int, height: int):
    return lambda path: Image.new("1", (width, height)).save(path, "PNG")


def flat(level: int, frames: int = 1):
    def write(path: Path) -> None:
        made = write_output(path.with_suffix(""), Clip(np.full((frames, 64, 64, 3), level, np.uint8), Fraction(12)))
        assert made == path

    return write


def text_as_png(path: Path) -> None:
    path.write_text("<svg/>")


def animated(path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), (row, 0, 0)) for row in range(3)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:])


def sound(path: Path) -> None:
    with av.open(path, "w", "matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.rate = 8000
        container.mux([*stream.encode(frame), *stream.encode()])


def without_frames(path: Path) -> None:
    with av.open(path, "w", "matroska") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        container.start_encoding()


def shorter(path: Path) -> None:
    flat(128, 3)(path)


# (what the driving file d1 is, suite kind, how it is made, status of its rows, what their reason says)
ROWS = [
    ("empty image", "cross-image", write_bytes(b"\0"), "decode", r"d1\.png: "),
    ("truncated image", "cross-image", truncate(0.5), "decode", r"d1\.png: "),
    ("text called image", "cross-image", text_as_png, "decode", r"d1\.png: "),
    ("only a header", "cross-image", write_bytes(b"\x89PNG\r\n\x1a\n"), "decode", r"d1\.png: "),
    ("20000 x 20000 pixels", "cross-image", picture(20_000, 20_000), "decode", r"an enormous picture"),
    ("60000 x 1 pixels", "cross-image", picture(60_000, 1), "decode", r"60000 x 1 pixels is more"),
    ("animated image", "cross-image", animated, "decode", r"is animated"),
    ("no face", "cross-image", flat(5), "no_face", r""),
    ("truncated clip", "cross-video", truncate(0.4), "decode", r"d1\.mkv: "),
    ("clip of text", "cross-video", text_as_png, "decode", r"d1\.mkv: "),
    ("clip without frames", "cross-video", without_frames, "decode", r"d1\.mkv: "),
    ("sound only", "cross-video", sound, "decode", r"no video stream"),
    ("clip that is too short", "cross-video", shorter, "decode", r"has 3 frames, and frames 0 to 5"),
    ("clip without a face", "cross-video", flat(5, 6), "no_face", r""),
]


@pytest.fixture
def spoiled(make_suite, tmp_path):
    """A suite whose driving file d1 is rewritten; the manifest means the spoiled file."""

    def spoil(kind: str, write) -> Path:
        def edit(data):
            path = tmp_path / "suite" / data["assets"]["d1"]["path"]
            write(path)
            data["assets"]["d1"] |= {"sha256": file_sha256(path), "bytes": path.stat().st_size}

        return make_suite(tmp_path / "suite", kind, edit=edit)

    return spoil


@pytest.mark.parametrize(("kind", "write", "status", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_bad_file_is_a_row_and_the_others_go_on(bench, where, spoiled, tmp_path, kind, write, status, reason):
    outcome = bench("run", "-s", spoiled(kind, write), "-m", "copy-driving", "-m", "warp", *where)
    assert outcome.code == 0, outcome.err
    assert "Traceback" not in outcome.out + outcome.err
    frame = tidy(tmp_path / "runs" / "tiny")
    own = frame["case"] == "i0__d1"
    # A correlation over a clip without any face has nothing to correlate: undefined.
    assert set(frame[own]["status"]) - {"undefined"} == {status}
    assert all(re.search(reason, text) for text in frame[own]["reason"])
    assert frame[own]["value"].isna().all()
    assert set(frame[~own]["status"]) == {"ok"}
    assert set(frame[~own]["case"]) == {"i0__d0", "i0__d2"}


def test_fail_on_error_decides_the_exit_code(bench, where, spoiled):
    arguments = ["run", "-s", spoiled("cross-image", truncate(0.5)), "-m", "copy-driving", *where]
    assert bench(*arguments).code == 0
    outcome = bench(*arguments, "--fail-on-error")
    assert outcome.code == 1
    assert "without an output: 1 decode" in outcome.out


def test_two_faces_are_no_failure_and_are_counted(bench, where, spoiled, tmp_path):
    outcome = bench("run", "-s", spoiled("cross-image", flat(240)), "-m", "copy-driving", *where)
    assert outcome.code == 0
    assert set(tidy(tmp_path / "runs" / "tiny")["status"]) == {"ok"}
    lines = (tmp_path / "runs" / "tiny" / "records" / "1-of-1.jsonl").read_text().splitlines()
    assert sum('"several_faces":1' in line for line in lines) == 2


def test_some_frames_without_a_face_are_rows_and_a_coverage(bench, where, spoiled, tmp_path):
    def half_dark(path: Path) -> None:
        frames = np.full((6, 64, 64, 3), 120, np.uint8)
        frames[:3] = 5
        write_output(path.with_suffix(""), Clip(frames, Fraction(12)))

    outcome = bench("run", "-s", spoiled("cross-video", half_dark), "-m", "copy-driving", "--metric", "id_sim", *where)
    assert outcome.code == 0
    frame = tidy(tmp_path / "runs" / "tiny")
    assert list(frame[frame["case"] == "i0__d1"]["status"]) == ["no_face"] * 3 + ["ok"] * 3
    assert f"({15 / 18:.1%})" in (tmp_path / "runs" / "tiny" / "report" / "tiny.md").read_text()


def test_a_picture_of_one_pixel_is_named(refused, where, spoiled):
    line = refused("run", "-s", spoiled("cross-image", picture(1, 1)), "-m", "copy-driving", *where)
    assert re.search(r"asset d1: 1 x 1 pixels is too small", line)


def test_a_crop_outside_the_picture_is_named(refused, where, make_suite, tmp_path):
    def edit(data):
        data["drivings"][1]["crop"] = {"x": 40, "y": 0, "side": 64}

    line = refused("run", "-s", make_suite(tmp_path / "suite", edit=edit), "-m", "copy-driving", *where)
    assert re.search(r"asset d1: crop of 64 pixels at \(40, 0\) leaves the picture of 64 x 64", line)
