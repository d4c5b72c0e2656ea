"""Peak memory of one tuning step against frames and checkpointing, and what a denoiser's forward pass keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from ..methods.lora import injected_lora
from .peak_memory import measured_peak
from .tuning_arms import TuningArm
from .tuning_setting import Setting
from .tuning_subject import TuningSubject


def step_peaks(
    generator: str, frames: Sequence[int], *, size: int | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Measure one patch-wise step without identity loss for each length, without and with checkpointing.

    Args:
        generator: See :class:`Setting`.
        frames: That are denoised together.
        size: Frame side in pixels; None takes the generator's own.
        seed: Seed of everything random.

    Returns:
        Rows of frames, checkpointing and bytes above model, latents and guides.
    """
    rows = []
    for count in frames:
        for checkpointing in (False, True):
            subject = TuningSubject(Setting(generator, size, count, checkpointing=checkpointing, seed=seed))
            with subject.adapters() as lora:
                arm = TuningArm(subject, lora, "patch", identity=False, seed=seed)
                with measured_peak(torch.device("cpu")) as peak:
                    arm.step()
            rows.append({"frames": count, "checkpointing": checkpointing, "peak_bytes": peak.bytes})
    return rows


def kept_by_denoiser(frames: int, *, checkpointing: bool, size: int = 512, precision: torch.dtype) -> int:
    """Bytes that autograd keeps of one forward pass of HunyuanPortrait's UNet at its real size, LoRA of rank 8.

    Counted on the device "meta", which computes nothing: exact, but for attention, of whose kernels it is taken that
    they keep queries, keys, values, answers and a number per row (flash attention), and for temporaries.

    Args:
        frames: That are denoised together.
        checkpointing: Recompute activations.
        size: Frame side in pixels.
        precision: Precision of weights, activations and adapters.
    """
    from ..methods.hunyuanportrait.architecture import LATENT_CHANNELS, REAL, STRIDE
    from ..methods.hunyuanportrait.options import LORA_TARGETS
    from ..methods.hunyuanportrait.unet import PortraitUNet

    cells, kept = size // STRIDE, dict[int, Tensor]()
    with torch.device("meta"):
        unet = PortraitUNet(**REAL.unet()).to("meta", precision).requires_grad_(requires_grad=False)
        with injected_lora(unet, LORA_TARGETS, rank=8, seed=0):
            unet.to("meta", precision)
            if checkpointing:
                unet.enable_gradient_checkpointing()
            weights = {id(tensor) for tensor in (*unet.parameters(), *unet.buffers())}

            def note(tensor: Tensor) -> Tensor:
                base = tensor if tensor._base is None else tensor._base
                if id(base) not in weights:
                    kept[id(base)] = base
                return tensor

            given = [torch.empty(1, frames, 2 * LATENT_CHANNELS, cells, cells, dtype=precision), torch.empty(1)]
            context = torch.empty(1, REAL.tokens, REAL.width, dtype=precision)
            motion = torch.empty(1, frames, REAL.tokens, REAL.width, dtype=precision)
            hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
            with mock.patch("torch.nn.functional.scaled_dot_product_attention", _flash), hooks:
                unet(*given, (context, motion), torch.empty(1, 3, dtype=precision))
    return sum(tensor.nbytes for tensor in kept.values())


def _flash(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> Tensor:
    """Attention as flash kernels keep it; "meta" itself would keep every weight."""
    found: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value)[0]
    return found
