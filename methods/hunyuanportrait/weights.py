"""The published files that HunyuanPortrait needs, and on which terms they may be used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import WeightsError
from ...core.files import human_size
from ...core.weights import WeightFile, file_on_disk

OWNER = "method hunyuanportrait"
TENCENT = "Tencent's terms: academic, research and education only, never commercial or in production"
STABILITY = "Stable Video Diffusion Non-Commercial Community Licence"
UNSTATED = "licence not checked: see the publisher's page"
NOTICE = (
    "HunyuanPortrait's weights: academic, research and education use only (Tencent). They derive from Stable Video "
    "Diffusion, licensed under the Stability AI Non-Commercial Research Community License, Copyright (c) Stability AI "
    "Ltd.: no commercial or production use; what is tuned from them, LoRA files too, stays under that licence and is "
    "passed on with a copy of it"
)
"""Printed, and kept in the metadata of saved adapters."""
GET = "bench data fetch --weights hunyuanportrait --to DIR"
_PORTRAIT = "https://huggingface.co/tencent/HunyuanPortrait"
_VIDEO = "https://huggingface.co/stabilityai/stable-video-diffusion-img2vid-xt"


@dataclass(frozen=True)
class File:
    """One published file.

    Attributes:
        name: Below the weights folder.
        role: What it does.
        licence: A note for people; the publisher's page decides.
        url: Page that offers it.
        values: Numbers in it; 0 where it is no network of ours.
    """

    name: str
    role: str
    licence: str
    url: str
    values: int = 0

    @property
    def repository(self) -> tuple[str, str]:
        """Publisher and repository on the hub."""
        publisher, repository = self.url.split("/")[-2:]
        return publisher, repository

    def on_disk(self, folder: Path | None) -> WeightFile:
        """The file as it is in a weights folder."""
        found = file_on_disk(
            folder / self.name if folder else None,
            name=self.name,
            source=self.url,
            licence=self.licence,
            how=f"{GET}, or take the files from their publishers' pages into one folder; then weights=DIR. {NOTICE}",
            role=self.role,
        )
        return replace(found, about_size=f"{human_size(2 * self.values)} in 16 bit") if self.values else found


UNET = File("hyportrait/unet.pth", "denoises", f"{TENCENT}; {STABILITY}", _PORTRAIT, 1_575_741_162)
APPEARANCE = File("hyportrait/dino.pth", "reads the appearance", TENCENT, _PORTRAIT, 313_686_206)
PROJECTION = File("hyportrait/image_proj.pth", "projects its tokens", TENCENT, _PORTRAIT, 16_768)
EXPRESSION = File("hyportrait/expression.pth", "reads the expression", TENCENT, _PORTRAIT, 24_557_120)
HEAD_POSE = File("hyportrait/headpose.pth", "reads the head's angles", TENCENT, _PORTRAIT, 11_179_590)
REFINER = File("hyportrait/motion_proj.pth", "makes motion tokens", TENCENT, _PORTRAIT, 65_785_326)
POSE = File("hyportrait/pose_guider.pth", "makes the pose map", TENCENT, _PORTRAIT, 1_086_480)
CODEC = File("vae/diffusion_pytorch_model.fp16.safetensors", "encodes and decodes", STABILITY, _VIDEO, 97_742_847)
IDENTITY = File("arcface.onnx", "reads the identity", UNSTATED, "https://huggingface.co/FoivosPar/Arc2Face")
DETECTOR = File("yoloface_v5m.pt", "finds faces", UNSTATED, "https://huggingface.co/LeonJoe13/Sonic")
FILES = (UNET, APPEARANCE, PROJECTION, EXPRESSION, HEAD_POSE, REFINER, POSE, CODEC, IDENTITY, DETECTOR)


def find(file: File, folder: Path | None) -> Path:
    """Where a file is.

    Raises:
        WeightsError: When it is not there; says where to get it.
    """
    if folder is None:
        raise WeightsError(
            f"{OWNER}: no weights given: put the files that 'bench doctor' lists into a folder and give it as "
            "weights=DIR; weights=random-tiny tries the chain without weights"
        )
    path = folder.expanduser() / file.name
    if not path.is_file():
        raise WeightsError(f"{OWNER}: {path} is missing ({file.role}): get it from {file.url}")
    return path
