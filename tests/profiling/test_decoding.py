"""Profiling of decoding: memory against sums by hand, arms against each other, halos against a decoder's reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKL

from portraitbench.core.errors import ConfigError
from portraitbench.methods.strucbooth.gradients import GradientTarget, gradient_loss
from portraitbench.methods.strucbooth.patches import Patch, PatchDecoder, window
from portraitbench.methods.strucbooth.regions import REGIONS, Cells
from portraitbench.methods.tiling import tile_side, tiled
from portraitbench.profiling.decoders import Subject, make_subject
from portraitbench.profiling.decoding import EPS, arms, as_data, at_precision, measure_arms, measure_halos
from portraitbench.profiling.faces import face_patches
from portraitbench.profiling.peak_memory import measured_peak

CPU = torch.device("cpu")
CELLS = [Cells(1, 1, 5, 4), Cells(7, 1, 11, 4), Cells(3, 3, 9, 6), Cells(2, 8, 10, 12)]


def nothing(done, total):
    pass


@pytest.fixture(scope="module")
def subject():
    """A decoder of three convolutions, which look two cells far and not further, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [torch.nn.Conv2d(4, 16, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(16, 12, 3, padding=1)]
        decode = torch.nn.Sequential(*layers, torch.nn.PixelShuffle(2), torch.nn.Tanh()).requires_grad_(False)
        latents = torch.randn(1, 4, 14, 14)
        patches = []
        for index, cells in enumerate(CELLS):
            pixels = torch.rand(1, 3, 2 * (cells.bottom - cells.top), 2 * (cells.right - cells.left)) * 2 - 1
            patches.append(Patch(f"r{index}", cells, GradientTarget.of_patch(pixels, flat=0.0, by_norm=False)))
    return Subject(decode, 2, latents, patches, "test", 0)


def test_peak_counts_what_is_alive_at_one_time():
    outside = torch.zeros(1000)
    with measured_peak(CPU) as peak:
        first = torch.zeros(100)  # 400 bytes
        second = first + 1  # 800 alive
        del first
        third = second.view(10, 10)  # a view
        fourth = torch.cat([second, second])  # 400 + 800 alive: the peak
        del fourth
        outside.view(10, 100)[0] += 1  # was there before
        del third, second
        torch.zeros(200)
    assert peak.bytes == 1200


def test_peak_sees_what_autograd_keeps():
    x = torch.ones(1000, requires_grad=True)
    with measured_peak(CPU) as peak:
        y = x
        for _ in range(5):
            y = y.exp()  # autograd keeps each result of 4000 bytes
    assert peak.bytes == 5 * 4000
    with measured_peak(CPU) as peak, torch.no_grad():
        y = x.detach()
        for _ in range(5):
            y = y.exp()
    assert peak.bytes == 2 * 4000


def test_patches_take_the_least_memory_and_global_decoding_the_most(subject):
    told = []
    costs = measure_arms(
        arms(at_precision(subject, "fp32"), [0]), 2, CPU, lambda done, total: told.append((done, total))
    )
    peaks = {cost.arm: cost.peak_bytes for cost in costs}
    assert 0 < peaks["patch"] < peaks["naive patch"] < peaks["global"]
    # What autograd keeps of the hidden layer alone: its output for the SiLU, and the SiLU's for the next convolution.
    assert peaks["global"] >= 2 * 16 * 14 * 14 * 4
    assert [len(cost.seconds) for cost in costs] == [2, 2, 2]
    assert all(min(cost.seconds) <= cost.median_seconds <= max(cost.seconds) for cost in costs)
    assert all(cost.processor_seconds > 0 for cost in costs)
    assert told == [(done, 9) for done in range(1, 10)]


@pytest.mark.parametrize("halo", [0, 2])
def test_all_arms_give_one_gradient_where_a_halo_covers_the_decoders_reach(subject, halo):
    found = {name: arm() for name, arm in arms(subject, [halo]).items()}
    torch.testing.assert_close(found["patch" + ("+halo=2" if halo else "")], found["naive patch"], rtol=1e-4, atol=1e-7)
    same = torch.allclose(found["naive patch"], found["global"], rtol=1e-4, atol=1e-7)
    assert same is (halo == 2)


def test_difference_against_halo(subject):
    halos = measure_halos(subject, [0, 1, 2], nothing)
    assert halos[0].gray_levels > halos[1].gray_levels > 0.01
    assert halos[2].gray_levels == pytest.approx(0, abs=1e-4)
    assert halos[0].extra_distance > halos[1].extra_distance > 1e-4
    assert halos[2].extra_distance == pytest.approx(0, abs=1e-5)
    for row in halos:
        decoder = PatchDecoder(subject.decode, 2, row.halo)
        whole = decoder.decode(subject.latents)
        pairs = [(decoder.alone(subject.latents, cells), window(whole, cells, decoder.stride)) for cells in CELLS]
        each = [float((alone - within).abs().mean()) * 127.5 for alone, within in pairs]
        assert row.gray_levels == pytest.approx(sum(each) / 4, rel=1e-4, abs=1e-4)
    area = 3 * 4 + 3 * 4 + 3 * 6 + 4 * 8
    assert halos[0].decoded == pytest.approx(area / 196)
    assert halos[1].decoded == pytest.approx((5 * 6 + 5 * 6 + 5 * 8 + 6 * 10) / 196)


def test_overlapping_patches_cover_a_cell_once(subject):
    inside = {
        (row, column)
        for c in CELLS
        for row in range(c.top, c.bottom)
        for column in range(c.left, c.right)
    }  # fmt: skip
    assert subject.covered == pytest.approx(len(inside) / 196)
    assert subject.covered < sum((c.bottom - c.top) * (c.right - c.left) for c in CELLS) / 196


def test_the_embedded_decoder_on_a_real_render():
    subject = make_subject("pocket", 128, CPU, 0)
    assert subject.latents.shape == (1, 8, 32, 32)
    assert [patch.region for patch in subject.patches] == list(REGIONS)
    middle = {patch.region: patch.cells for patch in subject.patches}
    # The face is upright: brows above eyes above the mouth; the person's right eye is on the picture's left.
    assert middle["right_brow"].top < middle["right_eye"].top < middle["mouth"].top
    assert middle["right_eye"].left < middle["nose"].left < middle["left_eye"].right
    frame = subject.decode(subject.latents)
    assert frame.shape == (1, 3, 128, 128)
    data = as_data([], measure_halos(subject, [0, 6], nothing), subject)
    assert data["halos"][0]["gray_levels"] > 1 > 0.05 > data["halos"][1]["gray_levels"]
    assert 0.1 < data["frame_covered"] < 0.6


def test_patches_follow_the_size():
    small, large = (face_patches(size, 4, CPU) for size in (128, 512))
    for one, other in zip(small, large, strict=True):
        for edge in ("left", "top", "right", "bottom"):
            assert getattr(other.cells, edge) == pytest.approx(4 * getattr(one.cells, edge), abs=4)
        rows, columns = other.cells.bottom - other.cells.top, other.cells.right - other.cells.left
        assert other.guide.gradients.shape == (1, 2, 4 * rows - 2, 4 * columns - 2)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="--size 130: must be a multiple of 4"):
        make_subject("pocket", 130, CPU, 0)


