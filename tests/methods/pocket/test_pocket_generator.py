"""The embedded generator on renders that are shipped; see contracts/ for what every generator must hold to."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitbench.core.errors import DivergedError, NoFaceError
from portraitbench.datasets.clip import Clip
from portraitbench.faces.alignment import apply, umeyama
from portraitbench.faces.backends.pocket import PocketBackend
from portraitbench.methods.base import DiffusionGenerator, Inputs, MethodContext
from portraitbench.methods.lora import injected_lora
from portraitbench.methods.pocket.generator import Pocket


def make(**options):
    return Pocket(options, MethodContext(lambda: None, device="cpu", cache=Path()))


@pytest.fixture(scope="module")
def pocket():
    return make(steps=4)


@pytest.fixture(scope="module")
def faces(shipped):
    return shipped[0]


def inputs(identity, driving, seed=3):
    return Inputs("case", Clip(identity[None]), Clip(driving, Fraction(12)), seed)


def test_it_opens_what_a_tuner_needs(pocket):
    assert isinstance(pocket, DiffusionGenerator)
    assert pocket.tuner_defaults["strucbooth"]["steps"] > 0


def test_frames_of_a_clip_share_their_noise(pocket, faces):
    """Two equal driving frames give the same picture, and the clip's picture is that of the frame alone."""
    twice = pocket.animate(inputs(faces[0], np.stack([faces[3], faces[3]]))).clip.frames
    alone = pocket.animate(inputs(faces[0], faces[3:4])).clip.frames
    assert np.array_equal(twice[0], twice[1])
    assert np.abs(twice[0].astype(int) - alone[0]).max() <= 1


def test_a_frame_that_is_not_finite_is_an_error_and_never_black(faces, monkeypatch):
    pocket = make(steps=1)

    def decode(latents, run=1):
        frames = torch.zeros(len(latents), 3, 128, 128)
        frames[1, 0, 5, 5] = float("nan")
        return frames

    monkeypatch.setattr(pocket, "decode", decode)
    with pytest.raises(DivergedError, match="frame 1 of 2 has values that are not finite"):
        pocket.animate(inputs(faces[0], faces[2:4]))


def test_select_takes_the_frames_own_conditions(pocket, faces):
    whole = pocket.condition(inputs(faces[0], faces[2:6]))
    part = pocket.select(whole, [1, 2])
    alone = pocket.condition(inputs(faces[0], faces[3:5]))
    assert torch.allclose(part.given.identity, alone.given.identity, atol=1e-3)
    assert torch.allclose(part.given.driving, alone.given.driving, atol=1e-3)


def test_the_driving_code_is_attenuated_and_the_pose_is_not(faces):
    full, half = (make(attenuation=share).condition(inputs(faces[0], faces[3:4])).given.driving for share in (1.0, 0.5))
    assert torch.allclose(half[:, :5], 0.5 * full[:, :5])
    assert torch.equal(half[:, 5:], full[:, 5:])


def test_driven_by_itself_the_identity_stays_put(faces):
    """With the whole code, an image that drives itself is hardly warped."""
    conditions = make(attenuation=1.0).condition(inputs(faces[0], faces[:1]))
    back = make().decode(conditions.given.identity).clamp(-1, 1)[0].permute(1, 2, 0).numpy() * 127.5 + 127.5
    error = np.square(back - faces[0]).mean()
    assert 10 * np.log10(255**2 / error) > 24


def test_denoising_in_the_tuners_terms_is_the_networks_own(pocket, faces):
    """x0 that the parameterization gets from the prediction decodes to the person at a low noise level."""
    conditions = pocket.condition(inputs(faces[0], faces[1:2]))
    frames = torch.tensor(faces[1:2].copy()).permute(0, 3, 1, 2) / 127.5 - 1
    clean, path = pocket.encode(frames), pocket.parameterization
    t = path.times(torch.tensor([0.05]))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        noisy = path.add_noise(clean, noise, t)
        x0 = path.x0(noisy, pocket.denoise(noisy, t, conditions), t)
    assert float((x0 - clean).square().mean()) < 0.5 * float((noisy - clean).square().mean())


def test_lora_reaches_the_unet_alone_and_leaves_no_trace(pocket, faces):
    before = pocket.probe()
    with injected_lora(pocket.denoiser, pocket.lora_targets, rank=8, seed=0) as lora:
        names = {name.partition(".")[0] for name in lora.state()}
        assert names == {"down_blocks", "mid_block", "up_blocks"}
        with torch.no_grad():
            for parameter in lora.parameters:
                parameter.add_(0.05)
        assert pocket.probe() != before
    assert pocket.probe() == before


def test_pictures_without_a_portrait_are_a_typed_row(pocket, faces):
    flat = np.full_like(faces[0], 128)
    with pytest.raises(NoFaceError, match="identity"):
        pocket.animate(inputs(flat, faces[:1]))
    with pytest.raises(NoFaceError, match="driving"):
        pocket.animate(inputs(faces[0], flat[None]))
    held = pocket.animate(inputs(faces[0], np.stack([flat, faces[3], flat])))
    assert held.detail["held_frames"] == 2
    assert np.array_equal(held.clip.frames[0], held.clip.frames[1])
    assert np.array_equal(held.clip.frames[2], held.clip.frames[1])


def test_a_larger_canvas_is_read_at_128_pixels(pocket, faces):
    large = np.repeat(np.repeat(faces[[0, 3]], 2, axis=1), 2, axis=2)
    ours = pocket.animate(inputs(large[0], large[1:])).clip
    assert (ours.height, ours.width) == (128, 128)


@pytest.mark.slow
def test_the_shipped_weights_follow_the_pose_and_keep_the_person(faces):
    """Its landmarks lie nearer the ideal place than the identity image's, and the person is recognised."""
    backend = PocketBackend({})
    pocket = make()

    def read(frame):
        found = backend.detect([frame])
        return backend.landmarks([frame], [found[0][0]])[0], backend.embed([frame], [found[0][0]])[0]

    for own, other in ((0, 3), (2, 5)):
        out = pocket.animate(inputs(faces[own], faces[other : other + 1])).clip.frames[0]
        (mine, who), (start, _), (goal, driver) = read(out), read(faces[own]), read(faces[other])
        distance = [np.linalg.norm(apply(umeyama(a, goal), a) - goal, axis=1).mean() for a in (mine, start)]
        assert distance[0] < distance[1]
        cosine = [who @ b / np.linalg.norm(who) / np.linalg.norm(b) for b in (read(faces[own])[1], driver)]
        assert cosine[0] > cosine[1]
