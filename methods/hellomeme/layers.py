"""Layers that the adapters share. Their attribute names are the keys of the published files."""

from __future__ import annotations

from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from .architecture import HEADS


def attention(width: int, context: int | None = None) -> Attention:
    """Attention of 8 heads with biases on the output only.

    Args:
        width: Width of the queries.
        context: Width of keys and values; None attends to the queries' own sequence.
    """
    return Attention(
        query_dim=width,
        cross_attention_dim=context,
        heads=HEADS,
        dim_head=width // HEADS,
        bias=False,
        out_bias=True,
    )


def feed_forward(width: int) -> FeedForward:
    """A gated linear unit with an inner width of twice its own."""
    return FeedForward(width, activation_fn="geglu", inner_dim=2 * width)


def silent_convolution(channels: int) -> nn.Conv2d:
    """A 3 x 3 convolution that answers zero until it is trained or loaded."""
    layer = nn.Conv2d(channels, channels, 3, padding=1)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def to_rows(maps: Tensor) -> Tensor:
    """Rows of maps as sequences: (N, C, H, W) to (N H, W, C). For columns, swap the last two axes first."""
    return maps.movedim(1, -1).flatten(0, 1)


def from_rows(sequences: Tensor, count: int) -> Tensor:
    """Undo :func:`to_rows` for ``count`` maps: (N H, W, C) to (N, C, H, W)."""
    return split_first(sequences, count, -1).movedim(-1, 1)


def split_first(tensor: Tensor, *sizes: int) -> Tensor:
    """Split the first axis into several; one of the sizes may be -1."""
    return tensor.reshape(*sizes, *tensor.shape[1:])
