"""Sampling of images, and of clips: windows of 12 frames that overlap by one, between keyframes sampled before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from .adapted_unet import WiredUNet
from .conditions import Conditions, read_features
from .feature_maps import Maps, joined
from .networks import Networks
from .schedule import Sampling

WINDOW = 12
"""Frames that are denoised together."""


def windows(count: int) -> list[list[int]]:
    """Windows over ``count`` frames, each beginning with the frame that the one before ends with.

    A last window of that one frame alone is left out: its frame has been in a window already. (Upstream fails there.)

    >>> [(one[0], one[-1]) for one in windows(24)]
    [(0, 11), (11, 22), (22, 23)]
    >>> [(one[0], one[-1]) for one in windows(23)]
    [(0, 11), (11, 22)]
    """
    stride = WINDOW - 1
    starts = range(0, max(1, count - 1), stride)
    return [list(range(start, min(start + WINDOW, count))) for start in starts]


class CaseSampler:
    """Samples one case.

    Args:
        networks: The networks.
        conditions: The case.
        sampling: How latents are sampled.
        pads: Features of keyframes by row; those that are there are not made again.

    Attributes:
        pads: All of them, once a clip was sampled.
        keyframes: Latents of those that were made, by row.
    """

    def __init__(
        self, networks: Networks, conditions: Conditions, sampling: Sampling, pads: dict[int, Maps] | None = None
    ) -> None:
        self._networks = networks
        self._conditions = conditions
        self._sampling = sampling
        self.pads = {} if pads is None else pads
        self.keyframes: dict[int, Tensor] = {}

    def sample_image(self, noise: Tensor) -> Tensor:
        """Sample the one row of an image from noise (1, 4, h, w)."""

        def predict(latents: Tensor, t: Tensor) -> Tensor:
            return self._predict(self._networks.image, latents, t, [0], None)

        return self._sampling.denoise(noise, predict)

    def sample_clip(self, noise: Tensor) -> Tensor:
        """Sample all rows of a clip.

        Args:
            noise: At least as many frames as there are rows, shape (N, 4, h, w). Keyframes take theirs from the
                beginning too, by their position among the keyframes.

        Returns:
            Clean latents, shape (R, 4, h, w).
        """
        return self._sample_rows(list(range(self._conditions.rows)), noise)

    def _sample_rows(self, rows: list[int], noise: Tensor) -> Tensor:
        """Sample some rows as a clip of their own, after its keyframes."""
        spans = windows(len(rows))
        ends = sorted({rows[span[end]] for span in spans for end in (0, -1)})
        if not self.pads.keys() >= set(ends):
            if len(spans) == 1:
                self._sample_margins(ends, noise)
            else:
                self._remember(ends, self._sample_rows(ends, noise))

        def predict(latents: Tensor, t: Tensor) -> Tensor:
            return self._average(spans, rows, latents, t)

        return self._sampling.denoise(noise[: len(rows)], predict)

    def _sample_margins(self, ends: list[int], noise: Tensor) -> None:
        """Sample the first and the last frame as single images, both from the same noise."""

        def predict(latents: Tensor, t: Tensor) -> Tensor:
            return self._predict(self._networks.keyframes, latents, t, ends, None)

        self._remember(ends, self._sampling.denoise(noise[[0] * len(ends)], predict))

    def _average(self, spans: Sequence[list[int]], rows: list[int], latents: Tensor, t: Tensor) -> Tensor:
        """Predictions of all windows; the mean where they overlap."""
        total: Tensor | None = None
        counts = torch.zeros(len(rows))
        for span in spans:
            first, last = self.pads[rows[span[0]]], self.pads[rows[span[-1]]]
            own_rows = [rows[position] for position in span]
            found = self._predict(self._networks.clip, latents[span], t, own_rows, joined([first, last], 1)).cpu()
            if total is None:
                total = found.new_zeros((len(found), len(rows), *found.shape[2:]))
            total[:, span] += found
            counts[span] += 1
        if total is None:
            raise ValueError("a clip has at least one frame")
        return total / counts[:, None, None, None]

    def _predict(self, unet: WiredUNet, latents: Tensor, t: Tensor, rows: list[int], pads: Maps | None) -> Tensor:
        device, both = self._networks.device, self._sampling.guidance != 1
        given = self._conditions.given(rows, pads, device, both=both)
        text = self._conditions.text if both else self._conditions.text[-1:]
        return unet(latents[None].expand(len(text), -1, -1, -1, -1).to(device), t.to(device), text, given)

    def _remember(self, rows: list[int], latents: Tensor) -> None:
        """Keep the features of keyframes; those that are there already stay."""
        for row, own in zip(rows, latents, strict=True):
            if row not in self.pads:
                self.keyframes[row] = own
                self.pads[row] = keyframe_pads(self._networks, own, self._conditions.text)


def keyframe_pads(networks: Networks, latents: Tensor, text: Tensor) -> Maps:
    """Features of one keyframe for the windows that it borders, each shape (2, 1, C, h, w), on the CPU.

    Args:
        networks: The networks.
        latents: Keyframe latents as sampled, shape (4, h, w).
        text: Text embeddings of the case, shape (2, K, D).
    """
    return read_features(networks, latents[None], text).apply(lambda maps: maps[:, None].cpu())


@contextmanager
def mirrored_adapters(source: nn.Module, target: WiredUNet, *, wanted: bool = True) -> Iterator[None]:
    """Let the LoRA layers of one UNet act in another of the same layout too, switched on and off with them.

    They act where the other one denoises, not where it reads features: upstream has a UNet of its own for these.

    Args:
        source: A UNet with or without LoRA layers.
        target: Another; it is itself again on leaving.
        wanted: If not, nothing is done.
    """
    layers = {name: layer for name, layer in source.named_modules() if isinstance(layer, LoraLayer)} if wanted else {}
    hooks = [
        target.unet.get_submodule(name).register_forward_hook(_adding(layer, target)) for name, layer in layers.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _adding(layer: Any, target: WiredUNet) -> Any:
    """A forward hook that adds what a LoRA layer would add."""

    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if layer.disable_adapters or target.is_reading:
            return output
        for name in layer.active_adapters:
            down, up = layer.lora_A[name], layer.lora_B[name]
            low = down(layer.lora_dropout[name](inputs[0].to(down.weight.dtype)))
            output = output + (up(low) * layer.scaling[name]).to(output.dtype)
        return output

    return hook
