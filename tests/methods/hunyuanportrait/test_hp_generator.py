"""HunyuanPortrait on small random networks: what a tuner may touch, clips, and what goes wrong."""

from __future__ import annotations

import re
from fractions import Fraction

import hp_answers
import hp_native as native
import numpy as np
import pytest
import torch

from portraitbench.core.errors import ConfigError, DivergedError, NoFaceError, WeightsError
from portraitbench.datasets.clip import Clip
from portraitbench.methods.base import DiffusionGenerator, Inputs
from portraitbench.methods.hunyuanportrait.architecture import REAL
from portraitbench.methods.hunyuanportrait.conditions import Selection, padded
from portraitbench.methods.hunyuanportrait.options import LORA_TARGETS, LORA_TARGETS_WITH_MOTION
from portraitbench.methods.hunyuanportrait.unet import PortraitUNet


@pytest.fixture(scope="module")
def networks():
    return hp_answers.networks()


@pytest.fixture
def make(networks):
    def make(**options):
        own = native.generator(networks, **{"steps": 1, "appearance_guidance": 1.0, "motion_guidance": 1.0} | options)
        own._side = hp_answers.MINI.side
        return own

    return make


def inputs(frames=3):
    random = np.random.default_rng(0)
    driving = random.integers(0, 256, (frames, 90, 90, 3), dtype=np.uint8)
    return Inputs("one", Clip(driving[:1]), Clip(driving, Fraction(24)), 7)


def test_a_clip_has_a_frame_and_a_canvas_frame_per_driving_frame(make):
    own = make(paste_back=True)
    assert isinstance(own, DiffusionGenerator)
    told = []
    conditions = own.condition(inputs())
    found = own.sample(conditions, seed=7, on_step=lambda *step: told.append(step))
    assert found.clip.frames.shape == found.canvas.frames.shape == (3, 64, 64, 3)
    assert found.clip.fps == found.canvas.fps == Fraction(24)
    assert found.pasted.frames.shape == (3, 90, 90, 3)
    assert found.detail["generated_frames"] == 33
    assert [(step[0], step[1], float(step[2])) for step in told] == [(0, 1, pytest.approx(700))]
    assert own.made_frames(conditions) == range(3)
    again = own.sample(conditions, seed=7)
    assert np.array_equal(again.clip.frames, found.clip.frames)
    assert not np.array_equal(own.sample(conditions, seed=8).clip.frames, found.clip.frames)
    assert make().sample(conditions, seed=7).pasted is None


def test_frames_take_latents_and_back(make):
    own = make()
    frames = native.draw(0, 2, 3, 64, 64).clamp(-1, 1)
    with torch.no_grad():
        latents = own.encode(frames)
        both = own._networks.codec.encode(frames).latent_dist.mode()
    assert latents.shape == (2, 4, 8, 8)
    torch.testing.assert_close(latents, 0.18215 * both, rtol=1e-4, atol=1e-5)
    assert own.decode(latents).shape == (2, 3, 64, 64)
    assert own.decode(latents[:, :, 2:5, 1:7]).shape == (2, 3, 24, 48)


def test_the_decoder_mixes_the_frames_of_a_run_and_no_others(make):
    own, latents = make(), native.draw(0, 6, 4, 4, 4)
    with torch.no_grad():
        alone, runs, whole = own.decode(latents), own.decode(latents, 3), own.decode(latents, 6)
        first = own.decode(latents[:3], 3)
    torch.testing.assert_close(runs[:3], first, rtol=1e-4, atol=1e-5)
    assert float((alone - runs).abs().max()) > 1e-3
    assert float((runs - whole).abs().max()) > 1e-3


def test_denoising_some_frames_needs_no_others(make):
    own, given = make(), hp_answers.selection(5)
    noisy, t = 4 * native.draw(9, 5, 4, 8, 8), torch.tensor([4.0])
    chosen = given.of_frames([1, 2])
    assert torch.equal(chosen.motion, given.motion[[1, 2]])
    with torch.no_grad():
        found = own.denoise(noisy[[1, 2]], t, chosen)
        moved = Selection(given.appearance, given.motion.flip(0).roll(3, 0), given.image_latents)
        assert float((own.denoise(noisy[[1, 2]], t, moved.of_frames([1, 2])) - found).abs().max()) > 1e-4
    assert found.shape == (2, 4, 8, 8)
    assert found.dtype == torch.float32


def test_a_selection_holds_the_asked_frames(make):
    own = make()
    conditions = own.condition(inputs())
    assert torch.equal(own.select(conditions, [1, 2]).motion, conditions.motion[[1, 2]])
    assert torch.equal(own.select(conditions, [0, 1]).motion, conditions.motion[[0, 1]])


