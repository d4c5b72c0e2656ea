"""Hooks that put the adapters at the blocks of stock UNets. No UNet is subclassed, no forward pass is copied.

After a down block: its map is recorded if asked for; the control map is added, also to the block's last skip
connection, which is the same map; the motion knit changes what goes on, but not the skip. Before an up block: the map
is recorded; the control map is added; the reference knit, then the motion knit change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from torch import Tensor, nn

from ..recompute import recompute
from .adapters import MotionKnits, ReferenceAdapter
from .feature_maps import Maps
from .layers import split_first

CLEAN = 0
"""Time step at which features of clean latents are read."""


@dataclass(frozen=True, eq=False)
class AdapterInputs:
    """What the adapters read in one call, for B batch entries of F frames. What is None stays out of the way.

    Attributes:
        control: From the control network, shape (B, F, C, h, w).
        reference: Features of the reference image, of which ``up`` is used, shape (B, C, h, w).
        pads: Features of the frame before and of the one behind, shape (B, 2, C, h, w); motion UNets only.
    """

    control: Maps | None = None
    reference: Maps | None = None
    pads: Maps | None = None


@dataclass
class _Record:
    down: list[Tensor] = field(default_factory=list)
    up: list[Tensor] = field(default_factory=list)


class WiredUNet:
    """A UNet with adapters at its blocks. Frames are the second axis of latents, whatever the UNet itself wants.

    Args:
        unet: Denoises frames one by one, or, with motion modules, as a clip.
        reference: Adapter for the reference image.
        motion: Adapter for neighbouring frames.
        leader: The UNet whose gradient checkpointing this one follows; itself if None.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel | UNetMotionModel,
        reference: ReferenceAdapter | None = None,
        motion: MotionKnits | None = None,
        leader: UNet2DConditionModel | None = None,
    ) -> None:
        self.unet = unet
        self.reference = reference
        self.motion = motion
        self._leader = unet if leader is None else leader
        self._recomputes = False
        self._given = AdapterInputs()
        self._record: _Record | None = None
        for index, block in enumerate(unet.down_blocks):
            block.register_forward_hook(self._after_down(index), with_kwargs=True)
        for index, block in enumerate(unet.up_blocks):
            block.register_forward_pre_hook(self._before_up(index), with_kwargs=True)
        if isinstance(unet, UNetMotionModel):
            for name, module in unet.named_modules():
                if name.rpartition(".")[0].endswith("motion_modules"):
                    recompute_when(module, self._is_recomputing)

    def __call__(self, latents: Tensor, t: Tensor, text: Tensor, given: AdapterInputs) -> Tensor:
        """Predict the noise.

        Args:
            latents: Shape (B, F, 4, h, w).
            t: One time step for all, shape () or (1,).
            text: Text embedding of each batch entry, shape (B, K, D).
            given: For the adapters.

        Returns:
            Shape of ``latents``, in float32.
        """
        batch, frames = latents.shape[:2]
        self._follow_leader()
        self._given = given
        try:
            words = text.to(self.unet.dtype).repeat_interleave(frames, dim=0)  # neither UNet repeats it by itself
            latents = latents.to(self.unet.dtype)
            if isinstance(self.unet, UNetMotionModel):
                noise = self.unet(latents.transpose(1, 2), t, words, return_dict=False)[0].transpose(1, 2)
            else:
                noise = self.unet(latents.flatten(0, 1), t, words, return_dict=False)[0]
                noise = split_first(noise, batch, frames)
        finally:
            self._given = AdapterInputs()
        prediction: Tensor = noise.float()
        return prediction

    @property
    def is_reading(self) -> bool:
        """Whether features are being read, which no tuner's layers have a part in."""
        return self._record is not None

    @torch.no_grad()
    def features(self, latents: Tensor, text: Tensor) -> Maps:
        """Read the maps of clean latents at all blocks.

        Args:
            latents: Shape (B, 4, h, w).
            text: Shape (B, K, D).

        Returns:
            Maps of shape (B, C, h, w).
        """
        self._record = record = _Record()
        try:
            self(latents[:, None], torch.tensor(CLEAN, device=latents.device), text, AdapterInputs())
        finally:
            self._record = None
        return Maps(tuple(record.down), tuple(record.up))

    def _after_down(self, index: int) -> Callable[..., Any]:
        def hook(_block: nn.Module, _args: Any, kwargs: Any, output: Any) -> Any:
            maps, skips = output
            if self._record is not None:
                self._record.down.append(maps)
            if self._given.control is not None:
                maps = maps + self._given.control.down[index].flatten(0, 1)
                skips = (*skips[:-1], maps)
            if self._given.pads is not None and self.motion is not None:
                knit = self.motion.motion_down[index]
                maps = self._run(knit, maps, self._given.pads.down[index], kwargs["temb"])
            return maps, skips

        return hook

    def _before_up(self, index: int) -> Callable[..., Any]:
        def hook(_block: nn.Module, args: Any, kwargs: Any) -> Any:
            maps = kwargs["hidden_states"]
            if self._record is not None:
                self._record.up.append(maps)
            if self._given.control is not None:
                maps = maps + self._given.control.up[index].flatten(0, 1)
            if self._given.reference is not None and self.reference is not None:
                knit = self.reference.reference_modules_up[index]
                maps = self._run(knit, maps, self._given.reference.up[index])
            if self._given.pads is not None and self.motion is not None:
                knit = self.motion.motion_up[index]
                maps = self._run(knit, maps, self._given.pads.up[index], kwargs["temb"])
            return args, {**kwargs, "hidden_states": maps}

        return hook

    def _run(self, module: nn.Module, *inputs: Tensor) -> Any:
        if self._is_recomputing():
            return recompute(module, *inputs)
        return module(*inputs)

    def _is_recomputing(self) -> bool:
        return torch.is_grad_enabled() and bool(self._leader.is_gradient_checkpointing)

    def _follow_leader(self) -> None:
        """Diffusers' own switch, for the blocks that this UNet does not share with its leader."""
        wanted = bool(self._leader.is_gradient_checkpointing)
        if self.unet is not self._leader and wanted != self._recomputes:
            if wanted:
                self.unet.enable_gradient_checkpointing(recompute)
            else:
                self.unet.disable_gradient_checkpointing()
            self._recomputes = wanted


