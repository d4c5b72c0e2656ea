"""Where the published parts are, and the making of all networks from them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from torch import nn

from ...core.digest import digest, file_sha256
from ...core.errors import ConfigError, WeightsError
from .adapters import MotionKnits, ReferenceAdapter
from .architecture import REAL
from .control import ControlNetwork
from .inputs import Control, FaceSettings, FaceTools
from .loading import OWNER, load_adapter, load_stock, load_words, model_file
from .networks import Networks
from .options import HelloMemeOptions
from .pdfgc import PdFgcEncoder
from .standin import StandInTools
from .tiny import random_networks

PUBLISHER = "songkey"
BASE, PLAIN = "realisticVisionV60B1_v51VAE", "stable-diffusion-v1-5"
VISION = "IP-Adapter"
SIZES = {
    f"{BASE}/unet": 859_520_964,
    f"{BASE}/vae": 83_653_863,
    f"{PLAIN}/unet": 859_520_964,
    f"{PLAIN}/vae": 83_653_863,
    f"{PLAIN}/text_encoder": 123_060_480,
    f"{BASE}/text_encoder": 123_060_480,
    "hm3_reference": 90_544_000,
    "hm3_control_mix": 198_735_616,
    "hm3_animatediff": 453_209_280,
    "hm3_motion": 183_478_400,
    "pd_fgc_motion": 8_506_313,
    f"{VISION}/models/image_encoder": 632_076_800,
}
"""Parameters of each part; a file holds two or four bytes for each. AnimateDiff's is the most it can be."""
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Parts:
    """Finds and loads what the options ask for.

    Args:
        options: Of the method.
        device: Where the networks go.
    """

    def __init__(self, options: HelloMemeOptions, device: str) -> None:
        self._options = options
        self._device = device

    @property
    def precision(self) -> str:
        """The networks' precision by name."""
        return self._options.precision or ("fp32" if self._device == "cpu" else "bf16")

    def names(self) -> list[str]:
        """The parts that the options need."""
        base, own = self._options.style == "x2", self._options.control
        parts = [f"{BASE}/unet", f"{BASE}/vae", f"{PLAIN}/text_encoder"]
        parts += [f"{BASE}/text_encoder"] if base else [f"{PLAIN}/unet", f"{PLAIN}/vae"]
        parts += ["hm3_reference", "hm3_control_mix", "hm3_animatediff", "hm3_motion"]
        return [*parts, "pd_fgc_motion" if own is Control.CNTRL2 else f"{VISION}/models/image_encoder"]

    def weights_digest(self) -> str:
        """Digest over all weights files.

        Raises:
            WeightsError: When one is missing.
        """
        if self._options.is_random:
            return str(self._options.weights)
        files = {name: model_file(self.find(name)) for name in self.names()}
        return digest({name: _sha256(path.resolve()) for name, path in files.items()})

    def find(self, part: str) -> Path:
        """Folder of a part.

        Raises:
            WeightsError: When it is missing; says what to fetch, how large it is and from where.
        """
        repository, _, below = part.partition("/")
        given = self._options.weights
        root = Path(given).expanduser() / repository if given else _cached(repository)
        if root is not None and (root / below).is_dir():
            return root / below
        place = f"{root}" if given else "the Hugging Face cache"
        gigabytes = 2e-9 * SIZES[part]
        raise WeightsError(
            f"{OWNER}: {part} is not in {place} ({gigabytes:.1f} GB in 16 bit, one of {len(self.names())} parts): "
            f"fetch https://huggingface.co/{PUBLISHER}/{repository}, name the folder of such folders with weights=, "
            "or try the chain with weights=random-tiny"
        )

    def load_tools(self, settings: FaceSettings) -> FaceTools:
        """The face tools.

        Raises:
            ConfigError: For the published weights, until their face tools are there.
        """
        if self._options.is_random:
            return StandInTools(settings)
        raise ConfigError(f"{OWNER}: its face tools are missing: only weights=random-tiny runs")

    def load_networks(self) -> Networks:
        """All networks on the device, frozen, for evaluation.

        Raises:
            WeightsError: When a file is missing, damaged or of another model.
        """
        own = self._options
        dtype = _DTYPES[self.precision]
        networks = random_networks(own.style, own.control) if own.is_random else self._published(dtype)
        for module in networks.modules():
            nn.Module.to(module, self._device, dtype).eval().requires_grad_(requires_grad=False)
        return networks

    def _published(self, dtype: torch.dtype) -> Networks:
        def adapter(make: Any, part: str) -> Any:
            return load_adapter(make, self.find(part), dtype)

        def stock(model: Any, part: str) -> Any:
            return load_stock(model, self.find(part), dtype)

        helper = BASE if self._options.style == "x2" else PLAIN
        expression = vision = None
        if self._options.control is Control.CNTRL2:
            expression = adapter(PdFgcEncoder, "pd_fgc_motion")
        else:
            from transformers import CLIPVisionModelWithProjection

            vision = stock(CLIPVisionModelWithProjection, f"{VISION}/models/image_encoder")
        return Networks(
            denoiser=stock(UNet2DConditionModel, f"{BASE}/unet"),
            helper=stock(UNet2DConditionModel, f"{helper}/unet"),
            reference=adapter(lambda: ReferenceAdapter(REAL.up_channels), "hm3_reference"),
            motion=adapter(lambda: MotionKnits(REAL.channels, REAL.up_channels), "hm3_motion"),
            animatediff=stock(MotionAdapter, "hm3_animatediff"),
            control=adapter(lambda: ControlNetwork(REAL.control_channels, REAL.channels), "hm3_control_mix"),
            expression=expression,
            vision=vision,
            words=self._words(helper, dtype),
            reference_words=self._words(PLAIN, dtype),
            encoder=stock(AutoencoderKL, f"{helper}/vae"),
            decoder=stock(AutoencoderKL, f"{BASE}/vae"),
        )

    def _words(self, repository: str, dtype: torch.dtype) -> Any:
        encoder = self.find(f"{repository}/text_encoder")
        return load_words(encoder.parent / "tokenizer", encoder, dtype, self._device)


def _cached(repository: str) -> Path | None:
    """A repository's folder in the Hugging Face cache; nothing is fetched."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(f"{PUBLISHER}/{repository}", local_files_only=True))
    except LocalEntryNotFoundError:
        return None


@lru_cache(maxsize=64)
def _sha256(path: Path) -> str:
    """Digest of a file; the Hugging Face cache names large files by it."""
    return path.name if len(path.name) == 64 and "." not in path.name else file_sha256(path)
