"""The video UNet: Stable Video Diffusion's, with two contexts in every cross attention and a map added to its input."""

from __future__ import annotations

import functools
from typing import Any

import torch
from diffusers import UNetSpatioTemporalConditionModel
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from torch import Tensor, nn
from torch.nn import functional as F

from ..recompute import recompute

Context = tuple[Tensor, Tensor]
"""Appearance tokens, and motion tokens."""


class TwoContextAttention(nn.Module):
    """Attention to the appearance and to the motion, with one query and added answers.

    A context may have a smaller batch than the queries: so many queries in a row then share one of its rows. Grouped
    like that keys and values stay as small as the context; repeating it for every pixel costs gigabytes.

    Args:
        hidden: Width of the queries.
        context: Width of the tokens.
    """

    def __init__(self, hidden: int, context: int) -> None:
        super().__init__()
        self.to_k_ip = nn.ModuleList([nn.Linear(context, hidden, bias=False)])
        self.to_v_ip = nn.ModuleList([nn.Linear(context, hidden, bias=False)])

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Context, **_: Any) -> Tensor:
        """Attend; called by diffusers' attention layer with itself."""
        appearance, motion = encoder_hidden_states
        query = attn.to_q(hidden_states)
        found = _attend(query, attn.to_k(appearance), attn.to_v(appearance), attn.heads)
        found = found + _attend(query, self.to_k_ip[0](motion), self.to_v_ip[0](motion), attn.heads)
        said: Tensor = attn.to_out[1](attn.to_out[0](found))
        return said


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    groups, width = len(key), query.shape[-1]

    def split(tensor: Tensor) -> Tensor:
        return tensor.reshape(groups, -1, heads, width // heads).transpose(1, 2)

    found = F.scaled_dot_product_attention(split(query), split(key), split(value))
    return found.transpose(1, 2).reshape(query.shape)


class PortraitTransformer(TransformerSpatioTemporalModel):  # type: ignore[misc]  # Any to mypy
    """Diffusers' class with another forward pass: the context is a pair, and time sees the motion's mean."""

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Context,
        image_only_indicator: Tensor,
        return_dict: bool = True,  # noqa: ARG002 - diffusers' signature
    ) -> tuple[Tensor]:
        """Attend within frames, then over time.

        Args:
            hidden_states: Shape (B F, C, h, w).
            encoder_hidden_states: Appearance (B, K, D) and motion (B, F, K, D).
            image_only_indicator: Zeros, shape (B, F).
            return_dict: Not looked at.
        """
        given = (hidden_states, *encoder_hidden_states, image_only_indicator)
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            # As one unit: diffusers' own switch leaves the temporal half out.
            return (recompute(self._transform, *given),)
        return (self._transform(*given),)

    def _transform(self, maps: Tensor, appearance: Tensor, motion: Tensor, indicator: Tensor) -> Tensor:
        batch, frames = indicator.shape
        in_space, in_time = (appearance, motion.flatten(0, 1)), (appearance, motion.mean(dim=1))
        rows = self.proj_in(self.norm(maps).flatten(2).transpose(1, 2))
        positions = torch.arange(frames, device=maps.device).repeat(batch)
        places = self.time_pos_embed(self.time_proj(positions).to(rows.dtype))[:, None]
        for spatial, temporal in zip(self.transformer_blocks, self.temporal_transformer_blocks, strict=True):
            rows = spatial(rows, encoder_hidden_states=in_space)
            moved = temporal(rows + places, num_frames=frames, encoder_hidden_states=in_time)
            rows = self.time_mixer(x_spatial=rows, x_temporal=moved, image_only_indicator=indicator)
        added: Tensor = self.proj_out(rows).transpose(1, 2).reshape(maps.shape)
        return maps + added


class PortraitUNet(UNetSpatioTemporalConditionModel):  # type: ignore[misc]  # diffusers' classes are Any to mypy
    """The video UNet with two contexts."""

    # The wrapped signature is what diffusers' from_config() reads.
    @functools.wraps(UNetSpatioTemporalConditionModel.__init__)  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for module in self.modules():
            if type(module) is TransformerSpatioTemporalModel:
                module.__class__ = PortraitTransformer
                for block in (*module.transformer_blocks, *module.temporal_transformer_blocks):
                    layer = block.attn2
                    layer.set_processor(TwoContextAttention(layer.inner_dim, layer.to_k.in_features))

    def forward(
        self, sample: Tensor, time: Tensor, context: Context, time_ids: Tensor, pose_map: Tensor | None = None
    ) -> Tensor:
        """Predict v.

        Args:
            sample: Scaled noisy latents and image latents, shape (B, F, 8, h, w).
            time: log(sigma) / 4, shape (1,) or (B,).
            context: Appearance (B, K, D) and motion (B, F, K, D).
            time_ids: Shape (B, 3).
            pose_map: Added behind the first convolution, shape (C, h, w).

        Returns:
            Shape (B, F, 4, h, w).
        """
        batch, frames = sample.shape[:2]
        embedded = self.time_embedding(self.time_proj(time.expand(batch)).to(sample.dtype))
        ids = self.add_time_proj(time_ids.flatten()).reshape(batch, -1).to(sample.dtype)
        embedded = (embedded + self.add_embedding(ids)).repeat_interleave(frames, dim=0)
        maps = self.conv_in(sample.flatten(0, 1))
        if pose_map is not None:
            maps = maps + pose_map
        given = {"temb": embedded, "image_only_indicator": maps.new_zeros(batch, frames)}
        skips: tuple[Tensor, ...] = (maps,)
        for block in self.down_blocks:
            maps, new = block(hidden_states=maps, **given, **_context(block, context))
            skips += new
        maps = self.mid_block(hidden_states=maps, **given, encoder_hidden_states=context)
        for block in self.up_blocks:
            count = len(block.resnets)
            skips, own = skips[:-count], skips[-count:]
            maps = block(hidden_states=maps, res_hidden_states_tuple=own, **given, **_context(block, context))
        found: Tensor = self.conv_out(self.conv_act(self.conv_norm_out(maps)))
        return found.reshape(batch, frames, *found.shape[1:])


def _context(block: nn.Module, context: Context) -> dict[str, Context]:
    return {"encoder_hidden_states": context} if getattr(block, "has_cross_attention", False) else {}