def share_into_motion_unet(unet: UNet2DConditionModel, animatediff: MotionAdapter) -> UNetMotionModel:
    """Make a motion UNet out of an image UNet and AnimateDiff's modules, with no weight held twice.

    All layers are the very modules of the two, so that adapters put into the image UNet act in both.

    Args:
        unet: The image UNet; must be on a real device.
        animatediff: The motion modules.

    Raises:
        ValueError: When the two do not fit.
    """
    with torch.device("meta"):
        video = UNetMotionModel.from_unet2d(unet, animatediff, load_weights=False)
    for name, child in unet.named_children():
        if name in ("down_blocks", "up_blocks"):
            for own, given in zip(getattr(video, name), child, strict=True):
                _take_children(own, given)
        elif name == "mid_block":
            _take_children(video.mid_block, child)
        else:
            setattr(video, name, child)
    for name in ("down_blocks", "up_blocks"):
        for own, given in zip(getattr(video, name), getattr(animatediff, name), strict=True):
            _take_children(own, given)
    if animatediff.mid_block is not None:
        _take_children(video.mid_block, animatediff.mid_block)
    left = [name for name, parameter in video.named_parameters() if parameter.is_meta]
    if left:
        raise ValueError(f"the motion modules lack {left[0]!r}")
    return video.eval()


def _take_children(block: nn.Module, donor: nn.Module) -> None:
    for name, child in donor.named_children():
        setattr(block, name, child)


def recompute_when(module: nn.Module, is_on: Callable[[], bool]) -> None:
    """Let a module drop its activations and compute them again for the gradients, while ``is_on`` says so.

    Diffusers' own switch leaves motion modules out.
    """
    plain = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if is_on():
            return recompute(plain, *args, **kwargs)
        return plain(*args, **kwargs)

    module.forward = forward
