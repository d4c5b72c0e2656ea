"""Profiling of tuning steps: arms against each other, memory, sizes of the real networks, what takes no memory."""

from __future__ import annotations

import json

import pytest
import torch

from portraitbench.core.errors import ConfigError
from portraitbench.methods.hellomeme import random_generator as random_parts
from portraitbench.methods.hellomeme.architecture import REAL
from portraitbench.profiling.peak_memory import measured_peak
from portraitbench.profiling.tuning import as_data, measure_sampling, measure_steps
from portraitbench.profiling.tuning_arms import ARMS, arms
from portraitbench.profiling.tuning_peaks import kept_by_denoiser, step_peaks
from portraitbench.profiling.tuning_setting import Setting
from portraitbench.profiling.tuning_subject import TuningSubject

CPU = torch.device("cpu")


def tiny(**options):
    return TuningSubject(Setting("hellomeme-tiny", 64, **options))


pytestmark = pytest.mark.usefixtures("one_thread")


def nothing(done, total):
    pass


@pytest.fixture(scope="module")
def image():
    """An image's subject; tests must leave its networks as they are."""
    return tiny()


@pytest.fixture(scope="module")
def exact():
    """The same in double precision: in single, rounding alone moves gradients of random networks by 1e-5."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(random_parts.PRECISIONS, "fp32", torch.float64)
        return tiny()


def gradient(arm):
    """Of one draw on all adapters, as one vector."""
    arm.case.backward(arm.parameters)
    found = torch.cat([parameter.grad.flatten() for parameter in arm.parameters])
    for parameter in arm.parameters:
        parameter.grad = None
    return found


def off(one, other):
    """Relative distance."""
    return float((one - other).norm() / other.norm())


def gradients(subject):
    with subject.adapters() as lora:
        found = {name: gradient(arm) for name, arm in arms(subject, lora, 0).items()}
    assert list(found) == list(ARMS)
    return found


def test_arms_agree_with_a_decoder_whose_patches_are_exact(exact, monkeypatch):
    layer = torch.nn.Conv2d(4, 3 * 64, 1).requires_grad_(False)  # sees no neighbour
    monkeypatch.setattr(exact.generator, "decode", lambda own: torch.pixel_shuffle(layer(own), 8).tanh())
    found = gradients(exact)
    assert off(found["patch"], found["global"]) < 1e-5
    assert off(found["patch + identity"], found["global + identity"]) < 1e-5
    assert off(found["patch + identity"], found["patch"]) > 1e-3


@pytest.mark.parametrize("halo", [0, 8])
def test_arms_agree_where_a_halo_covers_the_frame(exact, monkeypatch, halo):
    monkeypatch.setattr(exact, "config", exact.config.model_copy(update={"halo": halo}))
    found = gradients(exact)
    for more in ("", " + identity"):
        distance = off(found["patch" + more], found["global" + more])
        assert distance < 1e-5 if halo else distance > 1e-2


def test_the_identity_loss_takes_the_memory_of_a_whole_frame(image):
    told = []
    with image.adapters() as lora:
        ways = arms(image, lora, 0)
        before = [parameter.detach().clone() for parameter in lora.parameters]
        costs = {cost.arm: cost for cost in measure_steps(ways, 1, CPU, lambda *step: told.append(step))}
        assert any(not torch.equal(one, other) for one, other in zip(before, lora.parameters, strict=True))
        assert all(parameter.grad is None for parameter in lora.parameters)
    peaks = {name: cost.peak_bytes for name, cost in costs.items()}
    assert 0 < peaks["patch"] < peaks["patch + identity"]
    assert peaks["global"] <= peaks["global + identity"]
    assert told == [(done, 8) for done in range(1, 9)]
    for cost in costs.values():
        assert list(cost.parts) == ["denoiser forward", "pixels", "denoiser backward", "optimizer"]
        assert all(part.wall > 0 for part in cost.parts.values())
        # The marks lie within the step.
        assert sum(part.wall for part in cost.parts.values()) <= cost.median_seconds
    data = as_data(list(costs.values()), None)
    assert json.loads(json.dumps(data)) == data
    assert data["full_seconds"]["patch"] == pytest.approx(800 * costs["patch"].median_seconds)


def test_real_size_without_memory(monkeypatch):
    monkeypatch.setattr(random_parts, "draw_weights", lambda module, random: None)
    subject = TuningSubject(Setting())
    with subject.adapters() as lora:
        about = subject.about(lora)
        assert {parameter.dtype for parameter in lora.parameters} == {torch.float32}
    assert about["lora"] == {"modules": 128, "parameters": 1594368, "rank": 8}
    assert set(about["resident_bytes"]) == {"LoRA", "identity network"}
    assert about["latent_shape"] == [1, 4, 64, 64]
    own = subject.generator._networks

    def count(*modules):
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

    # Parameters of upstream's own networks, counted on the meta device; of a decoder as published.
    assert count(own.denoiser, own.reference) == 950064964
    assert count(own.decoder.decoder, own.decoder.post_quant_conv) == 49490199
    with torch.device("meta"):
        clip = random_parts._described(REAL, is_clip=True)
    assert count(clip.denoiser, clip.animatediff, clip.reference, clip.motion) == 1586752644


@pytest.mark.parametrize(("frames", "samples"), [(1, True), (2, False), (2, True)])
def test_only_what_is_touched_takes_memory(frames, samples):
    subject = tiny(frames=frames, samples=samples, precision="bf16")
    own = subject.generator._networks
    assert all(value.is_meta for part in (own.control, own.encoder) for value in part.state_dict().values())
    assert own.decoder.encoder.conv_in.weight.is_meta
    assert own.helper.conv_in.weight.is_meta is not (frames == 2 and samples)
    with subject.adapters() as lora:
        resident = subject.about(lora)["resident_bytes"]
    names = {"denoiser", "reference adapter", "decoder", "LoRA", "identity network"}
    names |= {"motion modules", "motion adapter"} if frames == 2 else set()
    names |= {"keyframe UNet"} if frames == 2 and samples else set()
    assert resident.keys() == names
    assert resident["denoiser"] == 2 * sum(one.numel() for one in own.denoiser.parameters())
    assert own.denoiser.dtype == own.decoder.dtype == torch.bfloat16


def test_a_clips_window_is_one_step():
    subject = tiny(frames=2)
    with subject.adapters() as lora:
        found = gradient(arms(subject, lora, 0)["patch + identity"])
        assert subject.about(lora)["decoded_frames"] == 2
    assert 0 < float(found.abs().max()) < float("inf")


def test_checkpointing_takes_less_memory_and_gives_the_same_gradient(image):
    again = tiny(checkpointing=True)
    found, peaks = [], []
    for subject in (image, again):
        with subject.adapters() as lora:
            arm = arms(subject, lora, 0)["patch"]
            with measured_peak(CPU) as peak:
                found.append(gradient(arm))
        peaks.append(peak.bytes)
    assert peaks[1] < 0.5 * peaks[0]
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5 * float(found[0].abs().max()))


def test_a_seed_decides(image):
    same, other = tiny(), tiny(seed=1)
    weights = [subject.generator.denoiser.conv_in.weight for subject in (image, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(image.conditions.text, same.conditions.text)
    assert not torch.equal(image.latents, other.latents)


def test_a_whole_sampling_is_timed(image):
    told = []
    cost = measure_sampling(image, 0, lambda *step: told.append(step))
    assert (cost.steps, cost.loops, cost.guidance) == (25, 1, 1.5)
    assert told == [(step, 25) for step in range(1, 26)]
    assert cost.processor_seconds > 0


@pytest.mark.slow
def test_a_clips_sampling_makes_its_keyframes_first():
    told = []
    cost = measure_sampling(tiny(frames=2, samples=True), 0, lambda *step: told.append(step))
    assert (cost.loops, len(told)) == (2, 50)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="--size 576: must be a multiple of 64, 64 to 512"):
        TuningSubject(Setting(size=576))


def test_hunyuanportrait_is_profiled_as_well_and_checkpointing_lowers_its_peak():
    rows = step_peaks("hunyuanportrait-tiny", [1, 3], size=64)
    peaks = {(row["frames"], row["checkpointing"]): row["peak_bytes"] for row in rows}
    assert peaks[3, True] < peaks[3, False]
    assert peaks[1, False] < peaks[3, False]


@pytest.mark.slow
def test_what_the_denoiser_keeps_agrees_with_counting_by_hand():
    """1.70 GiB a frame in 16 bit at 512 pixels, counted once outside this project; little with checkpointing."""
    one = kept_by_denoiser(1, checkpointing=False, precision=torch.bfloat16)
    assert one / 2**30 == pytest.approx(1.70, rel=0.02)
    assert kept_by_denoiser(1, checkpointing=True, precision=torch.bfloat16) < 0.1 * one
