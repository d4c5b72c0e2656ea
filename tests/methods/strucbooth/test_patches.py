"""Patch-wise decoding: exact gradients, little memory, and how far a patch is from the whole frame."""

from __future__ import annotations

import diffusers
import pytest
import torch

from portraitbench.methods.strucbooth.gradients import GradientTarget, gradient_loss
from portraitbench.methods.strucbooth.losses import PixelTerm, identity_loss, ldm_loss, pull_back
from portraitbench.methods.strucbooth.patches import Patch, PatchDecoder, Site, window
from portraitbench.methods.strucbooth.regions import Cells

BOXES = {"mouth": Cells(2, 5, 7, 8), "right_eye": Cells(0, 0, 4, 3), "left_eye": Cells(4, 1, 8, 4)}


@pytest.fixture(scope="module")
def vae():
    """A decoder with group norms and attention in the middle, as Stable Diffusion's, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(4, 8),
            latent_channels=4,
            norm_num_groups=2,
        ).double()


@pytest.fixture(scope="module")
def convolutions():
    """A decoder of two convolutions: no cell looks further than two cells."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = torch.nn.Conv2d(4, 6, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(6, 12, 3, padding=1)
        return torch.nn.Sequential(*parts, torch.nn.PixelShuffle(2)).double()


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def patches():
    def guide(cells):
        shape = (1, 3, 2 * (cells.bottom - cells.top), 2 * (cells.right - cells.left))
        return GradientTarget.of_patch(randn(*shape, seed=cells.left).clamp(-1, 1), flat=0.0, by_norm=False)

    return [Patch(name, cells, guide(cells)) for name, cells in BOXES.items()]


def sites(rows, weight=1.0):
    """All patches of some frames, weights so that the losses' mean has ``weight``."""
    return [Site(row, patch, weight / rows / len(BOXES)) for row in range(rows) for patch in patches()]


def patch_difference(decoder, latents, cells):
    """Mean gray levels between a patch decoded alone and the same window of the whole frame."""
    with torch.no_grad():
        within = window(decoder.decode(latents), cells, decoder.stride)
        return float((decoder.alone(latents, cells) - within).abs().mean()) * 127.5


def decode_with(vae):
    return lambda latents: vae.decode(latents).sample


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("halo", [0, 2])
def test_leaf_copies_give_the_gradient_of_plain_autograd(vae, whole, halo):
    denoiser = torch.nn.Conv2d(4, 4, 3, padding=1).double()
    noisy, target = randn(2, 4, 8, 8), randn(2, 4, 8, 8, seed=1)
    decoder = PatchDecoder(decode_with(vae), 2, halo, whole)
    reference = randn(1, 5, seed=2)
    head = torch.nn.Linear(3, 5).double()

    def identity(x0):
        return identity_loss(head(decoder.decode(x0[1:]).mean((2, 3))), reference)

    terms = decoder.terms(sites(2, 0.3), 0.1)
    terms.append(PixelTerm("identity", 0.7, identity))

    x0 = noisy - denoiser(noisy)
    values, gradient = pull_back(x0, terms)
    inputs = list(denoiser.parameters())
    torch.autograd.backward([2 * ldm_loss(x0, target), x0], [None, gradient], inputs=inputs)
    found = [parameter.grad.clone() for parameter in inputs]
    assert all(parameter.grad is None for parameter in [*vae.parameters(), *head.parameters()])

    # The same by one backward pass, with the losses written out anew.
    x0 = noisy - denoiser(noisy)
    losses = []
    for row in range(2):
        latents = x0[row : row + 1]
        for patch in patches():
            if whole:
                image = window(decode_with(vae)(latents), patch.cells, 2)
            else:
                c = patch.cells
                top, left, bottom, right = (
                    max(0, c.top - halo),
                    max(0, c.left - halo),
                    c.bottom + halo,
                    c.right + halo,
                )
                image = vae.decode(latents[:, :, top:bottom, left:right]).sample
                y, x = 2 * (c.top - top), 2 * (c.left - left)
                image = image[:, :, y : y + 2 * (c.bottom - c.top), x : x + 2 * (c.right - c.left)]
            losses.append(gradient_loss(image, patch.guide, 0.1))
    total = 2 * ldm_loss(x0, target) + 0.3 * torch.stack(losses).mean() + 0.7 * identity(x0)
    plain = torch.autograd.grad(total, inputs)
    for own, expected in zip(found, plain, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-6, atol=1e-6)
    assert float(values["gradient"]) == pytest.approx(0.3 * float(torch.stack(losses).detach().mean()), rel=1e-5)
    assert float(values["identity"]) == pytest.approx(0.7 * float(identity(x0).detach()), rel=1e-5)


def test_decoder_activations_never_add_up(vae):
    alive, most = 0, 0

    def decode(latents):
        nonlocal alive, most
        graph = vae.decode(latents).sample
        alive += 1
        most = max(most, alive)

        def freed(gradient):
            nonlocal alive
            alive -= 1
            return gradient

        graph.register_hook(freed)
        return graph

    pull_back(randn(1, 4, 8, 8), PatchDecoder(decode, 2).terms(sites(1), 0.1))
    assert (most, alive) == (1, 0)


