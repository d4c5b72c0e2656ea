"""Where the published parts are, and the making of all networks from them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel

from ...core.onnx_session import providers
from ...core.weights import content_digest
from ..published import PRECISIONS, PublishedParts
from ..random_weights import resident_bytes
from ..residence import step_bytes
from .adapters import MotionKnits, ReferenceAdapter
from .architecture import REAL, TINY
from .control import ControlNetwork
from .dry_run import random_networks
from .dry_run_faces import dry_run_models
from .face.pixels import opencv
from .face_tools import OnnxTools, load_tools
from .inputs import Control, FaceSettings, FaceTools
from .loading import load_adapter, load_stock, load_words, model_file
from .networks import RESIDENTS, Networks
from .options import HelloMemeOptions
from .pdfgc import PdFgcEncoder
from .samplers import WINDOW
from .weights import BASE, EXTRA, OWNER, PLAIN, VISION, missing, needed, part_folder, part_named

KEPT_PER_FRAME, KEPT_BY_DECODER = 240_000, 370_000
"""Numbers per latent cell that autograd keeps of a frame of a clip, and of a decoded one: counted at 512 px with LoRA
of rank 8 and attention that keeps no weights (237,000 in bf16, 207,000 in fp32; 364,000), and rounded up."""


class Parts(PublishedParts[HelloMemeOptions]):
    """HelloMeme's files, and the networks made of them; see :class:`PublishedParts`."""

    @cached_property
    def weights_digests(self) -> dict[str, str]:
        """Digests of all files that decide the pictures: networks, tokenizers and face models.

        Raises:
            WeightsError: When one is missing, or a library that reads them.
        """
        opencv()  # needed by every face tool: better known before a run begins than in its first case
        if self._options.is_random:
            return {"all": str(self._options.weights)}
        providers(self._device, OWNER, EXTRA)
        files: dict[str, str] = {}
        for part in needed(self._options.style, self._options.control):
            folder = self.find(part.name)
            for path in [folder / name for name in part.files] or [model_file(folder)]:
                if not path.is_file():
                    raise missing(part, path.name, self._folder)
                files[f"{part.name}: {path.name}"] = content_digest(path)
        return files

    def find(self, part: str) -> Path:
        """Folder of a part.

        Raises:
            WeightsError: When it is missing; says what to fetch, how large it is and from where.
        """
        return part_folder(part_named(part), self._folder)

    def load_tools(self, settings: FaceSettings) -> FaceTools:
        """The face tools.

        Raises:
            ConfigError: When onnxruntime cannot use the device.
            WeightsError: When a library or a file is missing or damaged.
        """
        if self._options.is_random:
            return OnnxTools(settings, dry_run_models(settings.control))
        return load_tools(settings, self._folder, self._device)

    def load_networks(self) -> Networks:
        """All networks, frozen, for evaluation.

        Raises:
            WeightsError: When a file is missing, damaged or of another model.
        """
        own = self._options
        dtype = PRECISIONS[self.precision]
        networks = random_networks(own.style, own.control) if own.is_random else self._published(dtype)
        networks.settle(self._device, dtype)
        modules, size = networks.modules(), TINY if own.is_random else REAL
        clip = sum(resident_bytes(modules[name]) for name in ("motion", "animatediff") if name in modules)
        step = step_bytes(size.cells, WINDOW, dtype.itemsize, per_frame=KEPT_PER_FRAME, decoded=KEPT_BY_DECODER)
        networks.keep(self._staying(modules, RESIDENTS, clip + step))
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
        reference_words = self._words(PLAIN, dtype)
        return Networks(
            denoiser=stock(UNet2DConditionModel, f"{BASE}/unet"),
            helper=stock(UNet2DConditionModel, f"{helper}/unet"),
            reference=adapter(lambda: ReferenceAdapter(REAL.up_channels), "hm3_reference"),
            motion=adapter(lambda: MotionKnits(REAL.channels, REAL.up_channels), "hm3_motion"),
            animatediff=stock(MotionAdapter, "hm3_animatediff"),
            control=adapter(lambda: ControlNetwork(REAL.control_channels, REAL.channels), "hm3_control_mix"),
            expression=expression,
            vision=vision,
            words=reference_words if helper == PLAIN else self._words(helper, dtype),
            reference_words=reference_words,
            encoder=stock(AutoencoderKL, f"{helper}/vae"),
            decoder=stock(AutoencoderKL, f"{BASE}/vae"),
        )

    def _words(self, repository: str, dtype: torch.dtype) -> Any:
        encoder = self.find(f"{repository}/text_encoder")
        return load_words(encoder.parent / "tokenizer", encoder, dtype)
