"""Options of HelloMeme. The paper names only the version and the base model: what it leaves open is named here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..published import PublishedOptions
from .inputs import Control, FaceSettings

PROMPT = (
    "(best quality), highly detailed, ultra-detailed, headshot, person, well-placed five sense organs, "
    "looking at the viewer, centered composition, sharp focus, realistic skin texture"
)
"""What version 3 always asks for; plain words to CLIP, its brackets are no weights."""

# Names of the UNet's layers from the block down, for both kinds of attention.
_TRANSFORMERS = r"(down_blocks\.\d+|mid_block|up_blocks\.\d+)\.attentions\.\d+\."
_ATTENTION = r"transformer_blocks\.0\.attn[12]\.(to_q|to_k|to_v|to_out\.0)"
_LINEAR = r"ff\.net\.0\.proj|ff\.net\.2"
LORA_TARGETS = {
    "attention": _TRANSFORMERS + _ATTENTION,
    "transformer": _TRANSFORMERS + rf"({_ATTENTION}|transformer_blocks\.0\.({_LINEAR})|proj_in|proj_out)",
}
"""Regular expressions over the UNet's layers: 128 of its attention, or 192 with feed-forward and projections."""


class HelloMemeOptions(PublishedOptions):
    """Options of HelloMeme.

    Attributes:
        weights: Folder with the published files; None looks into the Hugging Face cache; "random-tiny" needs none.
        style: Which base model makes what. "x1": Realistic Vision denoises and decodes, Stable Diffusion 1.5 reads the
            reference, makes keyframes, encodes images and text. "x2": Realistic Vision everywhere but for the words
            of the reference.
        control: Which expression code drives: "cntrl2" (PD-FGC, upstream's default) or "cntrl1" (ARKit and CLIP).
        translation_ratio: How much of the driving head's movement is added to the reference's place.
        crop_reference: Cut the identity image around its face; otherwise it is only resized.
        prompt: Put in front of what version 3 always asks for.
        guidance: Scale of classifier-free guidance; 1 goes without. Version 3 began with 2.2.
        steps: Sampling steps; None is 25, or 2 with random-tiny.
        fps: Frames per second that are generated of faster clips, each shown until the next; 0 makes every frame.
            Version 3 began with 15.
        video_scheduler: "euler", or "dpm-sde" as in version 3's first months. Images always take "dpm-sde".
        lora_targets: "attention" (the paper names none), or "transformer" with feed-forward and projections.
        lora_keyframes: Whether adapters of a tuner also act in the UNet that makes a clip's keyframes.
        fresh_pads: Whether a tuned clip makes its keyframes anew; otherwise it takes those of the first sampling.
        precision: Precision of the networks; None is float32 on a CPU, bfloat16 elsewhere. Upstream's is fp16.
        offload: Whether networks that only prepare a case wait in main memory while it is sampled and tuned: "always",
            "never", or "auto", as long as a graphics card does not hold them beside the longest tuning step. Once
            memory ran out they do, whatever is said here. Changes no picture, only time and memory.
    """

    style: Literal["x1", "x2"] = "x1"
    control: Control = Control.CNTRL2
    translation_ratio: float = Field(default=0.5, ge=0, le=1)
    crop_reference: bool = True
    prompt: str = ""
    guidance: float = Field(default=1.5, ge=1)
    fps: float = Field(default=8.0, ge=0)
    video_scheduler: Literal["euler", "dpm-sde"] = "euler"
    lora_targets: Literal["attention", "transformer"] = "attention"
    lora_keyframes: bool = True
    fresh_pads: bool = True

    @property
    def words(self) -> str:
        """The whole prompt."""
        return f"{self.prompt}, {PROMPT}" if self.prompt else PROMPT

    def faces(self, side: int) -> FaceSettings:
        """What the face tools are asked to do, for a canvas of ``side`` pixels."""
        return FaceSettings(self.control, self.translation_ratio, self.crop_reference, side)
