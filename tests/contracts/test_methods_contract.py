"""What every generator in the registry must hold to, built in or installed. Tuners have contracts of their own."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitbench.core.digest import seed_for
from portraitbench.core.errors import ConfigError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output
from portraitbench.faces.base import BackendInfo, Face, Grade
from portraitbench.faces.observer import Observer
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator, Inputs, MethodContext, OracleInputs
from portraitbench.methods.tuned_method import is_tuner_class

SIZE, CASE = 64, "ann__grin"
RENDERS = Path(__file__).parents[1] / "methods" / "pocket" / "renders"
GENERATORS = [name for name in METHODS if METHODS.origin(name) == "built in" and not is_tuner_class(name)]


class PixelFace:
    """A face in every frame, whose landmarks follow the mean colour."""

    def __init__(self) -> None:
        self.info = BackendInfo("pixel", "1", "none", "ours", grade=Grade.TEST)

    def detect(self, frames):
        return [[Face(np.array([8.0, 8, 56, 56]), 1.0)] for _ in frames]

    def landmarks(self, frames, faces):
        grid = np.random.default_rng(0).uniform(14, 50, (68, 2))
        return np.stack([grid + np.sin(grid[:, ::-1] + frame.mean((0, 1))[:2]) for frame in frames])


def portraits(larger: int) -> tuple[Clip, Clip]:
    """Renders for the generator that animates nothing else: an identity image and four driving frames."""
    names = ["1000900_0", "1000901_4", "1000902_4", "1000903_4", "1000901_0"]
    frames = np.stack([np.asarray(Image.open(RENDERS / f"{name}.png").convert("RGB")) for name in names])
    frames = frames.repeat(larger, axis=1).repeat(larger, axis=2)
    return Clip(frames[:1]), Clip(frames[1:], Fraction(24))


def inputs(seed: int, frames: int = 4, method: str = "") -> Inputs:
    if method in ("pocket", "hellomeme"):  # which look for a face, the second for one of some size
        identity, driving = portraits(2 if method == "hellomeme" else 1)
        return Inputs(CASE, identity, Clip(driving.frames[:frames], driving.fps), seed)
    rng = np.random.default_rng(7)
    identity, driving = (rng.integers(60, 200, (count, SIZE, SIZE, 3)).astype(np.uint8) for count in (1, frames))
    if method == "ideal":
        target = Clip(255 - driving, Fraction(24))
        return OracleInputs(CASE, Clip(identity), Clip(driving, Fraction(24)), seed, target=target)
    return Inputs(CASE, Clip(identity), Clip(driving, Fraction(24)), seed)


@pytest.fixture(params=GENERATORS)
def make(request, tmp_path):
    """Makes the method anew at each call."""
    options = {}
    if request.param == "outputs":
        write_output(tmp_path / "theirs" / CASE, inputs(0).driving)
        options = {"dir": str(tmp_path / "theirs")}
    if request.param in ("hellomeme", "hunyuanportrait"):
        options = {"weights": "random-tiny", "steps": 1}
    if request.param == "pocket":
        options = {"steps": 2}
    context = MethodContext(lambda: Observer([PixelFace()]), device="cpu", cache=tmp_path / "cache")
    return lambda **more: METHODS.get(request.param)(options | more, context)


def test_it_is_a_generator(make):
    assert isinstance(make(), Generator)
    assert make().name in METHODS


def test_the_revision_is_a_digest_and_the_same_for_equal_methods(make):
    assert re.fullmatch(r"[0-9a-f]{64}", make().revision)
    assert make().revision == make().revision
    assert make().case_fingerprint(CASE) == make().case_fingerprint(CASE)


def test_unknown_options_are_refused_by_name(make):
    with pytest.raises(ConfigError, match="no_such_option"):
        make(no_such_option=1)


def test_it_returns_a_frame_per_driving_frame(make):
    animation = make().animate(inputs(0, method=make().name))
    assert isinstance(animation, Animation)
    assert animation.clip.frames.dtype == np.uint8
    assert len(animation.clip) == 4
    assert animation.canvas is None or len(animation.canvas) == 4
    assert json.loads(json.dumps(dict(animation.detail), allow_nan=False)) == dict(animation.detail)


def test_the_same_seed_gives_the_same_bytes_in_any_order(make):
    seeds = [seed_for(0, name) for name in "ab"]
    one = make()
    forwards = [one.animate(inputs(seed, method=make().name)).clip.frames.tobytes() for seed in seeds]
    other = make()
    backwards = [other.animate(inputs(seed, method=make().name)).clip.frames.tobytes() for seed in reversed(seeds)]
    assert forwards == backwards[::-1]


def test_it_leaves_its_inputs_alone(make):
    given = inputs(0, method=make().name)
    before = given.identity.frames.tobytes(), given.driving.frames.tobytes()
    make().animate(given)
    assert (given.identity.frames.tobytes(), given.driving.frames.tobytes()) == before


def test_making_it_reads_no_global_random_state(make):
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    make().animate(inputs(0, method=make().name))
    assert np.array_equal(np.random.get_state()[1], state)


def test_its_first_line_says_what_it_does(make):
    first = (type(make()).__doc__ or "").partition("\n")[0]
    assert 20 < len(first) < 200


def test_paths_in_messages_are_the_users(tmp_path):
    """A folder of results that is not there is named as it was given."""
    context = MethodContext(lambda: Observer([PixelFace()]), device="cpu", cache=Path())
    with pytest.raises(ConfigError, match="no/such"):
        METHODS.get("outputs")({"dir": "no/such"}, context)
