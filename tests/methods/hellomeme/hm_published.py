"""A weights folder laid out as the published one, at real size, with random numbers: about 8 GB in 16 bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from hm_case import write_tokenizer
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from portraitbench.methods.hellomeme import dry_run_faces
from portraitbench.methods.hellomeme.adapters import MotionKnits, ReferenceAdapter
from portraitbench.methods.hellomeme.architecture import REAL
from portraitbench.methods.hellomeme.control import ControlNetwork
from portraitbench.methods.hellomeme.pdfgc import PdFgcEncoder
from portraitbench.methods.hellomeme.weights import BASE, BLENDSHAPES, DETECTOR, FACES, HEAD, LANDMARKS, PLAIN, VISION

UNET = "diffusion_pytorch_model.safetensors"


def write(root: Path) -> Path:
    """Write all parts of version 3."""
    text = CLIPTextConfig(
        vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    vision = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=32,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=1024,
        hidden_act="gelu",
    )
    for base in (BASE, PLAIN):
        _save(root / base / "unet", lambda: UNet2DConditionModel(**REAL.unet()))
        _save(root / base / "vae", lambda: AutoencoderKL(**REAL.codec()))
        _save(root / base / "text_encoder", lambda: CLIPTextModel(text), "model.safetensors")
        write_tokenizer(_made(root / base / "tokenizer"))
    _save(
        root / VISION / "models" / "image_encoder", lambda: CLIPVisionModelWithProjection(vision), "model.safetensors"
    )
    _save(root / "hm3_animatediff", lambda: MotionAdapter(**REAL.animatediff()))
    _save(root / "hm3_reference", lambda: ReferenceAdapter(REAL.up_channels))
    _save(root / "hm3_motion", lambda: MotionKnits(REAL.channels, REAL.up_channels))
    _save(root / "hm3_control_mix", lambda: ControlNetwork(REAL.control_channels, REAL.channels))
    _save(root / "pd_fgc_motion", PdFgcEncoder)
    faces = _made(root / FACES)
    for name, answer, size in (
        (DETECTOR, dry_run_faces.detect, (272, 160)),
        (LANDMARKS, dry_run_faces.place_points, (128, 128)),
        (HEAD, dry_run_faces.read_head, (224, 224)),
        (BLENDSHAPES, dry_run_faces.read_coefficients, (224, 224)),
    ):
        _save_constant(faces / name, answer(np.zeros((1, 3, *size), np.float32)), size)
    return root


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@torch.no_grad()
def _save(folder: Path, make, name: str = UNET) -> None:
    """A network's file with numbers that keep signals alive, in 16 bit, and its config where it has one."""
    with torch.device("meta"):
        network = make()
    random = torch.Generator().manual_seed(0)
    state = {}
    for key, value in network.state_dict().items():
        if not value.is_floating_point():
            state[key] = torch.zeros(value.shape, dtype=value.dtype)
        elif value.ndim > 1:
            inputs = value[0].numel()
            state[key] = (torch.randn(value.shape, generator=random) / inputs**0.5).half()
        else:  # norms and biases that do nothing
            state[key] = torch.full(value.shape, float(key.endswith(("weight", "running_var")))).half()
    save_file(state, _made(folder) / name, metadata={"format": "pt"})
    if hasattr(network, "save_config"):
        network.save_config(folder)
    elif hasattr(network, "config"):
        network.config.save_pretrained(folder)
    else:
        (folder / "config.json").write_text("{}")


def _save_constant(path: Path, answers: list, size: tuple[int, int]) -> None:
    """A face model that always says the same; the picture is added nought times, so that it is read."""
    names = [f"y{row}" for row in range(len(answers))]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nought"], ["nothing"]),
        *(helper.make_node("Add", [f"c{name}", "nothing"], [name]) for name in names),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, answer.shape)
            for name, answer in zip(names, answers, strict=True)
        ],
        [
            numpy_helper.from_array(np.float32(0), "nought"),
            *(numpy_helper.from_array(answer, f"c{name}") for name, answer in zip(names, answers, strict=True)),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
