"""A whole case for both sides: the parts of a tiny Stable Diffusion, an image, heat maps and expression codes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import hm_native as native
import numpy as np
import torch
from diffusers import AutoencoderKL
from hm_weights import fill, normal
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.architecture import TINY
from portraitbench.methods.hellomeme.conditions import compute_conditions
from portraitbench.methods.hellomeme.inputs import FACE, HelloMemeInputs
from portraitbench.methods.hellomeme.loading import ClipWords
from portraitbench.methods.hellomeme.networks import Networks
from portraitbench.methods.hellomeme.pdfgc import CODE
from portraitbench.methods.hellomeme.samplers import CaseSampler
from portraitbench.methods.hellomeme.schedule import Sampling, frame_noise

SEED, NOISE_SEED = 11, 12
"""Of reference and first noise; of the noise that images' sampler adds (upstream: the global stream)."""
GUIDANCE = 1.5
STEPS = {"image": 3, "video": 2, "long": 1}
FRAMES = {"image": 1, "video": 5, "long": 14, "longest": 24}
PROMPT = "a face"


def write_tokenizer(folder):
    """The files of CLIP's tokenizer, over single letters."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: row for row, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def tokenizer():
    """CLIP's tokenizer over single letters."""
    folder = Path(tempfile.mkdtemp())
    write_tokenizer(folder)
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


OTHER = "other."
"""Before the names of the second base model's weights, which reads the reference, makes keyframes and encodes."""


def text_encoder(base=""):
    words = 2 * 94 + 2
    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=TINY.text_width,
        intermediate_size=2 * TINY.text_width,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=TINY.text_width,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
    )
    return fill(CLIPTextModel(config), base + "text.")


def autoencoder(base=""):
    return fill(AutoencoderKL(**TINY.codec()), base + "vae.")


def picture():
    return np.random.RandomState(0).randint(0, 255, (TINY.side, TINY.side, 3), dtype=np.uint8)


def case(frames):
    """Heat maps (F, 3, S, S) and codes (F, 548)."""
    return normal(f"heat {frames}", frames, 3, TINY.side, TINY.side).clamp(-1, 1), normal(
        f"code {frames}", frames, CODE
    )


class WrittenCode(torch.nn.Module):
    """An expression encoder that reads the code out of the first pixels of the face."""

    def forward(self, faces):
        return faces[:, 0].flatten(1)[:, :CODE]


def written(codes):
    faces = torch.zeros(len(codes), 3, FACE, FACE)
    faces[:, 0].view(len(codes), -1)[:, :CODE] = codes
    return faces


def networks(base=""):
    """All of them; of two base models when the second one's ``base`` is OTHER."""
    return Networks(
        denoiser=native.unet(),
        helper=fill(native.unet(), base + "unet."),
        reference=native.reference_adapter(),
        motion=native.motion_knits(),
        animatediff=native.animatediff(),
        control=native.control_network(),
        expression=WrittenCode(),
        vision=None,
        words=ClipWords(tokenizer(), text_encoder()),
        reference_words=ClipWords(tokenizer(), text_encoder(base)),
        encoder=autoencoder(base),
        decoder=autoencoder(),
    )


def inputs(frames):
    heat_maps, codes = case(frames)
    return HelloMemeInputs(
        reference=torch.tensor(picture()).permute(2, 0, 1)[None].float() / 127.5 - 1,
        condition=heat_maps,
        rotation=np.zeros((frames, 3)),
        translation=np.zeros((frames, 3)),
        canvas=Clip(np.zeros((frames, TINY.side, TINY.side, 3), np.uint8)),
        expression_faces=written(codes),
    )


def sample(kind, base=""):
    """Latents of a whole case, scaled as a decoder wants them, shape (F, 4, h, w)."""
    frames, steps = FRAMES[kind], STEPS.get(kind, 1)
    parts, random = networks(base), torch.Generator().manual_seed(SEED)
    conditions = compute_conditions(parts, inputs(frames), PROMPT, range(frames), random)
    added = torch.Generator().manual_seed(NOISE_SEED)
    with torch.no_grad():
        if kind == "image":
            sampling = Sampling("dpm-sde", steps, GUIDANCE, added)
            sampler = CaseSampler(parts, conditions, sampling)
            latents = sampler.sample_image(frame_noise(random, 1, conditions.cells))
        else:
            sampling = Sampling("euler", steps, GUIDANCE, added)
            latents = CaseSampler(parts, conditions, sampling).sample_clip(
                frame_noise(random, frames + 13, conditions.cells)
            )
    return {"latents": latents / parts.decoder.config.scaling_factor}
