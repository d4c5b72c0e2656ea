"""All that HelloMeme computes from a case alone, once, before it samples or is tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...datasets.clip import Clip
from .adapted_unet import AdapterInputs
from .feature_maps import Maps, joined
from .inputs import HelloMemeInputs
from .networks import Networks


@dataclass(eq=False)
class Conditions:
    """A case as the denoiser sees it. B = 2: without and with the conditions. R rows are generated, T frames shown.

    Attributes:
        text: Shape (2, K, D).
        reference: Features of the reference image before the up blocks, shape (2, C, h, w).
        control: Maps of all rows, shape (R, C, h, w); on the CPU, since they grow with the clip.
        idle: Maps of nothing, shape (1, C, h, w).
        canvas: The driving clip as cropped, T frames.
        shown: Row that each frame of the clip shows, ascending, T numbers.
        cells: Side of the latents.
        latents: Latents of all rows as first sampled, shape (R, 4, h, w); None before that.
        keyframes: Latents of keyframes by row as first sampled, each shape (4, h, w).
        pads: Features of keyframes by row as first sampled, each shape (2, 1, C, h, w) and on the CPU.
        row_pads: Features of all rows as first sampled, for windows that a tuner chooses, each shape (1, 1, C, h, w)
            and on the CPU; empty before the first is asked for.
        held: Rows whose driving frame showed no face.
    """

    text: Tensor
    reference: Maps
    control: Maps
    idle: Maps
    canvas: Clip
    shown: tuple[int, ...]
    cells: int
    latents: Tensor | None = None
    keyframes: dict[int, Tensor] = field(default_factory=dict)
    pads: dict[int, Maps] = field(default_factory=dict)
    row_pads: list[Maps] = field(default_factory=list)
    held: int = 0

    @property
    def rows(self) -> int:
        """Frames that are generated."""
        return len(self.control.up[0])

    @property
    def first_shown(self) -> list[int]:
        """For each row the first frame of the clip that shows it: the driving frame that it was made from."""
        return [self.shown.index(row) for row in range(self.rows)]

    @property
    def is_clip(self) -> bool:
        """Whether neighbours in time matter."""
        return self.rows > 1

    def given(
        self, rows: Sequence[int], pads: Maps | None, device: torch.device, *, both: bool = True
    ) -> AdapterInputs:
        """What the adapters read for some rows, brought to the device: only what a single window needs is there.

        Args:
            rows: Which.
            pads: Features of the frame before and of the one behind, shape (B or 1, 2, C, h, w); None for images.
            device: Where the adapters work.
            both: Both halves, without and with the conditions; otherwise the second alone.
        """
        control = self.control.apply(lambda maps: maps[None, list(rows)].to(device))
        if both:
            without = self.idle.apply(lambda maps: maps[None].expand(1, len(rows), -1, -1, -1).to(device))
            control = joined([without, control], 0)

        def brought(maps: Maps) -> Maps:
            return maps.apply(lambda one: (one if both else one[-1:]).to(device))

        return AdapterInputs(control, brought(self.reference), None if pads is None else brought(pads))


@torch.no_grad()
def compute_conditions(
    networks: Networks, inputs: HelloMemeInputs, words: str, shown: Sequence[int], random: torch.Generator
) -> Conditions:
    """Run all encoders on a case.

    Args:
        networks: The encoders.
        inputs: From the face tools, R frames.
        words: The prompt.
        shown: Row that each frame of the clip shows.
        random: For the reference's latents, which are drawn from the encoder's distribution.
    """
    latents = networks.encode(inputs.reference, random)
    text, reference_text = networks.texts(["", words])  # without conditions: upstream's empty negative prompt
    with networks.on_device("helper"):
        reference = read_features(networks, latents, reference_text)
    with networks.on_device("control", "expression", "vision"):
        control, idle = networks.control_maps(inputs), networks.idle_maps(inputs)
    return Conditions(
        text=text,
        reference=Maps((), reference.up),
        control=control,
        idle=idle,
        canvas=Clip(inputs.canvas.frames[list(shown)], inputs.canvas.fps),
        shown=tuple(shown),
        cells=latents.shape[-1],
    )


def read_features(networks: Networks, latents: Tensor, text: Tensor) -> Maps:
    """Features of one frame's clean latents (1, 4, h, w), and without conditions those of zeros; shape (2, C, h, w)."""
    latents = latents.to(networks.device)
    return networks.keyframes.features(torch.cat([torch.zeros_like(latents), latents]), text)


def shown_rows(frames: int, clip_fps: float, fps: float) -> tuple[list[int], tuple[int, ...]]:
    """Which frames of a clip are generated, and what is shown in between.

    Args:
        frames: Length of the clip.
        clip_fps: Its frame rate.
        fps: Frame rate to generate at; 0, or more than the clip's own: every frame.

    Returns:
        The frames that are generated, and for each frame of the clip the row of its latest one.

    >>> shown_rows(7, 24, 8)
    ([0, 3, 6], (0, 0, 0, 1, 1, 1, 2))
    """
    if fps == 0 or fps >= clip_fps:
        return list(range(frames)), tuple(range(frames))
    # The tiny addition keeps rates that divide each other from rounding down.
    ticks = [int(index * fps / clip_fps + 1e-9) for index in range(frames)]
    chosen = [index for index in range(frames) if index == 0 or ticks[index] != ticks[index - 1]]
    return chosen, tuple(sum(start <= index for start in chosen) - 1 for index in range(frames))
