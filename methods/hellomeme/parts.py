"""Where the published parts are, and the making of all networks from them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from torch import nn

from ...core.digest import digest, file_sha256
from .adapters import MotionKnits, ReferenceAdapter
from .architecture import REAL
from .control import ControlNetwork
from .inputs import Control, FaceSettings, FaceTools
from .loading import load_adapter, load_stock, load_words, model_file
from .networks import Networks
from .options import HelloMemeOptions
from .pdfgc import PdFgcEncoder
from .standin import StandInTools
from .tiny import random_networks
from .weights import BASE, PLAIN, VISION, part_folder, part_named

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
        given = self._options.weights
        return part_folder(part_named(part), Path(given) if given else None)

    def load_tools(self, settings: FaceSettings) -> FaceTools:
        """The face tools.

        Raises:
            ConfigError: When onnxruntime cannot use the device.
            WeightsError: When a library or a file is missing or damaged.
        """
        if self._options.is_random:
            return StandInTools(settings)
        from .tools import load_tools  # needs libraries that random-tiny does without

        given = self._options.weights
        return load_tools(settings, Path(given) if given else None, self._device)

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


@lru_cache(maxsize=64)
def _sha256(path: Path) -> str:
    """Digest of a file; the Hugging Face cache names large files by it."""
    return path.name if len(path.name) == 64 and "." not in path.name else file_sha256(path)