def test_equal_scales_cost_two_passes_and_give_what_three_would(make, networks, monkeypatch):
    batches, predict = [], networks.predict
    monkeypatch.setattr(networks, "predict", lambda *given: batches.append(len(given[0])) or predict(*given))
    given = Selection(*vars(hp_answers.selection(3)).values())
    two = make(appearance_guidance=2.0, motion_guidance=2.0)._sample(given, 3, lambda *_: None)
    almost = make(appearance_guidance=2.0, motion_guidance=2.0 + 1e-6)._sample(given, 3, lambda *_: None)
    assert batches == [2, 3]
    torch.testing.assert_close(two, almost, rtol=1e-4, atol=1e-3)


def test_only_a_window_is_on_the_device(make, networks, monkeypatch):
    """Conditions and latents of the clip stay on the CPU; what the denoiser is given does not grow with the clip."""
    sizes, predict = [], networks.predict

    def spy(*given):
        sizes.append(sum(tensor.numel() for tensor in given))
        return predict(*given)

    monkeypatch.setattr(networks, "predict", spy)
    for frames in (26, 60):
        given = hp_answers.selection(frames)
        make()._sample(given, 3, lambda *_: None)
    assert len(sizes) == 2 + 3
    assert len(set(sizes)) == 1


def test_a_decoder_that_answers_nan_is_a_typed_row(make, networks, monkeypatch):
    own = make()
    conditions = own.condition(inputs())
    decode = networks.decode
    monkeypatch.setattr(networks, "decode", lambda latents, run=1: decode(latents, run) * float("nan"))
    with pytest.raises(DivergedError, match="not finite"):
        own.sample(conditions, seed=1)


def test_a_driving_frame_without_a_face_is_a_typed_row(make):
    class Blind:
        def detect(self, frames):
            return [[] for _ in frames]

    from portraitbench.methods.hunyuanportrait.face_boxes import DetectedFaces

    own = make()
    own.__dict__["_faces"] = DetectedFaces(Blind())
    with pytest.raises(NoFaceError, match="identity image"):
        own.animate(inputs())


@pytest.mark.parametrize("frames", [1, 2, 24, 25, 26])
def test_pads_in_closed_form(frames):
    motion = native.draw(0, frames, 2, 3)
    found = padded(motion)
    assert len(found) == frames + 30
    assert torch.equal(found[15:-15], motion)
    for row in range(15):
        torch.testing.assert_close(found[row], motion[0] * row / 15)
        torch.testing.assert_close(found[15 + frames + row], motion[-1] * (1 - row / 15))


@pytest.mark.parametrize(
    ("targets", "count", "parameters"), [(LORA_TARGETS, 256, 3_319_808), (LORA_TARGETS_WITH_MOTION, 320, 4_243_456)]
)
def test_adapters_go_where_the_reference_counts_them(targets, count, parameters):
    with torch.device("meta"):
        unet = PortraitUNet(**REAL.unet())
    layers = [layer for name, layer in unet.named_modules() if re.fullmatch(targets, name)]
    assert len(layers) == count
    assert sum(8 * (layer.in_features + layer.out_features) for layer in layers) == parameters
    assert REAL.heads == (5, 10, 20, 20)


def test_options_decide_targets_levels_and_the_revision(make):
    assert make(motion_adapter=True).lora_targets == LORA_TARGETS_WITH_MOTION
    assert make().lora_targets == LORA_TARGETS
    seen = {
        make(**more).revision for more in ({}, {"noise_levels": "discrete"}, {"motion_guidance": 3.0}, {"steps": 2})
    }
    assert len(seen) == 4
    assert make(noise_levels="discrete").settings["noise_levels"] == "discrete"
    with pytest.raises(ConfigError, match="noise_levels"):
        make(noise_levels="uniform")


def test_without_weights_it_is_one_line(tmp_path):
    for options, words in (({"weights": None}, "bench doctor"), ({"weights": str(tmp_path)}, "unet.pth is missing")):
        with pytest.raises(WeightsError, match=words) as error:
            _ = native.generator(None, **options).revision
        assert "\n" not in str(error.value)


def test_precision_is_where_upstream_has_it():
    made = hp_answers.networks()
    made.settle("cpu", torch.bfloat16)
    assert made.denoiser.dtype == made.appearance.norm.weight.dtype == made.pose.conv_in.weight.dtype == torch.bfloat16
    assert made.expression.resnet50.fc.weight.dtype == made.refiner.position_head.weight.dtype == torch.float32
    exact, frames = hp_answers.networks(), native.draw(0, 1, 3, 32, 32)
    torch.testing.assert_close(made.encode(frames), exact.encode(frames), rtol=0.05, atol=0.05)
    assert made.codec.encoder.conv_in.weight.dtype == torch.bfloat16
    own = native.generator(made)
    found = own.denoise(700 * native.draw(1, 2, 4, 8, 8), torch.tensor([700.0]), hp_answers.selection(2))
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())
