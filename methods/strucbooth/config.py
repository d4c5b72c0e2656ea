"""All settings of StrucBooth. The defaults are the paper's, where it states them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ...core.options import Options, UserPath
from .regions import REGIONS, BoxKind

OWNER = "method strucbooth"
"""Whom messages about settings name."""


def _split(value: object) -> object:
    """Lists on the command line are joined by plus signs: ``regions=mouth+nose``."""
    return tuple(value.split("+")) if isinstance(value, str) else (value,) if isinstance(value, int) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Counts = Annotated[tuple[int, ...], BeforeValidator(_split)]
Range = Annotated[tuple[float, float], BeforeValidator(_split)]


class StrucBoothConfig(Options):
    """Options of StrucBooth.

    Attributes:
        steps: Optimizer steps.
        rounds: Beyond the paper: how often these steps are done, each time after the first with the PGT and the boxes
            taken anew from what the generator makes by then.
        learning_rate: AdamW learning rate, constant.
        rank: Rank of the LoRA layers.
        lora_targets: Regular expression over the denoiser's layers; None takes the generator's own.
        accumulate: Noise draws whose gradients are averaged in one optimizer step.
        ldm_weight: Weight of the denoising loss on the PGT (eq. 2).
        gradient_weight: Weight of the Facial Structural Gradients (eq. 7).
        identity_weight: Weight of the identity loss.
        identity_model: ArcFace ONNX file for the identity loss; None takes the face backend's own.
        timesteps: Share of the training times to draw from; 0 is the cleanest, 1 the noisiest.
        window: Share of the sampling steps, from the first, with LoRA on; the paper's 10 of 25.
        window_log_snr: If given, LoRA is on while the logarithm of the signal-to-noise ratio is below it instead;
        window_sigma: or while the noise level, noise over signal, is at least this.
        regions: Which regions are aligned.
        boxes: "tight" around a region's landmarks, grown (the paper), or "anchored": of a size that follows the face
            and not the expression.
        grow: Growth of tight boxes on each side, as a share of their longer side,
        grow_pixels: but no less and no more than this, in pixels of a frame of 512.
        size_multiple: Beyond the paper: the sides of snapped boxes are grown to a multiple of so many latent cells, so
            that more patches are of one shape; see ``patch_batch``.
        eps: Gradient norms below this count little in the cosine. A straight edge from black to white has 8, so .3 is
            an edge of 9.6 gray levels of 255 and .01 one of .3: smaller than the noise of skin, whose directions then
            have as many votes as lips and lids. The record says it in gray levels, as ``eps_gray_levels``.
        flat: Driving pixels whose gradient norm, in the same units, is smaller than this are left out.
        weighting: "uniform" is eq. 7; "norm" weighs pixels by the driver's gradient norm.
        decoding: "patch" decodes the regions alone (the paper), "global" whole frames, "tiled" whole frames by the
            decoder's own tiles of half a frame's side, where it has any.
        halo: Latent cells of context decoded around each patch and cut away.
        neighbours: Frames on each side decoded with a patch and thrown away, for decoders that mix frames.
        patch_batch: Most patches of one shape decoded together: faster on a GPU, at the memory of so many.
        segment: Most frames denoised together; of a longer clip, a random run of consecutive frames.
        frames: Most frames of them whose regions are decoded in a step, drawn at random.
        precision: "bf16" runs denoiser and decoder under autocast.
        checkpointing: Recompute activations instead of keeping them: the denoiser's, and its decoder's where that can.
        compile: Compile the modules that denoise; those of a clip too, where a clip has its own. A process compiles
            with its first case.
        snapshots: Step counts at which the LoRA weights are also kept.
        save: Folder for the LoRA weights, one file per case and snapshot.
        guides: Folder of images or clips named by case id whose regions are aligned with instead of the driving
            clip's; for controls such as a driver with a resting face.
        reuse: Keep the weights at ``snapshots`` and at the end in the cache, and take them from there where another row
            or an earlier run has left them: rows that differ in ``steps`` alone then share one tuning.
        divergence: The case fails when the denoising loss exceeds this many times the mean square of its target.
        trace: Points of the loss curves in the record.
    """

    steps: int = Field(default=800, ge=0)
    rounds: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=2e-5, gt=0)
    rank: int = Field(default=8, ge=1)
    lora_targets: str | None = None
    accumulate: int = Field(default=1, ge=1)
    ldm_weight: float = Field(default=1.0, ge=0)
    gradient_weight: float = Field(default=0.1, ge=0)
    identity_weight: float = Field(default=0.1, ge=0)
    identity_model: UserPath | None = None
    timesteps: Range = (0.0, 1.0)
    window: float = Field(default=0.4, ge=0, le=1)
    window_log_snr: float | None = None
    window_sigma: float | None = Field(default=None, gt=0)
    regions: Names = REGIONS
    boxes: BoxKind = BoxKind.TIGHT
    grow: float = Field(default=0.2, ge=0)
    grow_pixels: Range = (5.0, 25.0)
    size_multiple: int = Field(default=1, ge=1)
    eps: float = Field(default=1e-2, gt=0)
    flat: float = Field(default=1e-2, ge=0)
    weighting: Literal["uniform", "norm"] = "uniform"
    decoding: Literal["patch", "global", "tiled"] = "patch"
    halo: int = Field(default=0, ge=0)
    neighbours: int = Field(default=0, ge=0)
    patch_batch: int = Field(default=1, ge=1)
    segment: int = Field(default=16, ge=1)
    frames: int = Field(default=4, ge=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpointing: bool = False
    compile: bool = False
    snapshots: Counts = ()
    save: UserPath | None = None
    guides: UserPath | None = None
    reuse: bool = False
    divergence: float = Field(default=100.0, gt=0)
    trace: int = Field(default=20, ge=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        unknown = sorted(set(self.regions) - set(REGIONS))
        if unknown or not self.regions:
            raise ValueError(f"regions must be some of {', '.join(REGIONS)}, not {', '.join(unknown) or 'none'}")
        if not 0 <= self.timesteps[0] < self.timesteps[1] <= 1:
            raise ValueError("timesteps must be two shares, 0 <= first < second <= 1")
        if not 0 <= self.grow_pixels[0] <= self.grow_pixels[1]:
            raise ValueError("grow_pixels must be two lengths, 0 <= first <= second")
        if any(not 0 <= count <= self.steps for count in self.snapshots):
            raise ValueError(f"snapshots must lie between 0 and the {self.steps} steps")
        if self.rounds > 1 and (self.reuse or self.snapshots):
            raise ValueError("rounds: weights between steps are kept of a single round only: rounds=1")
        if self.window_log_snr is not None and self.window_sigma is not None:
            raise ValueError("window_log_snr and window_sigma say the same in two ways: give one")
        if self.decoding == "tiled" and self.neighbours:
            raise ValueError("neighbours: tiled decoding takes each frame on its own: neighbours=0")
        return self

    @property
    def kept_steps(self) -> tuple[int, ...]:
        """Step counts whose weights are kept in the cache with ``reuse``: the snapshots and the last step."""
        return tuple(sorted({*self.snapshots, self.steps}))

    @property
    def looks_at_faces(self) -> bool:
        """Whether any loss needs landmarks; without one this is PGT self-tuning alone."""
        return self.gradient_weight > 0 or self.identity_weight > 0
