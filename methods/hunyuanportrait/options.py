"""Options of HunyuanPortrait; the defaults are upstream's, where it has the setting."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..published import PublishedOptions
from .schedule import NoiseLevels

_ATTENTION = r"(down_blocks\.\d+|mid_block|up_blocks\.\d+)\.attentions\.\d+\.(temporal_)?transformer_blocks\.0\."
_PROJECTIONS = r"attn[12]\.(to_q|to_k|to_v|to_out\.0)"
_MOTION_ADAPTER = r"attn2\.processor\.(to_k_ip|to_v_ip)\.0"
LORA_TARGETS = _ATTENTION + _PROJECTIONS
"""Regular expression over the UNet's layers: 256 of its attention, in space and time."""
LORA_TARGETS_WITH_MOTION = _ATTENTION + rf"({_PROJECTIONS}|{_MOTION_ADAPTER})"
"""The same and the 64 layers that read the motion tokens."""


class HunyuanPortraitOptions(PublishedOptions):
    """Options of HunyuanPortrait.

    Attributes:
        weights: Folder with the published files; "random-tiny" needs none.
        face_boxes: What finds the faces that pictures are cut out around: "yolo" (upstream's detector, a file of the
            weights folder) or "run" (the run's face backends; other boxes, so other crops).
        appearance_guidance: Scale of guidance by the identity.
        motion_guidance: Scale of guidance by the motion. Equal scales save one of three passes.
        steps: Sampling steps; None is 25, or 2 with random-tiny.
        noise_levels: Which noise levels tuning draws: "karras" (those of sampling), "lognormal" (Stable Video
            Diffusion's training) or "discrete" (the 1000 steps of its scheduler). Only the first reaches where adapters
            are on by default; see docs/hunyuanportrait.md.
        motion_adapter: Whether a tuner's adapters also go into the layers that read the motion tokens.
        paste_back: Also keep the clip blended into the identity image, at its resolution. Scores are of the square.
        precision: Precision of denoiser, decoder and appearance encoders; None is float32 on a CPU, bfloat16 elsewhere.
            Upstream's is fp16.
        offload: Whether networks that only prepare a case wait in main memory while it is sampled and tuned: "always",
            "never", or "auto", as long as a graphics card does not hold them beside the longest tuning step. Once
            memory ran out they do, whatever is said here. Changes no picture, only time and memory.
    """

    face_boxes: Literal["yolo", "run"] = "yolo"
    appearance_guidance: float = Field(default=2.0, ge=0)
    motion_guidance: float = Field(default=2.0, ge=0)
    noise_levels: NoiseLevels = NoiseLevels.KARRAS
    motion_adapter: bool = False
    paste_back: bool = False

    @property
    def lora_targets(self) -> str:
        """Regular expression over the layers that a tuner adapts."""
        return LORA_TARGETS_WITH_MOTION if self.motion_adapter else LORA_TARGETS
