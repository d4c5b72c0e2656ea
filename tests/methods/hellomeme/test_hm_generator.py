"""HelloMeme as a generator and under the tuner, on random weights."""

from __future__ import annotations

import re
from dataclasses import replace

import hm_case
import pytest
import torch
from diffusers import UNet2DConditionModel
from hm_weights import fill, normal
from torch import nn

from portraitbench.core.errors import ConfigError, DivergedError, WeightsError
from portraitbench.faces.base import Grade
from portraitbench.methods.base import DiffusionGenerator, MethodContext
from portraitbench.methods.hellomeme.architecture import REAL, TINY
from portraitbench.methods.hellomeme.generator import HelloMeme
from portraitbench.methods.hellomeme.options import LORA_TARGETS
from portraitbench.methods.lora import injected_lora
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned_method import TunedMethod


def test_it_opens_what_a_tuner_needs(make_generator):
    generator = make_generator()
    assert isinstance(generator, DiffusionGenerator)
    assert generator.grade is Grade.RANDOM
    assert HelloMeme({}, make_generator.context).grade is Grade.REAL


def test_an_image_is_128_pixels_and_follows_seed_and_driver(make_generator, make_inputs):
    generator = make_generator()
    first = generator.animate(make_inputs())
    assert first.clip.frames.shape == first.canvas.frames.shape == (1, 128, 128, 3)
    assert first.clip.frames.std() > 5
    torch.manual_seed(123)  # nothing may come from the global stream, which upstream's image sampler draws from
    state = torch.random.get_rng_state()
    assert generator.animate(make_inputs()).clip.frame_digests == first.clip.frame_digests
    assert torch.equal(torch.random.get_rng_state(), state)
    assert generator.animate(make_inputs(seed=12)).clip.frame_digests != first.clip.frame_digests


@pytest.mark.parametrize("changed", [{"guidance": 2.2}, {"prompt": "a clown"}, {"guidance": 1.0}, {"steps": 3}])
def test_options_change_picture_and_revision(make_generator, make_inputs, changed):
    plain, other = make_generator(), make_generator(**changed)
    assert plain.revision != other.revision
    assert plain.animate(make_inputs()).clip.frame_digests != other.animate(make_inputs()).clip.frame_digests


@pytest.mark.parametrize("changed", [{"control": "cntrl1"}, {"style": "x2"}, {"precision": "bf16"}])
def test_other_networks_run(make_generator, make_inputs, changed):
    animation = make_generator(**changed).animate(make_inputs())
    assert animation.clip.frames.std() > 5


def test_in_x2_one_base_model_does_everything():
    from portraitbench.methods.hellomeme.dry_run import random_networks
    from portraitbench.methods.hellomeme.inputs import Control

    x1, x2 = (random_networks(style, Control.CNTRL2) for style in ("x1", "x2"))
    weight = "conv_in.weight"
    assert torch.equal(x2.helper.state_dict()[weight], x2.denoiser.state_dict()[weight])
    assert not torch.equal(x1.helper.state_dict()[weight], x1.denoiser.state_dict()[weight])
    assert torch.equal(x1.denoiser.state_dict()[weight], x2.denoiser.state_dict()[weight])


@pytest.mark.parametrize(
    ("targets", "layers", "parameters"), [("attention", 128, 1_594_368), ("transformer", 192, 3_391_488)]
)
def test_lora_targets_at_real_size(targets, layers, parameters):
    with torch.device("meta"):
        unet = UNet2DConditionModel(**REAL.unet())
    found = [module for name, module in unet.named_modules() if re.fullmatch(LORA_TARGETS[targets], name)]
    assert len(found) == layers
    assert {isinstance(module, nn.Linear | nn.Conv2d) for module in found} == {True}
    widths = [(module.weight.shape[0], module.weight.shape[1]) for module in found]
    assert sum(8 * (rows + columns) for rows, columns in widths) == parameters


