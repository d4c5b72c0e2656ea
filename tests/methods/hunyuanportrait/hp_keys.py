"""Writes keys.json: name and shape of every tensor of upstream's networks at their real size, without memory for them.

Run with HP_UPSTREAM set: ``python hp_keys.py``.
"""

import json
import os
import sys
from pathlib import Path
from unittest import mock

import torch

TABLE = Path(__file__).with_name("keys.json")
ADAPTED = [3, 7, 11, 15, 19, 23]


def _unet():
    from src.models.condition.attention_processor import IPAdapterAttnProcessor2_0
    from src.models.condition.unet_3d_svd_condition_ip import UNet3DConditionSVDModel

    unet = UNet3DConditionSVDModel(sample_size=96, num_attention_heads=(5, 10, 20, 20), num_frames=25)
    for module in unet.modules():  # upstream's own set-up copies weights, which the meta device has none of
        if getattr(module, "attn2", None) is not None:
            layer = module.attn2
            layer.set_processor(IPAdapterAttnProcessor2_0(layer.inner_dim, layer.to_k.in_features, num_tokens=[32]))
    return unet


def upstream_shapes():
    """File name -> tensor name -> shape, from upstream's classes."""
    sys.path.insert(0, os.environ["HP_UPSTREAM"])
    from src.models.condition.coarse_motion import HeadExpression, HeadPose
    from src.models.condition.pose_guider import PoseGuider
    from src.models.condition.refine_motion import IntensityAwareMotionRefiner
    from src.models.dinov2.models.vision_transformer import vit_large

    # Its drop-path rates are read back as numbers.
    rates = mock.patch("torch.linspace", lambda _a, _b, n: torch.zeros(n, device="cpu"))
    with torch.device("meta"), rates:
        networks = {
            "hyportrait/unet.pth": _unet(),
            "hyportrait/pose_guider.pth": PoseGuider(320, block_out_channels=(16, 32, 96, 256)),
            "hyportrait/expression.pth": HeadExpression(512),
            "hyportrait/headpose.pth": HeadPose(),
            "hyportrait/motion_proj.pth": IntensityAwareMotionRefiner(512, 1018, 64),
            "hyportrait/dino.pth": vit_large(
                patch_size=14, num_register_tokens=4, img_size=526, init_values=1.0, block_chunks=0, backbone=True,
                layers_output=True, add_adapter_layer=ADAPTED, visual_adapter_dim=384,
            ),
        }  # fmt: skip
    return {
        file: {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
        for file, network in networks.items()
    }


if __name__ == "__main__":
    TABLE.write_text(json.dumps(upstream_shapes(), separators=(",", ":"), sort_keys=True) + "\n")
