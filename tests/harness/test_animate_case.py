"""One case from files: framing, time, PasteDrive's guides, and a generator that is itself afterwards."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitbench.core.errors import ConfigError, OneCaseError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import Crop
from portraitbench.datasets.media import write_clip, write_image
from portraitbench.harness.animate import animate, check_method
from portraitbench.harness.config import check_config
from portraitbench.harness.session import Session
from portraitbench.harness.single_case import CaseFiles, parse_regions, read_case
from portraitbench.harness.threads import limit_threads
from portraitbench.methods.base import Inputs
from portraitbench.methods.guides import expand_guides
from portraitbench.methods.strucbooth import tuner as tuner_module
from portraitbench.methods.strucbooth.regions import REGIONS
from portraitbench.methods.strucbooth.targets import prepare

TESTS = Path(__file__).parents[1]
PLUGINS = [TESTS / "methods" / "strucbooth" / "tiny_generators.py", TESTS / "toy_diffusion.py"]
FAST = "strucbooth:steps=2,lora_targets=.*to_q"


def picture(seed, frames=1, height=64, width=64):
    """Smooth colours that move from frame to frame."""
    rows, columns = np.mgrid[:height, :width] / 64
    rng = np.random.default_rng(seed)
    waves, phase = rng.uniform(3, 15, (3, 2)), rng.uniform(0, 6, 3)
    moving = [
        [np.sin(a * rows + b * columns + p + t) for (a, b), p in zip(waves, phase, strict=True)] for t in range(frames)
    ]
    return np.clip(128 + 90 * np.moveaxis(np.array(moving), 1, -1), 0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def one_thread():
    """As many as the cases have: with more, the last digits would differ."""
    with limit_threads(1):
        yield


@pytest.fixture
def files(tmp_path):
    """An identity, a driving clip of three frames, and two clips for regions."""
    write_image(tmp_path / "a.png", picture(0)[0])
    write_clip(tmp_path / "b.mkv", Clip(picture(1, 3), Fraction(10)))
    write_image(tmp_path / "c.png", picture(2)[0])
    write_clip(tmp_path / "d.mkv", Clip(picture(3, 2), Fraction(10)))
    return tmp_path


@pytest.fixture
def session(tmp_path, fresh_registries):
    """Make a session of a generator with a tuner on it."""

    def make(baseline="tiny-epsilon", method=FAST, **fields):
        data = {"baseline": baseline, "methods": [method] if method else [], "plugins": PLUGINS, "faces": ["tiny"]}
        return Session(check_config(data | {"cache": tmp_path / "cache"} | fields, "test"))

    return make


def case_files(folder, **more):
    return CaseFiles(folder / "a.png", folder / "b.mkv", **{"size": 64} | more)


@pytest.mark.parametrize("texts", [["mouth"], ["=c.png"], ["mouth="], ["mouth=a.png", "mouth=b.png"]])
def test_region_flags_that_are_wrong(texts):
    with pytest.raises(ConfigError, match=r"write NAME=FILE|given twice"):
        parse_regions(texts)


def test_names_stand_for_regions(session):
    regions = check_method(session(), ["eyes", "mouth"]).tuner.regions
    assert expand_guides({"eyes": 1, "mouth": 2}, regions, "") == {"right_eye": 1, "left_eye": 1, "mouth": 2}
    assert set(expand_guides(dict.fromkeys(["eyes", "brows", "nose", "mouth"]), regions, "")) == set(REGIONS)
    with pytest.raises(ConfigError, match=r"--region chin: .* no such region \(known: eyes, brows, .*mouth"):
        check_method(session(), ["chin"])
    with pytest.raises(ConfigError, match="left_eye is given twice, eyes covers it too"):
        check_method(session(), ["eyes", "left_eye"])


def test_the_canvas_is_the_generators_unless_it_is_given(session, files):
    method = check_method(session(method=None), [])
    assert read_case(case_files(files, size=None), method, 0).inputs.driving.width == 512
    type(method).frame_size = 48
    try:
        assert read_case(case_files(files, size=None), method, 0).inputs.identity.width == 48
        tuned = check_method(session(), [])
        assert read_case(case_files(files, size=None), tuned, 0).inputs.identity.width == 48
        assert read_case(case_files(files, size=96), tuned, 0).inputs.driving.frames.shape == (3, 96, 96, 3)
    finally:
        del type(method).frame_size


def test_region_clips_follow_the_driving_clips_time_and_limits(session, tmp_path, files):
    frames = picture(4, 40)
    write_clip(tmp_path / "slow.mkv", Clip(frames[:20], Fraction(10)))
    write_clip(tmp_path / "fast.mkv", Clip(frames, Fraction(20)))
    method = check_method(session(), [])
    one = CaseFiles(
        files / "a.png", tmp_path / "slow.mkv", {"mouth": tmp_path / "fast.mkv"}, size=64, fps=Fraction(5), frames=4
    )
    case = read_case(one, method, 0)
    assert np.array_equal(case.inputs.driving.frames, frames[[0, 2, 4, 6]])
    # At the same times, the clip of twice the rate is twice as far.
    assert np.array_equal(case.inputs.guides["mouth"].frames, frames[[0, 4, 8, 12]])
    assert (case.inputs.driving.fps, case.driving_frames) == (5, 10)
    faster = read_case(case_files(files, fps=Fraction(60)), method, 0)
    assert (faster.inputs.driving.fps, faster.driving_frames, len(faster.inputs.driving)) == (10, 3, 3)


def test_a_clip_as_identity_gives_its_first_frame_and_crops_are_kept(session, files):
    method = check_method(session(), [])
    crops = {"identity": Crop(x=8, y=4, side=32), "driving": Crop(x=0, y=32, side=32)}
    case = read_case(CaseFiles(files / "d.mkv", files / "b.mkv", crops=crops, size=32), method, 0)
    assert np.array_equal(case.inputs.identity.frames, picture(3, 2)[:1, 4:36, 8:40])
    assert np.array_equal(case.inputs.driving.frames, picture(1, 3)[:, 32:, :32])


def test_each_region_is_guided_by_its_own_clip_and_the_others_by_the_driving_clip(session, files, monkeypatch):
    """PasteDrive changes only what it should: compared with the guides of plain cases, clip by clip."""
    seen = []
    monkeypatch.setattr(tuner_module, "prepare", lambda *a, **k: seen.append(prepare(*a, **k)) or seen[-1])
    own = session()
    method = check_method(own, ["mouth", "eyes"])
    case = read_case(case_files(files, regions={"mouth": files / "c.png", "eyes": files / "d.mkv"}), method, 0)
    animate(own, method, case)
    pasted = seen[0].patches

    def guides(driving):
        """Of a case without region clips, from the same first output."""
        conditions = method.generator.condition(case.inputs)
        inputs = Inputs(case.inputs.case_id, case.inputs.identity, driving, case.inputs.seed)
        config = method.tuner.config_for(method.generator)
        return prepare(method.generator, conditions, inputs, config, own.observer).patches

    mouth = np.repeat(picture(2), 3, axis=0)  # an image holds still
    eyes = picture(3, 2)[[0, 1, 1]]  # a short clip holds its last frame
    expected = {"driving": guides(case.inputs.driving), "mouth": guides(Clip(mouth)), "eyes": guides(Clip(eyes))}
    assert len(pasted) == 3
    for frame, patches in enumerate(pasted):
        assert {patch.region for patch in patches} == set(REGIONS)
        for index, patch in enumerate(patches):
            source = {"mouth": "mouth", "left_eye": "eyes", "right_eye": "eyes"}.get(patch.region, "driving")
            assert torch.equal(patch.guide.gradients, expected[source][frame][index].guide.gradients)
            others = [expected[name][frame][index].guide.gradients for name in expected if name != source]
            assert not any(torch.equal(patch.guide.gradients, other) for other in others)


def test_the_base_is_the_plain_generators_and_the_generator_is_itself_again(session, files, tmp_path):
    own, phases, steps = session(), [], []
    own.progress = lambda done, total, losses: steps.append((done, total, sorted(losses)))
    method = check_method(own, [], save=True)
    case, before = read_case(case_files(files), method, 7), method.generator.probe()
    made = animate(own, method, case, save=tmp_path / "w.v1.safetensors", tell=phases.append)
    assert np.array_equal(made.base.clip.frames, method.generator.animate(case.inputs).clip.frames)
    assert made.result is made.tuned
    assert not np.array_equal(made.tuned.clip.frames, made.base.clip.frames)
    assert method.generator.probe() == before
    assert phases == ["sample tiny-epsilon", "tune (strucbooth)", "sample tuned"]
    assert steps == [(step, 2, ["gradient", "identity", "ldm"]) for step in (1, 2)]
    assert (tmp_path / "w.v1.safetensors").stat().st_size > 0
    # The same case in the way of a run.
    assert np.array_equal(method.animate(case.inputs).clip.frames, made.tuned.clip.frames)


def test_any_tuner_will_do_but_one_that_leaves_traces(session, files):
    clean, leaky = (session("toy-diffusion", f"toy-tuner:how={how}") for how in ("clean", "leak"))
    method = check_method(clean, [])
    made = animate(clean, method, read_case(case_files(files), method, 0))
    assert (made.tuned.clip.frames >= made.base.clip.frames).all()
    assert made.tuned.clip.frames.mean() > made.base.clip.frames.mean() + 10
    method = check_method(leaky, [])
    with pytest.raises(RuntimeError, match="left toy-diffusion changed"):
        animate(leaky, method, read_case(case_files(files), method, 0))


def test_without_a_tuner_there_is_the_base_only(session, files):
    own = session("warp", None)
    method = check_method(own, [])
    case = read_case(case_files(files), method, 0)
    made = animate(own, method, case)
    assert made.tuned is None
    assert made.result is made.base
    assert len(made.base.clip) == 3


@pytest.mark.parametrize(
    ("baseline", "method", "message"),
    [
        ("tiny-epsilon", None, "--region: only a tuner can do that"),
        ("toy-diffusion", "toy-tuner", "--region mouth: method toy-tuner knows no regions"),
    ],
)
def test_regions_want_a_tuner_that_knows_them(session, baseline, method, message):
    with pytest.raises(ConfigError, match=message):
        check_method(session(baseline, method), ["mouth"])


def test_weights_to_save_want_a_tuner(session):
    with pytest.raises(ConfigError, match="--save-lora: only a tuner can do that"):
        check_method(session("tiny-epsilon", None), [], save=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("regions=nose", "there is a clip for mouth, which regions=nose leaves out"),
        ("gradient_weight=0", "guide nothing with gradient_weight=0"),
    ],
)
def test_clips_that_would_guide_nothing_are_refused(session, files, options, message):
    own = session(method=f"strucbooth:{options}")
    method = check_method(own, ["mouth"])
    with pytest.raises(ConfigError, match=message):
        animate(own, method, read_case(case_files(files, regions={"mouth": files / "c.png"}), method, 0))


def test_a_region_clip_without_a_face_and_a_case_that_fails_are_one_line(session, files):
    write_image(files / "black.png", np.zeros((64, 64, 3), np.uint8))
    own = session()
    method = check_method(own, ["mouth"])
    case = read_case(case_files(files, regions={"mouth": files / "black.png"}), method, 0)
    with pytest.raises(OneCaseError, match="the guide of mouth shows no face in any of its frames"):
        animate(own, method, case)
    with pytest.raises(OneCaseError, match="the identity image shows no face"):
        animate(own, method, read_case(CaseFiles(files / "black.png", files / "b.mkv", size=64), method, 0))
    with pytest.raises(OneCaseError, match=r"gone\.png: no such file"):
        read_case(CaseFiles(files / "gone.png", files / "b.mkv"), method, 0)
    diverging = session("tiny-v:nan_from=1")
    method = check_method(diverging, [])
    with pytest.raises(OneCaseError, match="loss is nan"):
        animate(diverging, method, read_case(case_files(files), method, 0))
