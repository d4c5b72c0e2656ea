"""What tuning adds: gradients with activations computed again, and clips under StrucBooth."""

from __future__ import annotations

import gc

import hm_native as native
import pytest
import torch

from portraitbench.methods.hellomeme.adapted_unet import WiredUNet
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned_method import TunedMethod


def step(frames):
    """One forward and backward pass; gradients and the bytes kept for them."""
    plain = native.unet().requires_grad_(False)
    wired = native.wired_image(plain) if frames == 1 else native.wired_video(plain)
    for module in (wired.unet, wired.reference, wired.motion):
        module.requires_grad_(False)
    layer = plain.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q.weight.requires_grad_(True)
    latents, text, given = native.question(frames, pads=frames > 1)

    def run(*, recompute):
        (plain.enable_gradient_checkpointing if recompute else plain.disable_gradient_checkpointing)()
        kept = {}

        def pack(tensor):
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            noise = wired(latents, torch.tensor(native.TIME), text, given)
        weights = {value.untyped_storage().data_ptr() for value in wired.unet.state_dict().values()}
        size = sum(tensor.untyped_storage().nbytes() for own, tensor in kept.items() if own not in weights)
        return torch.autograd.grad(noise.square().sum(), layer)[0], size

    return run


@pytest.mark.parametrize("frames", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_recomputing_covers_adapters_and_motion_modules(frames, monkeypatch):
    run = step(frames)
    plain, kept = run(recompute=False)
    again, kept_again = run(recompute=True)
    assert torch.allclose(plain, again, rtol=1e-4, atol=1e-6 * float(plain.abs().max()))
    monkeypatch.setattr(WiredUNet, "_is_recomputing", lambda self: False)
    _, kept_by_stock = run(recompute=True)  # what diffusers' own switch leaves
    assert kept_again < 0.5 * kept
    assert kept_again < 0.8 * kept_by_stock


def test_recomputing_covers_the_decoder(make_generator):
    generator = make_generator()
    latents = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(0)).requires_grad_(True)

    def decode():
        kept = {}

        def pack(tensor):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            frame = generator.decode(latents)
        return torch.autograd.grad(frame.square().sum(), latents)[0], sum(kept.values())

    plain, size = decode()
    generator.denoiser.enable_gradient_checkpointing()
    try:
        again, smaller = decode()
    finally:
        generator.denoiser.disable_gradient_checkpointing()
    assert torch.allclose(plain, again, rtol=1e-4, atol=1e-6 * float(plain.abs().max()))
    assert smaller < 0.5 * size


def tune(make_generator, generator, case, **options):
    method = TunedMethod(generator, StrucBooth({"steps": 1, "learning_rate": 1e-2} | options, make_generator.context))
    return method.animate(case)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"checkpointing": True}, {"segment": 2}])
def test_a_clip_is_tuned_on_one_window_per_step(make_generator, make_inputs, more):
    generator, case = make_generator(), make_inputs(3)
    before, plain = generator.probe(), generator.animate(case).clip
    animation = tune(make_generator, generator, case, **more)
    assert animation.clip.frames.shape == (3, 128, 128, 3)
    assert animation.clip.frame_digests != plain.frame_digests
    # Margins, then frames: the window of steps holds in each loop.
    assert (animation.detail["lora_steps"], animation.detail["sampling_steps"]) == (2, 4)
    assert generator.probe() == before
    assert generator.animate(case).clip.frame_digests == plain.frame_digests


@pytest.mark.slow
def test_adapters_on_keyframes_and_old_pads_are_options(make_generator, make_inputs):
    case = make_inputs(3)
    kinds = [{}, {"lora_keyframes": False}, {"fresh_pads": False}]
    made = [tune(make_generator, make_generator(**options), case) for options in kinds]
    both, without, old = (animation.clip.frame_digests for animation in made)
    assert both != without
    assert without == old  # the margins of one window are made by the helper alone: untuned, they are the first ones
    assert made[2].detail["sampling_steps"] == 2  # no margins are made again


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"fresh_pads": False}, {"fresh_pads": False, "video_scheduler": "dpm-sde"}, {}])
def test_a_tuning_that_is_reused_gives_the_same_pictures(make_generator, make_inputs, options):
    """Also where the windows read the first sampling's keyframes, which a reused tuning has no need to sample."""
    case, made = make_inputs(3), []
    for _ in range(2):
        made.append(tune(make_generator, make_generator(steps=1, **options), case, reuse=True))
    first, second = made
    assert [animation.detail["tuning_reused"] for animation in made] == [0, 1]
    assert first.clip.frame_digests == second.clip.frame_digests
    assert first.detail["sampling_steps"] == second.detail["sampling_steps"]
    assert first.state == second.state == {}  # what resuming needs is the first sampling's, not the tuned one's


@pytest.mark.slow
def test_only_frames_that_are_made_are_tuned(make_generator, make_inputs):
    generator, case = make_generator(fps=8), make_inputs(5)  # 25 frames a second: rows 0, 0, 0, 0, 1
    conditions = generator.condition(case)
    assert list(generator.made_frames(conditions)) == [0, 4]
    with pytest.raises(RuntimeError, match="sampled"):
        generator.select(conditions, [0])
    generator.sample(conditions, seed=1)
    one, both = (generator.select(conditions, frames).given for frames in ([4], [0, 4]))
    assert torch.equal(one.control.up[0], both.control.up[0][:, 1:])
    assert torch.equal(one.pads.up[0][:, 0], both.pads.up[0][:, 1])
    animation = tune(make_generator, generator, case)
    digests = animation.clip.frame_digests
    assert (digests[0] == digests[3], digests[3] == digests[4]) == (True, False)
    assert animation.canvas.frame_digests[0] == animation.canvas.frame_digests[3]


def test_an_image_generator_forgets_nothing_between_cases(make_generator, make_inputs):
    """Conditions of one case do not leak into the next."""
    generator = make_generator(steps=1)
    alone = generator.animate(make_inputs(seed=5)).clip.frame_digests
    tune(make_generator, generator, make_inputs(seed=6))
    assert generator.animate(make_inputs(seed=5)).clip.frame_digests == alone


@pytest.mark.slow
def test_fifty_cases_leave_no_memory_and_no_change(make_generator, make_inputs):
    generator, few = make_generator(steps=1), [make_inputs(seed=seed) for seed in range(2)]

    def tensors():
        gc.collect()
        return sum(issubclass(type(one), torch.Tensor | torch.nn.Module) for one in gc.get_objects())

    before = generator.probe()
    for case in few:  # the observer remembers these pictures
        tune(make_generator, generator, case)
    held = tensors()
    for index in range(50):
        tune(make_generator, generator, few[index % 2])
        assert generator.probe() == before
    assert tensors() == held
