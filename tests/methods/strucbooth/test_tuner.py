"""The tuner on tiny generators of every parameterization: losses fall, x0 is right, and it knows none of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitbench.core.errors import ConfigError
from portraitbench.datasets.clip import Clip
from portraitbench.methods.strucbooth import objective as case_module
from portraitbench.methods.strucbooth.gradients import gradient_loss
from portraitbench.methods.strucbooth.patches import PatchDecoder
from portraitbench.methods.strucbooth.targets import prepare
from portraitbench.methods.strucbooth.tuner import StrucBooth

KINDS = ["epsilon", "v", "flow", "edm"]
FAST = {"steps": 2, "regions": "mouth", "lora_targets": r".*to_q"}


def losses_on_a_grid(generator, conditions, guide, config):
    """Denoising and gradient loss over fixed noise and times."""
    path, latents = generator.parameterization, guide.latents
    decoder = PatchDecoder(generator.decode, generator.latent_stride)
    ldm, gradient = [], []
    with torch.no_grad():
        for index, share in enumerate((0.15, 0.35, 0.55, 0.75, 0.95)):
            t = path.times(torch.tensor([share]))
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(index))
            noisy = path.add_noise(latents, noise, t)
            prediction = generator.denoise(noisy, t, conditions)
            ldm.append((prediction - path.target(latents, noise, t)).square().mean())
            x0 = path.x0(noisy, prediction, t)
            gradient += [gradient_loss(decoder.alone(x0, p.cells), p.guide, config.eps) for p in guide.patches[0]]
    return float(torch.stack(ldm).mean()), float(torch.stack(gradient).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_both_losses_fall_and_the_generator_is_itself_again(kind, tiny, context, case):
    generator, inputs = tiny(kind), case()
    conditions, before = generator.condition(inputs), generator.probe()
    options = {"steps": 50, "learning_rate": 1e-2, "gradient_weight": 3, "identity_weight": 0, "snapshots": "0+50"}
    tuner = StrucBooth(options, context)
    config = tuner.config_for(generator)
    guide = prepare(generator, conditions, inputs, config, context.observer)
    plain = generator.sample(conditions, seed=inputs.seed).clip.frames
    with tuner.tune(generator, conditions, inputs) as tuned:
        found = {}
        for step in (0, 50):
            tuned.use(step)
            found[step] = losses_on_a_grid(generator, conditions, guide, config)
        sampled = tuned.sample(conditions, seed=inputs.seed)
    assert found[50][0] < 0.95 * found[0][0]
    assert found[50][1] < found[0][1] - 0.005
    assert not np.array_equal(sampled.clip.frames, plain)
    assert sampled.detail["tuned_steps"] == 50
    assert sampled.detail["patches"] == 6
    assert sampled.detail["seconds_tune"] > 0 < sampled.detail["seconds_pgt"]
    assert generator.probe() == before
    assert np.array_equal(generator.sample(conditions, seed=inputs.seed).clip.frames, plain)


def test_nothing_in_the_tuner_knows_a_parameterization_or_a_generator():
    folder = Path(case_module.__file__).parent
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.py")))
    assert len(text) > 20_000
    words = r"epsilon|edm|flow|velocity|v_pred|alphas|diffusers|unet|pocket|hellomeme|hunyuan|isinstance\(generator"
    assert re.findall(words, text, re.IGNORECASE) == []


def test_a_stretch_of_a_clip_goes_with_its_own_conditions_patches_and_landmarks(tiny, context, case, monkeypatch):
    generator, inputs = tiny("flow"), case(frames=5)
    conditions, path = generator.condition(inputs), generator.parameterization
    config = StrucBooth({}, context).config_for(generator)
    guide = prepare(
        generator, conditions, inputs, config, context.observer, embedder=context.observer.backends[0].embedder
    )
    clean, weight, seen = guide.latents[2:4], torch.nn.Parameter(torch.zeros(1)), []
    select, embed = generator.select, guide.identity.embedder.embed
    monkeypatch.setattr(generator, "select", lambda given, rows: seen.append(list(rows)) or select(given, rows))
    guide.identity.embedder.embed = lambda frames, points: seen.append(points) or embed(frames, points)
    t, noise = torch.tensor([0.3]), torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(generator, "denoise", lambda *_: path.target(clean, noise, t) + weight)
    own = case_module.TuningObjective(generator, conditions, guide, config, 3)
    monkeypatch.setattr(own, "draw", lambda: case_module.Draw([2, 3], t, noise, [0, 1], 1))
    found = own.backward([weight])
    decoder = PatchDecoder(generator.decode, generator.latent_stride)
    with torch.no_grad():
        right = [
            gradient_loss(decoder.alone(guide.latents[frame : frame + 1], p.cells), p.guide, config.eps)
            for frame in (2, 3)
            for p in guide.patches[frame]
        ]
    assert found["gradient"] == pytest.approx(float(torch.stack(right).mean()), abs=1e-5)
    assert seen[0] == [2, 3]
    assert len(seen) == 2
    assert np.array_equal(seen[1][0], guide.identity.landmarks[3])
    assert not np.array_equal(guide.identity.landmarks[3], guide.identity.landmarks[1])


def test_only_frames_that_a_generator_makes_are_tuned_each_with_its_own_driving_frame(tiny, context, case, monkeypatch):
    generator, inputs = tiny("flow"), case(frames=5)
    conditions = generator.condition(inputs)
    config = StrucBooth({"identity_weight": 0}, context).config_for(generator)
    whole = prepare(generator, conditions, inputs, config, context.observer)
    monkeypatch.setattr(generator, "made_frames", lambda _: [0, 3])
    guide = prepare(generator, conditions, inputs, config, context.observer)
    assert guide.frames == [0, 3]
    assert torch.allclose(guide.latents, whole.latents[[0, 3]], atol=1e-5)
    for own, patches in zip((0, 3), guide.patches, strict=True):
        for found, expected in zip(patches, whole.patches[own], strict=True):
            assert torch.equal(found.guide.gradients, expected.guide.gradients)
    assert not torch.equal(whole.patches[3][0].guide.gradients, whole.patches[1][0].guide.gradients)
    seen, select = [], generator.select
    monkeypatch.setattr(generator, "select", lambda given, frames: seen.append(list(frames)) or select(given, frames))
    case_module.TuningObjective(generator, conditions, guide, config, 3).backward([_with_gradient(generator)])
    assert seen == [[0, 3]]


def _with_gradient(generator):
    return generator.denoiser.conv_in.weight.requires_grad_(True)


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_model_that_knows_the_answer_the_pixel_losses_see_the_pgt(kind, tiny, context, case, monkeypatch):
    generator, inputs = tiny(kind), case()
    conditions, path = generator.condition(inputs), generator.parameterization
    config = StrucBooth({"timesteps": "0.1+0.7"}, context).config_for(generator)
    guide = prepare(
        generator, conditions, inputs, config, context.observer, embedder=context.observer.backends[0].embedder
    )
    weight = torch.nn.Parameter(torch.zeros(1))

    def knows(noisy, t, conditions):
        alpha, sigma = path.coefficients(t)
        return path.target(guide.latents, (noisy - alpha * guide.latents) / sigma, t) + weight

    monkeypatch.setattr(generator, "denoise", knows)
    found = case_module.TuningObjective(generator, conditions, guide, config, 3).backward([weight])
    decoder = PatchDecoder(generator.decode, generator.latent_stride)
    with torch.no_grad():
        right = [gradient_loss(decoder.alone(guide.latents, p.cells), p.guide, config.eps) for p in guide.patches[0]]
        seen = guide.identity.embedder.embed(generator.decode(guide.latents).clamp(-1, 1), [None])
    assert found["ldm"] == pytest.approx(0, abs=1e-6)
    assert found["gradient"] == pytest.approx(float(torch.stack(right).mean()), abs=2e-3)
    identity = 1 - float(torch.cosine_similarity(seen, guide.identity.reference))
    assert found["identity"] == pytest.approx(identity, abs=1e-3)
    assert weight.grad is not None


def test_accumulated_draws_are_averaged(tiny, context, case):
    generator, inputs = tiny(), case()
    tuner = StrucBooth(FAST | {"ldm_weight": 1, "gradient_weight": 5, "identity_weight": 0}, context)
    config = tuner.config_for(generator)
    guide = prepare(generator, generator.condition(inputs), inputs, config, context.observer)
    parameter = next(generator.denoiser.parameters())

    def gradient(accumulate, draws):
        own = config.model_copy(update={"accumulate": accumulate})
        case = case_module.TuningObjective(generator, generator.condition(inputs), guide, own, 3)
        parameter.grad = None
        for _ in range(draws):
            case.backward([parameter])
        return parameter.grad

    torch.testing.assert_close(gradient(2, 2), gradient(1, 2) / 2)


def test_regions_may_be_driven_by_other_clips(tiny, context, case):
    generator, inputs = tiny(), case(frames=3)
    other = Clip(case(frames=2, seed=70).driving.frames)
    tuner = StrucBooth(FAST | {"regions": "mouth+nose"}, context)
    config, conditions = tuner.config_for(generator), generator.condition(inputs)
    own, pasted = (
        prepare(generator, conditions, inputs, config, context.observer, sources=sources)
        for sources in ({}, {"mouth": other})
    )
    for row, (mine, theirs) in enumerate(zip(own.patches, pasted.patches, strict=True)):
        assert [patch.region for patch in mine] == ["mouth", "nose"] == [patch.region for patch in theirs], row
        assert mine[0].cells == theirs[0].cells
        assert not torch.equal(mine[0].guide.gradients, theirs[0].guide.gradients)
        assert torch.equal(mine[1].guide.gradients, theirs[1].guide.gradients)
    # The clip of two frames stays at its last one.
    assert not torch.equal(pasted.patches[0][0].guide.gradients, pasted.patches[1][0].guide.gradients)
    with pytest.raises(ConfigError, match="guide chin: method strucbooth has no such region"):
        tuner.tune(generator, conditions, replace(inputs, guides={"chin": other})).__enter__()
    with tuner.tune(generator, conditions, replace(inputs, guides={"mouth": other})) as tuned:
        assert tuned.detail["patches"] == 6


def test_the_pgt_guides_itself_to_a_gradient_loss_of_almost_nothing(tiny, context, case):
    """With the output as its own driver, boxes, resampling and gradients must all fall together."""
    generator, inputs = tiny("flow"), case()
    conditions = generator.condition(inputs)
    pgt = generator.sample(conditions, seed=inputs.seed).clip
    config = StrucBooth({"identity_weight": 0, "flat": 0, "eps": 1e-6}, context).config_for(generator)
    itself = type(inputs)(inputs.case_id, inputs.identity, pgt, inputs.seed)
    guide = prepare(generator, conditions, itself, config, context.observer)
    frame = torch.tensor(pgt.frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    for patch in guide.patches[0]:
        c = patch.cells
        crop = frame[:, :, 4 * c.top : 4 * c.bottom, 4 * c.left : 4 * c.right]
        assert float(gradient_loss(crop, patch.guide, 1e-6)) < 1e-4


def test_progress_is_told_with_losses(tiny, context, case):
    told = []
    context.progress = lambda *news: told.append(news)
    generator, inputs = tiny(), case()
    with StrucBooth(FAST | {"steps": 3}, context).tune(generator, generator.condition(inputs), inputs):
        pass
    assert [news[:2] for news in told] == [(1, 3), (2, 3), (3, 3)]
    assert all(set(news[2]) == {"ldm", "gradient", "identity"} for news in told)
