"""The copying methods, and results that were made elsewhere."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from portraitbench.core.digest import digest
from portraitbench.core.errors import ConfigError, MediaError, MissingOutputError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_image, write_output
from portraitbench.methods import METHODS
from portraitbench.methods.base import Inputs, MethodContext
from portraitbench.methods.outputs import Outputs


def random_clip(seed: int, frames: int) -> Clip:
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, 32, 32, 3))
    return Clip(pixels.astype(np.uint8), Fraction(12))


def unused_context() -> MethodContext:
    def refuse():
        raise AssertionError("the method looks at faces")

    return MethodContext(refuse, device="cpu", cache=Path())


INPUTS = Inputs("a__b", random_clip(0, 1), random_clip(1, 5), 0)


def test_copy_identity_repeats_the_identity_at_the_drivers_rate():
    clip = METHODS.get("copy-identity")({}, unused_context()).animate(INPUTS).clip
    assert len(clip) == 5
    assert clip.fps == 12
    assert all(np.array_equal(frame, INPUTS.identity.frames[0]) for frame in clip)


def test_copy_driving_is_the_driving_clip():
    animation = METHODS.get("copy-driving")({}, unused_context()).animate(INPUTS)
    assert np.array_equal(animation.clip.frames, INPUTS.driving.frames)
    assert animation.canvas is None


@pytest.fixture
def theirs(tmp_path):
    """A folder of results: a picture, a clip, and a clip with its canvas; and files that are none of it."""
    for name, frames in {"image": 1, "clip": 5, "framed": 5, "framed.canvas": 5}.items():
        write_output(tmp_path / name, random_clip(len(name), frames))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def outputs(folder: Path) -> Outputs:
    return Outputs({"dir": str(folder)}, unused_context())


def read(folder: Path, case: str):
    return outputs(folder).animate(Inputs(case, INPUTS.identity, INPUTS.driving, 0))


@pytest.mark.parametrize(("case", "frames"), [("image", 1), ("clip", 5), ("framed", 5)])
def test_results_are_read_by_case_id(theirs, case, frames):
    animation = read(theirs, case)
    assert np.array_equal(animation.clip.frames, random_clip(len(case), frames).frames)
    assert animation.detail["lossy"] == 0


def test_a_canvas_is_read_where_there_is_one(theirs):
    assert np.array_equal(read(theirs, "framed").canvas.frames, random_clip(len("framed.canvas"), 5).frames)
    assert read(theirs, "clip").canvas is None


def test_lossy_results_are_marked(theirs):
    from PIL import Image

    Image.fromarray(random_clip(0, 1).frames[0]).save(theirs / "photo.JPG")
    assert read(theirs, "photo").detail == {"file": "photo.JPG", "lossy": 1}


@pytest.mark.parametrize("case", ["nobody", "notes", "folder", "framed.can"])
def test_a_missing_result_is_a_row(theirs, case):
    with pytest.raises(MissingOutputError, match=rf"no file named {case}\.\*"):
        read(theirs, case)


def test_a_damaged_result_is_a_row(theirs):
    (theirs / "bad.png").write_bytes(b"\x89PNG")
    with pytest.raises(MediaError, match=r"bad\.png"):
        read(theirs, "bad")


def test_two_results_of_one_case_are_refused(theirs):
    write_image(theirs / "clip.png", random_clip(0, 1).frames[0])
    with pytest.raises(ConfigError, match=r"both clip\.mkv and clip\.png"):
        outputs(theirs)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_folder_that_is_none_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="does not exist"):
        outputs(tmp_path / name)


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises(ConfigError, match="holds no image or clip"):
        outputs(tmp_path)


def test_the_case_fingerprint_follows_the_content_of_the_cases_own_files(theirs):
    before = {case: digest(outputs(theirs).case_fingerprint(case)) for case in ("image", "clip", "framed", "nobody")}
    assert len(set(before.values())) == 4
    write_output(theirs / "framed.canvas", random_clip(99, 5))
    write_output(theirs / "nobody", random_clip(98, 1))
    after = {case: digest(outputs(theirs).case_fingerprint(case)) for case in before}
    assert [case for case in before if before[case] != after[case]] == ["framed", "nobody"]