def test_the_training_input_is_stable_diffusions(make_generator):
    from diffusers import DDPMScheduler

    path = make_generator().parameterization
    schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    clean, noise = normal("clean", 1, 4, 4, 4), normal("noise", 1, 4, 4, 4)
    for t in (0, 500, 999):
        t = torch.tensor([t])
        assert torch.allclose(path.add_noise(clean, noise, t), schedule.add_noise(clean, noise, t), atol=1e-6)
        assert torch.equal(path.target(clean, noise, t), noise)


def test_denoise_computes_the_half_with_conditions(make_generator, make_inputs):
    generator, case = make_generator(), make_inputs()
    conditions = generator.condition(case)
    noisy, t = normal("noisy", 1, 4, TINY.cells, TINY.cells), torch.tensor([400])
    with torch.no_grad():
        found = generator.denoise(noisy, t, conditions)
        both = generator._networks.image(
            noisy[None].expand(2, -1, -1, -1, -1),
            t,
            conditions.text,
            conditions.given([0], None, generator._networks.device),
        )
    assert torch.allclose(found, both[1], atol=1e-4)
    assert not torch.allclose(found, both[0], atol=1e-2)


def test_encoding_is_deterministic_and_decoding_differentiable(make_generator):
    generator = make_generator()
    frames = normal("frames", 2, 3, 128, 128).clamp(-1, 1)
    latents = generator.encode(frames)
    assert latents.shape == (2, 4, 16, 16)
    assert torch.equal(latents, generator.encode(frames))
    crop = latents[:1, :, 2:6, 3:8].requires_grad_(True)
    decoded = generator.decode(crop)
    assert decoded.shape == (1, 3, 32, 40)
    assert torch.autograd.grad(decoded.sum(), crop)[0].abs().sum() > 0


def test_frames_are_decoded_in_diffusers_tiles(make_generator):
    generator = make_generator()
    decoder = generator._networks.decoder
    latents, before = normal("latents", 1, 4, 16, 16), decoder.tile_latent_min_size
    whole, found = generator.decode(latents), generator.decode_tiled(latents, 8)
    assert not torch.allclose(found, whole, atol=1e-3)
    assert torch.equal(generator.decode(latents), whole)
    assert (decoder.use_tiling, decoder.tile_latent_min_size) == (False, before)
    decoder.tile_latent_min_size, decoder.tile_sample_min_size = 8, 64
    own = decoder.tiled_decode(latents / decoder.config.scaling_factor).sample
    assert torch.equal(found, own)


SLOWER = [{"checkpointing": True}, {"precision": "bf16"}]


def tuned(make_generator, generator, **options):
    options = {"steps": 2, "learning_rate": 1e-2} | options
    return TunedMethod(generator, StrucBooth(options, make_generator.context))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"decoding": "global"},
        {"decoding": "tiled"},
        *(pytest.param(more, marks=pytest.mark.slow) for more in SLOWER),
    ],
)
def test_strucbooth_tunes_an_image_and_leaves_no_trace(make_generator, make_inputs, more):
    generator = make_generator()
    method, before = tuned(make_generator, generator, **more), generator.probe()
    plain = generator.animate(make_inputs()).clip
    animation = method.animate(make_inputs())
    assert animation.detail["tuned_steps"] == 2
    assert (animation.detail["lora_steps"], animation.detail["sampling_steps"]) == (1, 2)
    assert animation.clip.frame_digests != plain.frame_digests
    assert generator.probe() == before
    assert generator.animate(make_inputs()).clip.frame_digests == plain.frame_digests


