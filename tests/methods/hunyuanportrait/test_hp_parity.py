"""Ours against upstream's own code, with equal random weights; skipped without a checkout of it (HP_UPSTREAM).

With HP_UPSTREAM set a missing package is an error, not a skip.
"""

from __future__ import annotations

import os
import sys

import hp_native as native
import numpy as np
import pytest
import torch
from yoloface_crafted import Crafted, lit

from portraitbench.faces.backends.yoloface import YoloFace
from portraitbench.methods.hunyuanportrait.conditions import PADS, Selection, padded
from portraitbench.methods.hunyuanportrait.crops import crop_expression, crop_portrait, paste_back, portrait_box
from portraitbench.methods.hunyuanportrait.intensity import intensity
from portraitbench.methods.hunyuanportrait.networks import SCALE
from portraitbench.methods.hunyuanportrait.preprocessing import identity_crop
from portraitbench.methods.hunyuanportrait.schedule import VideoNoise

if not os.environ.get("HP_UPSTREAM"):
    pytest.skip("needs HP_UPSTREAM, a checkout of HunyuanPortrait", allow_module_level=True)

import hp_upstream

hp_upstream.prepare()


def close(found, expected, tolerance):
    """Largest difference, as a share of the largest number; prints it."""
    off = float((found - expected).abs().max() / expected.abs().max())
    sys.stderr.write(f" [{off:.1e}]")
    assert off <= tolerance


@pytest.fixture(scope="module")
def pair():
    """Ours and upstream's networks, with the same weights; loading is strict."""
    theirs = {"denoiser": hp_upstream.unet(), "appearance": hp_upstream.appearance(), **hp_upstream.others()}
    ours = native.networks()
    for row, (name, module) in enumerate(theirs.items()):
        native.fill(module, 100 + row)
        source = module.linear if name == "projection" else module
        if name in ("refiner", "appearance"):  # ours are smaller in SMALL by default: as large as upstream's
            continue
        getattr(ours, name).load_state_dict(source.state_dict())
    ours.appearance.load_state_dict(theirs["appearance"].state_dict())
    ours.refiner.load_state_dict(theirs["refiner"].state_dict())
    return ours, theirs | {"codec": ours.codec}


def test_no_two_parts_share_weights(pair):
    """Parts of different files have different numbers, so that one taken for another is seen."""
    ours, theirs = pair
    for parts in (ours.modules(), theirs):
        seen = {}
        for name, module in parts.items():
            for tensor in module.state_dict().values():
                if tensor.is_floating_point() and tensor.ndim > 1:
                    assert seen.setdefault(float(tensor.double().sum()), name) == name
        assert set(seen.values()) >= set(theirs) - {"identity"}


@pytest.mark.parametrize("steps", [1, 2, 4, 25, 50])
def test_levels_and_times(steps):
    theirs, path = hp_upstream.scheduler(), VideoNoise()
    theirs.set_timesteps(steps)
    own = path.sampling_times(steps)
    close(own, theirs.sigmas.float(), 1e-6)
    close(path.model_time(own[:-1]), theirs.timesteps.float(), 1e-6)


@pytest.mark.parametrize("step", [0, 10, 17, 22, 24])
@pytest.mark.parametrize("size", [(8, 8), (16, 8)])
def test_clean_latents_from_a_prediction(pair, step, size):
    ours, theirs = pair
    scheduler = hp_upstream.scheduler()
    scheduler.set_timesteps(25)
    sigma, time = scheduler.sigmas[step], scheduler.timesteps[step]
    clean, noise, image = native.draw(0, 5, 4, *size), native.draw(1, 5, 4, *size), native.draw(2, 1, 4, *size)
    appearance, motion = native.draw(3, 1, 7, native.SMALL.width), native.draw(4, 5, 6, native.SMALL.width)
    noisy = clean + sigma * noise
    with torch.no_grad():
        scheduler._step_index = None
        scaled = scheduler.scale_model_input(noisy[None], time)
        sample = torch.cat([scaled, image[:, None].expand(-1, 5, -1, -1, -1)], dim=2)
        pose = theirs["pose"](torch.zeros(1, 3, 1, 8 * size[0], 8 * size[1])).transpose(1, 2)
        v = hp_upstream.call_unet(theirs["denoiser"], sample, time, appearance, motion[None], pose)
        expected = scheduler.step(v, time, noisy[None]).pred_original_sample[0]
        own = native.generator(ours)
        t = sigma.reshape(1).float()
        found = own.denoise(noisy.float(), t, Selection(appearance, motion, image))
    close(found, v[0], 1e-5)
    close(own.parameterization.x0(noisy.float(), found, t), expected, 1e-5)


