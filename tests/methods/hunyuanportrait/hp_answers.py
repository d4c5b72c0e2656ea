"""Questions to HunyuanPortrait whose answers are stored (golden.npz), written by code that agreed with upstream."""

from __future__ import annotations

import hp_native as native
import numpy as np
import torch
import yoloface_crafted

from portraitbench.datasets.clip import Clip
from portraitbench.faces.backends.yoloface import YoloFace
from portraitbench.methods.hunyuanportrait.architecture import Architecture
from portraitbench.methods.hunyuanportrait.conditions import Selection, compute_conditions
from portraitbench.methods.hunyuanportrait.dry_run import PixelIdentity, build
from portraitbench.methods.hunyuanportrait.dry_run_faces import stand_in_detector
from portraitbench.methods.hunyuanportrait.face_boxes import DetectedFaces
from portraitbench.methods.hunyuanportrait.preprocessing import preprocess

MINI = Architecture(
    channels=(32, 32, 64, 64),
    heads=(1, 1, 2, 4),
    layers=1,
    width=32,
    time_width=16,
    side=64,
    codec_channels=(32, 32, 32, 32),
    codec_layers=1,
    pose_channels=(4, 4, 4, 4),
    appearance_depth=2,
    appearance_heads=2,
    adapted=(1,),
    adapter_width=16,
    refiner_width=16,
    refiner_layers=1,
)


def networks():
    made = build(MINI, PixelIdentity())
    for row, module in enumerate(made.modules().values()):
        native.fill(module, row)
    made.settle("cpu", torch.float32)
    return made


def selection(frames):
    shapes = (1, 64, MINI.width), (frames, 64, MINI.width), (1, 4, 8, 8)
    return Selection(*(native.draw(row, *shape) for row, shape in enumerate(shapes)))


def denoise():
    """v of three frames at one level."""
    own = native.generator(networks())
    with torch.no_grad():
        return {"v": own.denoise(4.0 * native.draw(9, 3, 4, 8, 8), torch.tensor([4.0]), selection(3))}


def tokens():
    """Of appearance and motion."""
    made = networks()
    pictures = torch.rand((2, 3, 256, 256), generator=torch.Generator().manual_seed(1))
    identity = torch.nn.functional.normalize(native.draw(1, 1, 512))
    return {
        "appearance": made.appearance_tokens(native.draw(0, 1, 3, 224, 224), identity),
        "motion": made.motion_tokens(pictures, pictures.flip(0), 3, 90),
    }


def case():
    """What preprocessing cuts out of a case of 27 frames, and what the encoders make of it."""
    random = np.random.default_rng(0)
    waves = [np.sin(np.arange(200) / (7 + row % 5)) * 100 + 128 for row in range(28)]
    frames = [np.add.outer(wave, wave[::-1])[..., None] / 2 + random.uniform(-20, 20, (200, 200, 3)) for wave in waves]
    clip = Clip(np.clip(frames, 0, 255).astype(np.uint8))
    found = preprocess(Clip(clip.frames[:1]), Clip(clip.frames[1:]), DetectedFaces(stand_in_detector()), 64)
    made = networks()
    conditions = compute_conditions(made, found, clip.frames[0])
    return {
        "identity": found.identity,
        "expressions": torch.from_numpy(found.expressions[[0, 26], ::16, ::16]).float(),
        "canvas": torch.from_numpy(found.canvas.frames[[0, 26], ::8, ::8]).float(),
        "portrait": torch.from_numpy(found.portrait[::8, ::8].copy()).float(),
        "intensities": torch.tensor([[own.head, own.expression] for own in found.intensities]).float(),
        "motion": conditions.motion,
        "image latents": conditions.image_latents,
    }


def faces():
    """The first box, landmarks and score of a detector file's answer."""
    detector = YoloFace(yoloface_crafted.Crafted())
    (face,) = detector.detect([yoloface_crafted.lit(500, 800, 150, 500)])[0]
    return {"face": torch.from_numpy(np.concatenate([face.box, face.points.ravel(), [face.score]]))}


def clip():
    """A sampling of three frames with pads (33) in two steps, unequal scales, and its pixels."""
    own = native.generator(networks(), steps=2, appearance_guidance=1.5, motion_guidance=3.0)
    given = selection(3)
    padded = Selection(given.appearance, _padded(given.motion), given.image_latents)
    latents = own._sample(padded, 5, lambda *_: None)
    return {"latents": latents, "pixels": torch.from_numpy(own._pixels(latents)).float()}


def _padded(motion):
    from portraitbench.methods.hunyuanportrait.conditions import padded

    return padded(motion)


ANSWERS = {"denoise": denoise, "tokens": tokens, "case": case, "faces": faces, "clip": clip}