def test_lower_precision_decodes_to_full_precision(subject):
    exact, rough = (at_precision(subject, name).decode(subject.latents) for name in ("fp32", "bf16"))
    assert rough.dtype == torch.float32
    assert 1e-5 < float((exact - rough).abs().max()) < 0.1


@pytest.mark.slow
def test_a_decoder_of_stable_diffusions_size():
    before = torch.random.get_rng_state()
    subject = make_subject("sd15", 64, CPU, 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    # The published decoder has 49.49 million parameters.
    assert subject.parameters == pytest.approx(49.49e6, rel=1e-3)
    assert subject.weights == "random weights, seed 3"
    assert subject.decode(subject.latents).shape == (1, 3, 64, 64)
    torch.testing.assert_close(make_subject("sd15", 64, CPU, 3).latents, subject.latents)


@pytest.fixture
def codec():
    """An autoencoder of diffusers, small, whose decoder reaches further than a tile's overlap."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(32, 32),
            latent_channels=4,
            sample_size=64,
        )
        return model.eval().requires_grad_(False), torch.randn(1, 4, 24, 24)


def test_tiles_are_diffusers_own_and_leave_no_trace(codec):
    model, latents = codec
    whole = model.decode(latents).sample
    assert tile_side(latents) == 12
    with tiled(model, tile_side(latents), 2):
        found = model.decode(latents).sample
    assert (model.use_tiling, model.tile_latent_min_size, model.tile_sample_min_size) == (False, 32, 64)
    torch.testing.assert_close(model.decode(latents).sample, whole, rtol=0, atol=0)
    assert float((found - whole).abs().max()) > 1e-3
    model.tile_latent_min_size, model.tile_sample_min_size = 12, 24
    torch.testing.assert_close(found, model.tiled_decode(latents).sample, rtol=0, atol=0)


def test_tiling_ends_with_an_exception_too(codec):
    model, latents = codec
    with pytest.raises(RuntimeError), tiled(model, 12, 2):
        model.decode(latents[:, :3])
    assert (model.use_tiling, model.tile_latent_min_size, model.tile_sample_min_size) == (False, 32, 64)


def test_tiles_are_an_arm_where_the_decoder_has_them(subject, codec):
    model, latents = codec

    def whole(given):
        return model.decode(given).sample

    def in_tiles(given):
        with tiled(model, 12, 2):
            return whole(given)

    own = replace(subject, decode=whole, decode_tiled=in_tiles, tile=12, latents=latents)
    found = {name: arm() for name, arm in arms(own, [0, 1]).items()}
    assert list(found) == ["patch", "patch+halo=1", "global", "tiled", "naive patch"]
    leaf = latents.clone().requires_grad_(True)
    frame = in_tiles(leaf)
    losses = [gradient_loss(window(frame, patch.cells, 2), patch.guide, EPS) for patch in own.patches]
    torch.testing.assert_close(found["tiled"], torch.autograd.grad(torch.stack(losses).mean(), leaf)[0])
    assert not torch.allclose(found["tiled"], found["global"], rtol=1e-3, atol=1e-7)
    assert "tiled" not in arms(subject, [0])