def test_what_a_patch_asks_for_stays_inside_it_without_a_halo(vae):
    term = PatchDecoder(decode_with(vae), 2).terms(sites(1)[:1], 0.1)
    _, gradient = pull_back(randn(1, 4, 8, 8), term)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[5:8, 2:7] = True
    reached = gradient[0].abs().sum(0) > 0
    assert torch.equal(reached, inside)


def test_a_halo_as_wide_as_the_decoder_looks_makes_a_patch_exact(convolutions):
    latents = randn(1, 4, 12, 12, seed=3)
    differences = [
        patch_difference(PatchDecoder(convolutions, 2, halo), latents, Cells(3, 4, 8, 9)) for halo in range(4)
    ]
    assert differences[0] > differences[1] > 1e-3
    assert differences[2:] == pytest.approx([0, 0], abs=1e-10)
    for halo in (0, 2):
        alone = PatchDecoder(convolutions, 2, halo).alone(latents, Cells(3, 4, 8, 9))
        assert alone.shape == (1, 3, 10, 10)


def test_group_norm_makes_patches_differ_whatever_the_halo(vae):
    latents = randn(1, 4, 12, 12, seed=3)
    for halo in (0, 2, 3):
        assert patch_difference(PatchDecoder(decode_with(vae), 2, halo), latents, Cells(3, 4, 8, 9)) > 1e-3


def test_the_denoising_and_the_identity_loss_have_numerical_gradients():
    a, b = randn(2, 3), randn(2, 3, seed=1)
    for loss in (ldm_loss, identity_loss):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, b), a.clone().requires_grad_())


def test_the_denoising_and_the_identity_loss_in_closed_form():
    a, b = randn(2, 3, 4), randn(2, 3, 4, seed=1)
    assert float(ldm_loss(a, b)) == pytest.approx(float(((a - b) ** 2).mean()), rel=1e-5)
    u, v = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [0.0, 2.0]])
    assert float(identity_loss(u, v)) == pytest.approx(1 - (24 / 25 + 0) / 2)


@pytest.mark.parametrize("halo", [0, 2])
def test_patches_of_one_shape_decoded_together_give_the_same_in_fewer_calls(vae, halo):
    calls = []

    def decode(latents):
        calls.append(len(latents))
        return vae.decode(latents).sample

    latents = randn(3, 4, 8, 8)
    own = sites(3)
    values, gradient = pull_back(latents, PatchDecoder(decode, 2, halo).terms(own, 0.1))
    assert calls == [1] * 9
    calls.clear()
    together, same = pull_back(latents, PatchDecoder(decode, 2, halo, batch=4).terms(own, 0.1))
    assert len(calls) < 9
    assert sum(calls) == 9
    assert max(calls) <= 4
    torch.testing.assert_close(same, gradient, rtol=1e-6, atol=1e-9)
    assert float(together["gradient"]) == pytest.approx(float(values["gradient"]), rel=1e-6)


class Mixing:
    """A decoder whose every frame takes in the two beside it, within its run; a quarter of each."""

    def __init__(self):
        self.runs = []

    def __call__(self, latents, run=1):
        self.runs.append((len(latents), run))
        clips = latents.unflatten(0, (-1, run))
        padded = torch.nn.functional.pad(clips, (0, 0, 0, 0, 0, 0, 1, 1))
        mixed = clips / 2 + padded[:, :-2] / 4 + padded[:, 2:] / 4
        return mixed.flatten(0, 1)[:, :3].repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_a_patch_with_its_neighbours_is_that_of_the_whole_clip():
    latents, cells = randn(6, 4, 8, 8), BOXES["mouth"]
    whole = window(Mixing()(latents, 6), cells, 2)
    for row in range(6):
        found = PatchDecoder(Mixing(), 2, neighbours=1).alone(latents, cells, row)
        # At the ends the run lies inside, and its own border is no frame's neighbour.
        torch.testing.assert_close(found, whole[row : row + 1])
        without = PatchDecoder(Mixing(), 2).alone(latents, cells, row)
        assert float((without - whole[row]).abs().max()) > 0.1


@pytest.mark.parametrize("whole", [False, True])
def test_runs_decoded_together_know_nothing_of_each_other(whole):
    latents, own = randn(6, 4, 8, 8), [*sites(1), *[Site(4, patch, 0.1) for patch in patches()]]
    one, many = Mixing(), Mixing()
    _, gradient = pull_back(latents, PatchDecoder(one, 2, whole=whole, neighbours=1).terms(own, 0.1))
    _, same = pull_back(latents, PatchDecoder(many, 2, whole=whole, neighbours=1, batch=9).terms(own, 0.1))
    torch.testing.assert_close(same, gradient)
    assert {run for _, run in one.runs + many.runs} == {3}
    assert len(many.runs) <= len(one.runs)


def test_a_clip_shorter_than_the_neighbours_is_decoded_as_it_is():
    decode = Mixing()
    PatchDecoder(decode, 2, neighbours=4).alone(randn(2, 4, 8, 8), BOXES["mouth"], 1)
    PatchDecoder(decode, 2, neighbours=4).alone(randn(1, 4, 8, 8), BOXES["mouth"])
    assert decode.runs == [(2, 2), (1, 1)]