def test_encoders(pair):
    ours, theirs = pair
    pictures = torch.rand((3, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = theirs["expression"](pictures)
        pose = theirs["head_pose"](pictures.flip(0) * 2 + 1)
        refined = theirs["refiner"](features, torch.IntTensor([7]), torch.IntTensor([101]))
        still = torch.cat([pose["rotation"], pose["translation"] * 0], dim=-1)[:, None].repeat(1, 64, 1)
        close(ours.motion_tokens(pictures, pictures.flip(0), 7, 101), torch.cat([refined, still], -1), 1e-5)
        black = torch.zeros(1, 3, 1, 64, 96)
        close(ours._pose_map(8, 12), theirs["pose"](black)[0, :, 0], 1e-5)


def case(frames, size):
    height, width = size
    identity = torch.nn.functional.normalize(native.draw(6, 1, 512))
    return {
        "picture": native.draw(5, 1, 3, 8 * height, 8 * width).clamp(-1, 1),
        "appearance_picture": native.draw(7, 1, 3, 224, 224),
        "identity": identity,
        "motion": native.draw(8, 1, frames, 64, native.SMALL.width),
        "noise": torch.randn((frames, 4, height, width), generator=torch.Generator().manual_seed(9)),
    }


def whole(pair, frames, guidance, steps, size=(8, 8)):
    ours, theirs = pair
    given = case(frames, size)
    latents, decoded = hp_upstream.sample(theirs, **given, guidance=guidance, steps=steps)
    own = native.generator(ours, steps=steps, appearance_guidance=guidance[0], motion_guidance=guidance[1])
    with torch.no_grad():
        tokens = ours.appearance_tokens(given["appearance_picture"], given["identity"])
        image = ours.encode(given["picture"])
        found = own._sample(Selection(tokens, given["motion"][0], image), 9, lambda *_: None)
        close(found, latents, 1e-4)
        chunks = [own.decode(chunk, len(chunk)) for chunk in found.split(8)]
        close(torch.cat(chunks), decoded, 1e-4)
    return own, found, decoded


@pytest.mark.parametrize(
    "frames", [1, 2, 24, 25, 26, pytest.param(47, marks=pytest.mark.slow), pytest.param(120, marks=pytest.mark.slow)]
)
def test_whole_samplings_of_any_length(pair, frames):
    """Appearance encoder, codec, long-clip sampling with guidance, decoding."""
    whole(pair, frames, (2.0, 2.0), 2)


@pytest.mark.parametrize(
    ("guidance", "size", "steps"), [((1.5, 3.0), (8, 8), 4), ((1.0, 2.0), (16, 8), 3), ((3.0, 1.5), (8, 16), 2)]
)
def test_whole_samplings_with_unequal_scales_and_other_sizes(pair, guidance, size, steps):
    whole(pair, 31, guidance, steps, size)


def test_frames_without_pads_have_upstreams_bytes(pair):
    """33 frames with pads are 3: the first lies in the middle of its chunk; pixels are cut, not rounded."""
    own, found, decoded = whole(pair, 33, (2.0, 2.0), 2)
    expected = (decoded * 0.5 + 0.5).clamp(0, 1)[PADS:-PADS].permute(0, 2, 3, 1).numpy()
    pixels = own._pixels(found)
    assert pixels.shape == expected.shape
    off = np.abs(pixels.astype(int) - (expected * 255).astype(np.uint8).astype(int))
    assert off.max() <= 1
    assert (off > 0).mean() < 1e-2
    assert np.ptp(pixels) > 50


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_pads(frames):
    motion = native.draw(0, frames, 3, 5)
    torch.testing.assert_close(padded(motion), hp_upstream.padded(motion), rtol=0, atol=1e-6)


def test_crop_boxes_and_buckets_of_a_thousand_cases():
    from src.dataset.test_preprocess import process_bbox
    from src.dataset.utils import get_head_exp_motion_bucketid

    random = np.random.default_rng(0)
    for _ in range(1000):
        height, width = random.integers(80, 1000, 2)
        left, top = random.uniform(0, width * 0.7), random.uniform(0, height * 0.7)
        box = np.array([left, top, left + random.uniform(10, width * 0.3), top + random.uniform(10, height * 0.3)])
        assert list(portrait_box(box, height, width)) == process_bbox(list(box), 1.0, height, width)
        frames = random.integers(1, 26)
        points = random.normal(size=(frames, 5, 2)) * random.uniform(0.01, 30) + random.uniform(0, 400, (5, 2))
        found = intensity(points)
        assert (found.head, found.expression) == get_head_exp_motion_bucketid(list(points))


def test_pixels_of_crops_and_of_pasting_back():
    from inference import create_soft_mask, paste_back_frame
    from PIL import Image
    from src.dataset.test_preprocess import align_face, crop_resize_img

    random = np.random.default_rng(1)
    frame = random.integers(0, 256, (300, 260, 3), dtype=np.uint8)
    for _ in range(20):
        low = random.uniform(0, 150, 2)
        box = np.concatenate([low, low + random.uniform(40, 110, 2)])
        points = low + random.uniform(5, 60, (5, 2))
        square = portrait_box(box, 300, 260)
        expected = np.asarray(crop_resize_img(Image.fromarray(frame), square, 64))
        assert np.array_equal(crop_portrait(frame, square, 64), expected)
        found = crop_expression(frame, points, box, 64)
        assert np.array_equal(found, hp_upstream.expression_crop(frame, points, box, 64))
        aligned = align_face(frame, points).transpose(2, 0, 1)
        assert np.abs(identity_crop(frame, points)[0].numpy() - aligned).max() < 1e-4  # their template is in float32
        portrait = random.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        x0, y0, x1, y1 = square
        pasted = paste_back_frame(frame, portrait, square, create_soft_mask((x1 - x0, y1 - y0)))
        off = np.abs(paste_back(frame, portrait, square).astype(int) - pasted)
        assert off.max() <= 2  # their resize and their blend both lose up to one
        assert (off > 1).mean() < 1e-3


def test_yolo_face(tmp_path):
    from src.dataset.utils import YoloFace as Upstream

    path = tmp_path / "face.pt"
    torch.jit.script(Crafted()).save(str(path))
    for height, width, y, x in [(416, 416, 112, 240), (500, 800, 150, 500), (300, 200, 60, 90)]:
        frame = lit(height, width, y, x)
        points, scores, boxes = Upstream(str(path), device="cpu").detect(frame[..., ::-1])
        (faces,) = YoloFace.of_file(path).detect([frame])
        assert len(faces) == len(boxes) == 1
        box = np.concatenate([boxes[0, :2], boxes[0, :2] + boxes[0, 2:]])
        assert np.allclose(faces[0].box, box, atol=1e-3)
        assert np.allclose(faces[0].points, points[0], atol=1e-3)
        assert faces[0].score == pytest.approx(scores[0], abs=1e-6)


def test_latents_are_scaled_as_upstreams():
    assert SCALE == 0.18215