@pytest.mark.parametrize("frames", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_compiling_covers_the_modules_that_the_case_uses(make_generator, make_inputs, monkeypatch, frames):
    """What is compiled is what a tuning step calls; a clip has a UNet of its own."""
    generator, case = make_generator(steps=1), make_inputs(frames)
    networks, called = generator._networks, []
    unet = networks.image.unet if frames == 1 else networks.clip.unet

    def compiled(call):
        def counting(*args, **kwargs):
            called.append(call.__self__)
            return call(*args, **kwargs)

        return counting

    monkeypatch.setattr(torch, "compile", compiled)
    conditions = generator.condition(case)
    base = generator.sample(conditions, seed=case.seed)
    assert called == []
    tuner = StrucBooth({"steps": 2, "compile": True}, make_generator.context)
    with tuner.tune(generator, conditions, case, base=base):
        assert called == [unet, unet]
        assert unet._compiled_call_impl is not None
    for one in (networks.image.unet, networks.clip.unet):
        assert one._compiled_call_impl is None


def test_a_tuner_that_leaves_its_layers_is_noticed(make_generator):
    generator = make_generator()
    before = generator.probe()
    with injected_lora(generator.denoiser, generator.lora_targets, rank=2, seed=0) as lora:
        for parameter in lora.parameters:
            parameter.data.normal_(generator=torch.Generator().manual_seed(0))
        assert generator.probe() != before
    assert generator.probe() == before


def test_saved_adapters_load_in_plain_diffusers(make_generator, make_inputs, tmp_path):
    generator = make_generator()
    tuned(make_generator, generator, save=str(tmp_path)).animate(make_inputs())
    file = tmp_path / "one.safetensors"
    unet = UNet2DConditionModel(**TINY.unet())
    fill(unet, "unet.")
    noisy, text = normal("noisy", 1, 4, 16, 16), normal("words", 1, 7, TINY.text_width)
    with torch.no_grad():
        before = unet(noisy, 10, text).sample
        unet.load_lora_adapter(str(file), prefix="unet")
        loaded = [name for name, module in unet.named_modules() if name.endswith("lora_A")]
        assert len(loaded) == sum(
            bool(re.fullmatch(LORA_TARGETS["attention"], n)) for n, _ in generator.denoiser.named_modules()
        )
        assert not torch.equal(unet(noisy, 10, text).sample, before)


def test_missing_weights_are_one_line_that_says_what_to_fetch(tmp_path):
    context = MethodContext(lambda: None, device="cpu", cache=tmp_path)
    with pytest.raises(WeightsError, match=r"realisticVisionV60B1_v51VAE.*Gi?B.*https://.*weights=") as caught:
        _ = HelloMeme({"weights": str(tmp_path)}, context).revision
    assert "\n" not in str(caught.value)


def test_unknown_values_are_refused(make_generator):
    with pytest.raises(ConfigError, match="style"):
        make_generator(style="x3")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_decoder_without_an_answer_is_a_failed_case(make_generator, make_inputs, monkeypatch, bad):
    """As a pixel it would be black, which looks like a result."""
    generator = make_generator(steps=1)
    monkeypatch.setattr(generator, "decode", lambda latents, run=1: torch.full((1, 3, 128, 128), bad))
    with pytest.raises(DivergedError, match="not finite"):
        generator.animate(make_inputs())


def test_coefficients_keep_their_digits_in_16_bit(random_tiny, monkeypatch):
    """They are multiplied by 500 before their sines are taken: in 16 bit the phase would be off by nearly a radian."""
    from portraitbench.methods.hellomeme.dry_run import random_networks
    from portraitbench.methods.hellomeme.inputs import Control

    networks, seen = random_networks("x1", Control.CNTRL1), []
    networks.settle("cpu", torch.bfloat16)
    monkeypatch.setattr(
        networks.control, "coefficient_tokens", lambda coefficients, parts: seen.append((coefficients, parts))
    )
    found = hm_case.inputs(1)
    coefficients = torch.linspace(0, 1, 51)[None]
    given = replace(found, expression_faces=None, coefficients=coefficients, face_parts=torch.zeros(1, 3, 3, 224, 224))
    with torch.no_grad():
        networks._tokens(given, slice(0, 1), lambda code: code)
    ((own, parts),) = seen
    assert torch.equal(own, coefficients)
    assert own.dtype == torch.float32
    assert parts.dtype == torch.bfloat16
