"""Pocket's denoiser: a small UNet that sees the warped identity, where its landmarks are to be, and driving tokens."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.checkpoints import load_packaged
from .autoencoder import CHANNELS
from .motion import SCALARS
from .sampling import make_scheduler
from .sketch import SKETCH

WEIGHTS = Path(__file__).parent / "weights" / "unet.safetensors"
TOKEN = 64
CERTAIN = 0.1
"""Variance of a latent cell, of 1 over all pictures, below which it counts little in training."""


@dataclass(frozen=True, eq=False)
class DenoiserInputs:
    """What the denoiser knows of the frames it draws.

    Attributes:
        identity: Latents of the warped identity image, shape (N, 8, h, w).
        mean: First guess at the clean latents, from :class:`.prior.WarpPrior`, same shape.
        variance: How uncertain that is, same shape.
        driving: From :func:`.motion.scalars`, shape (N, 16).
        sketch: From :func:`.sketch.draw_sketch`, shape (N, 20, h, w).
    """

    identity: Tensor
    mean: Tensor
    variance: Tensor
    driving: Tensor
    sketch: Tensor

    def __getitem__(self, rows: list[int]) -> DenoiserInputs:
        """What is known of some of the frames."""
        return DenoiserInputs(*(getattr(self, field.name)[rows] for field in fields(self)))


class PocketDenoiser(nn.Module):
    """Predicts v of noisy latents (N, 8, h, w) from a warped identity, a sketch and 16 scalars; 7 million parameters.

    The scalars become one cross-attention token each, and together the class embedding. The UNet is a plain
    diffusers model, so that LoRA and its files work on it as on any other. It does not predict v itself but what is
    left to know: were clean latents normal with the prior's mean and variance, their mean given the noisy ones would
    follow by Bayes' rule, and the UNet's answer is added to that in units of their deviation. This is the
    preconditioning of Karras et al. (2022) with a prior that knows the case; without it the same training ends in
    smears.
    """

    alphas: Tensor

    def __init__(self) -> None:
        from diffusers import UNet2DConditionModel

        super().__init__()
        self.direction = nn.Parameter(torch.randn(SCALARS, TOKEN) * 0.5)
        self.name = nn.Parameter(torch.randn(SCALARS, TOKEN) * 0.5)
        self.mix = nn.Sequential(nn.Linear(TOKEN, TOKEN), nn.SiLU(), nn.Linear(TOKEN, TOKEN))
        self.unet: Any = UNet2DConditionModel(
            in_channels=2 * CHANNELS + SKETCH,
            out_channels=CHANNELS,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(48, 96, 160),
            layers_per_block=1,
            attention_head_dim=(2, 3, 5),  # a number of heads, despite the argument's name
            norm_num_groups=8,
            cross_attention_dim=TOKEN,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=SCALARS,
        )
        self.register_buffer("alphas", make_scheduler().alphas_cumprod, persistent=False)

    def forward(self, noisy: Tensor, t: Tensor, given: DenoiserInputs) -> Tensor:
        """Predict v.

        Args:
            noisy: Latents at time ``t``, shape (N, 8, h, w).
            t: Training time steps, shape (N,).
            given: What is known of the frames.
        """
        tokens = given.driving[:, :, None] * self.direction + self.name
        tokens = tokens + self.mix(tokens)
        seen = torch.cat([noisy, given.identity, given.sketch], dim=1)
        rest = self.unet(seen, t, encoder_hidden_states=tokens, class_labels=given.driving, return_dict=False)[0]
        alpha = self.alphas[t, None, None, None]
        signal, noise = alpha.sqrt(), (1 - alpha).sqrt()
        total = noise**2 + given.variance * alpha
        likely = (noise**2 * given.mean + given.variance * signal * noisy) / total
        clean = likely + noise * (given.variance / total).sqrt() * rest.float()
        velocity: Tensor = (signal * noisy - clean) / noise
        return velocity

    def weight(self, t: Tensor, given: DenoiserInputs) -> Tensor:
        """What squared errors of v are multiplied with in training, shape of the latents.

        In units of the UNet's own answer, so that all times count alike, and less in cells that the prior is certain
        of: there only noise is left to predict.
        """
        alpha = self.alphas[t, None, None, None]
        return (1 - alpha + given.variance * alpha) / (given.variance + CERTAIN)


def load_denoiser(path: Path = WEIGHTS, device: str = "cpu") -> PocketDenoiser:
    """Build the denoiser and fill it strictly, in float32, for evaluation.

    Its convolutions' weights lie with the channels last, which is how the CPU's and the GPU's kernels want them.

    Raises:
        WeightsError: When the file is missing, damaged or of another model.
    """
    fix = "train it with portraitbench.methods.pocket.training.train_unet"
    denoiser = load_packaged(PocketDenoiser(), path, "method pocket", fix).to(device)
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own types leave it out
    return denoiser
