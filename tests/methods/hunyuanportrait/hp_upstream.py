"""Upstream's own code (Tencent-Hunyuan/HunyuanPortrait at 48bae74), imported from the checkout HP_UPSTREAM.

Needs einops and OpenCV. Packages that it imports and that nothing compared here calls are replaced by empty modules.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import types

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler
from hp_native import SMALL
from hp_svd import SCHEDULER

UNUSED = (
    "decord",
    "moviepy",
    "moviepy.editor",
    "omegaconf",
    "skvideo",
    "skvideo.io",
    "torchvision",
    "torchvision.ops",
    "torchvision.transforms",
)
ADAPTED, DEPTH = [3, 7, 11, 15, 19, 23], 24


class _Empty(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _suppress(boxes, scores, most):
    """What torchvision.ops.nms answers."""
    kept = []
    for row in scores.argsort(descending=True).tolist():
        corners = boxes[row], boxes[kept].reshape(-1, 4)
        low, high = torch.maximum(corners[0][:2], corners[1][:, :2]), torch.minimum(corners[0][2:], corners[1][:, 2:])
        both = (high - low).clamp(min=0).prod(-1)
        sizes = [(own[..., 2:] - own[..., :2]).prod(-1) for own in corners]
        if not bool((both / (sizes[0] + sizes[1] - both) > most).any()):
            kept.append(row)
    return torch.tensor(kept)


def prepare():
    """Make upstream importable; what is missing is an error."""
    import cv2  # noqa: F401
    import einops  # noqa: F401

    sys.path.insert(0, os.environ["HP_UPSTREAM"])
    for name in UNUSED:
        sys.modules.setdefault(name, _Empty(name))
    sys.modules["torchvision"].ops = sys.modules["torchvision.ops"]
    sys.modules["torchvision.ops"].nms = _suppress
    import src.pipelines.hunyuan_svd_pipeline  # noqa: F401


def scheduler():
    from src.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler as Upstream

    made = Upstream.__new__(Upstream)  # its own __init__ passes the arguments by a position that diffusers has changed
    EulerDiscreteScheduler.__init__(made, **SCHEDULER)
    return made


def unet():
    from src.models.condition.unet_3d_svd_condition_ip import UNet3DConditionSVDModel, init_ip_adapters

    made = UNet3DConditionSVDModel(**SMALL.unet())
    init_ip_adapters(made, [32], 1.0)
    return made


def appearance():
    from src.models.dinov2.layers import MemEffAttention, NestedTensorBlock
    from src.models.dinov2.models.vision_transformer import DinoVisionTransformer

    return DinoVisionTransformer(
        patch_size=14,
        img_size=526,
        embed_dim=SMALL.width,
        depth=DEPTH,
        num_heads=SMALL.appearance_heads,
        num_register_tokens=4,
        init_values=1.0,
        block_chunks=0,
        backbone=True,
        layers_output=True,
        add_adapter_layer=ADAPTED,
        visual_adapter_dim=SMALL.adapter_width,
        block_fn=functools.partial(NestedTensorBlock, attn_class=MemEffAttention),
    )


def others():
    """The remaining networks by the name that ours have."""
    from src.models.condition.coarse_motion import HeadExpression, HeadPose
    from src.models.condition.pose_guider import PoseGuider
    from src.models.condition.refine_motion import IntensityAwareMotionRefiner
    from src.models.dinov2.models.vision_transformer import ImageProjector

    return {
        "projection": ImageProjector(261, 64),
        "pose": PoseGuider(SMALL.channels[0], block_out_channels=SMALL.pose_channels),
        "expression": HeadExpression(512),
        "head_pose": HeadPose(),
        "refiner": IntensityAwareMotionRefiner(512, SMALL.width - 6, 64),
    }


def call_unet(network, sample, time, appearance_tokens, motion, pose_map):
    """v of a batch of one, shape (1, F, 4, h, w)."""
    frames = sample.shape[1]
    return network(
        sample,
        time,
        encoder_hidden_states=(
            appearance_tokens[:, None].expand(-1, frames, -1, -1).flatten(0, 1),
            [motion.flatten(0, 1)],
        ),
        pose_cond_fea=pose_map.expand(1, frames, -1, -1, -1),
        added_time_ids=torch.tensor([[12.5, 0.0, 0.0]]),
        return_dict=False,
    )[0]


def sample(parts, picture, appearance_picture, identity, motion, noise, guidance, steps):
    """Latents and decoded frames of upstream's pipeline, without pads, shapes (N, 4, h, w) and (N, 3, H, W)."""
    from src.pipelines.hunyuan_svd_pipeline import HunyuanLongSVDPipeline

    pipeline = HunyuanLongSVDPipeline(
        parts["codec"], parts["appearance"], parts["projection"], parts["denoiser"], parts["pose"], scheduler()
    )
    pipeline.set_progress_bar_config(disable=True)
    frames, height, width = motion.shape[1], *picture.shape[-2:]
    with contextlib.redirect_stdout(io.StringIO()):
        latents = pipeline(
            picture.clone(),
            appearance_picture,
            torch.zeros(1, 3, frames, height, width),
            motion,
            torch.zeros_like(motion),
            height=height,
            width=width,
            num_frames=frames,
            decode_chunk_size=8,
            motion_bucket_id=0,
            fps=12.5,
            noise_aug_strength=0.0,
            min_guidance_scale1=guidance[0],
            max_guidance_scale1=guidance[0],
            min_guidance_scale2=guidance[1],
            max_guidance_scale2=guidance[1],
            overlap=3,
            shift_offset=3,
            frames_per_batch=25,
            num_inference_steps=steps,
            i2i_noise_strength=1.0,
            arcface_embeddings=identity.numpy(),
            latents=noise[None],
            device="cpu",
            output_type="latent",
        ).frames
        with torch.no_grad():
            decoded = pipeline.decode_latents(latents, frames, 8)
    return latents[0], decoded[0].transpose(0, 1)


def padded(motion):
    """Upstream's script pads in its main function; this is that loop (inference.py, lines 265 to 290) in few words."""
    before = [motion[:1] * (row / 15) for row in range(15)]
    behind = [motion[-1:] * (1 - row / 15) for row in range(15)]
    return torch.cat([*before, motion, *behind])


def expression_crop(frame, points, box, side):
    from PIL import Image
    from src.dataset.test_preprocess import crop_face_motion

    def resized(picture):
        return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))

    return crop_face_motion(frame.copy(), points, resized, list(box))
