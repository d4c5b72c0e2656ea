"""Windows, keyframes and noise of clips, with networks that answer in closed form; schedules; LoRA in two UNets."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from hm_clip import Recorder, clip_conditions, run_clip
from torch import nn

from portraitbench.methods.hellomeme import schedule
from portraitbench.methods.hellomeme.conditions import shown_rows
from portraitbench.methods.hellomeme.feature_maps import Maps
from portraitbench.methods.hellomeme.samplers import CaseSampler, mirrored_adapters, windows
from portraitbench.methods.hellomeme.schedule import Sampling
from portraitbench.methods.lora import injected_lora


@pytest.mark.parametrize("count", range(1, 120))
def test_windows_cover_all_frames_and_meet_in_one(count):
    spans = windows(count)
    assert spans[0][0] == 0
    assert spans[-1][-1] == count - 1
    assert all(span == list(range(span[0], span[-1] + 1)) and len(span) <= 12 for span in spans)
    assert all(len(span) == 12 for span in spans[:-1])
    assert all(before[-1] == after[0] for before, after in pairwise(spans))
    assert len(spans[-1]) > 1 or count == 1  # the last window of one frame, where upstream fails, is left out


def test_a_short_clip_has_two_margins_and_one_window():
    asked, pads, latents = run_clip(5)
    assert [(name, rows) for name, rows, _, _ in asked] == [("keyframes", [0, 4]), ("clip", [0, 1, 2, 3, 4])]
    assert asked[0][3] == [0, 0]  # both margins begin with the first frame's noise
    assert asked[1][3] == [0, 1, 2, 3, 4]
    assert sorted(pads) == [0, 4]
    assert latents.shape == (5, 4, 1, 1)


def test_a_long_clip_samples_its_keyframes_before():
    asked, pads, _ = run_clip(25)
    assert [(name, rows) for name, rows, _, _ in asked] == [
        ("keyframes", [0, 24]),
        ("clip", [0, 11, 22, 24]),
        ("clip", list(range(12))),
        ("clip", list(range(11, 23))),
        ("clip", [22, 23, 24]),
    ]
    assert asked[1][3] == [0, 1, 2, 3]  # keyframes take noise by their position among the keyframes
    assert sorted(pads) == [0, 11, 22, 24]
    for _, rows, used, _ in asked[1:]:
        assert used == [float(pads[row].up[0][1, 0, 0, 0, 0]) for row in (rows[0], rows[-1])]


@pytest.mark.parametrize("rows", [23, 34, 45])
def test_lengths_where_upstream_fails_are_sampled_whole(rows):
    asked, _, latents = run_clip(rows)
    assert len(latents) == rows
    assert all(len(own) > 1 for _, own, _, _ in asked)


def test_known_keyframes_are_not_made_again():
    _, pads, _ = run_clip(25)
    asked, _, _ = run_clip(25, pads)
    assert [name for name, _, _, _ in asked] == ["clip"] * 3


def test_where_windows_meet_predictions_are_averaged():
    conditions = clip_conditions(13)
    sampler = CaseSampler(Recorder(), conditions, Sampling("euler", 1, 1.5, torch.Generator()))
    sampler.pads = {row: Maps((), (torch.zeros(2, 1, 4, 1, 1),)) for row in (0, 11, 12)}
    sampler._predict = lambda unet, latents, t, rows, pads: torch.full((2, len(rows), 4, 1, 1), float(len(rows)))
    found = sampler._average(windows(13), list(range(13)), torch.zeros(13, 4, 1, 1), torch.tensor(1.0))
    assert found[0, :, 0, 0, 0].tolist() == [12.0] * 11 + [7.0, 2.0]


def test_the_schedules_are_those_of_the_reference():
    images, clips = schedule.make_scheduler("dpm-sde"), schedule.make_scheduler("euler")
    for one in (images, clips):
        one.set_timesteps(25)
    assert images.timesteps[[0, 1, 9, 10, 24]].tolist() == [999, 959, 639, 599, 40]
    assert images.init_noise_sigma == 1
    assert clips.timesteps[[0, 1, 9, 10, 24]].tolist() == pytest.approx([999, 957.375, 624.375, 582.75, 0])
    assert float(clips.init_noise_sigma) == pytest.approx(14.6146, abs=1e-3)


def test_steps_are_told_with_whole_times():
    told = []
    sampling = Sampling("euler", 3, 1.5, torch.Generator(), lambda *step: told.append(step))
    sampling.denoise(torch.ones(1, 4, 1, 1), lambda latents, t: torch.zeros(2, *latents.shape))
    assert [(index, count, t.tolist()) for index, count, t in told] == [(0, 3, [999]), (1, 3, [500]), (2, 3, [0])]


def test_sampling_twice_is_the_same_and_leaves_the_global_stream():
    def sample():
        sampling = Sampling("dpm-sde", 4, 1.5, torch.Generator().manual_seed(3))
        return sampling.denoise(
            torch.ones(1, 4, 2, 2), lambda latents, t: 0.1 * latents[None].expand(2, -1, -1, -1, -1)
        )

    state = torch.random.get_rng_state()
    assert torch.equal(sample(), sample())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("clip_fps", "fps"), [(25, 8), (24, 8), (15, 8), (30, 15), (29.97, 8), (8, 8), (7, 8), (25, 0)]
)
def test_each_frame_shows_the_latest_generated_one(clip_fps, fps):
    chosen, shown = shown_rows(60, clip_fps, fps)
    assert len(shown) == 60
    assert all(chosen[row] <= index for index, row in enumerate(shown))
    assert [shown[index] for index in chosen] == list(range(len(chosen)))
    rate = clip_fps if fps == 0 else min(fps, clip_fps)
    assert abs(len(chosen) - 60 * rate / clip_fps) <= 1


def test_adapters_of_one_unet_act_in_another_while_they_are_on():
    def net():
        return nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))

    torch.manual_seed(0)
    source, target = net(), net()
    given = torch.randn(2, 4)
    plain = target(given)
    wired = SimpleNamespace(unet=target, is_reading=False)
    with injected_lora(source, "0|1", rank=2, seed=0) as lora, mirrored_adapters(source, wired):
        for parameter in lora.parameters:
            parameter.data.normal_()
        a, b = lora.state()["0.lora_A.weight"], lora.state()["0.lora_B.weight"]
        c, d = lora.state()["1.lora_A.weight"], lora.state()["1.lora_B.weight"]
        inner = target[0].weight + b @ a, target[1].weight + d @ c
        expected = (given @ inner[0].T + target[0].bias) @ inner[1].T + target[1].bias
        assert torch.allclose(target(given), expected, atol=1e-5)
        wired.is_reading = True
        assert torch.equal(target(given), plain)
        wired.is_reading = False
        lora.enable(on=False)
        assert torch.equal(target(given), plain)
    assert torch.equal(target(given), plain)
    with injected_lora(source, "0", rank=2, seed=0), mirrored_adapters(source, wired, wanted=False):
        assert not target[0]._forward_hooks


def test_denoiser_and_helper_have_the_same_layers(random_tiny):
    """Adapters made for the denoiser find their layers in the helper."""
    names = {name for name, _ in random_tiny.denoiser.named_modules()}
    assert names == {name for name, _ in random_tiny.helper.named_modules()}
