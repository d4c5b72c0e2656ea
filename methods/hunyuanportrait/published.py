"""Where the published files are, and the making of all networks from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from ...core.checkpoints import load_state, load_strictly
from ...core.errors import WeightsError
from ...core.weights import content_digest
from ..published import PRECISIONS, PublishedParts
from ..residence import step_bytes
from .architecture import REAL, STRIDE, TINY
from .dry_run import build, random_networks
from .networks import RESIDENTS, Networks
from .options import HunyuanPortraitOptions
from .sampler import Windows
from .weights import (
    APPEARANCE,
    CODEC,
    DETECTOR,
    EXPRESSION,
    FILES,
    HEAD_POSE,
    IDENTITY,
    OWNER,
    POSE,
    PROJECTION,
    REFINER,
    UNET,
    File,
    find,
)

KEPT_PER_FRAME, KEPT_BY_DECODER = 275_000, 640_000
"""Numbers per latent cell that autograd keeps of a frame, and of a decoded one: from the 52 GiB of 25 frames in
docs/hunyuanportrait.md (273,000) and a count of the decoder (638,000), rounded up."""


class Parts(PublishedParts[HunyuanPortraitOptions]):
    """HunyuanPortrait's files, and the networks made of them; see :class:`PublishedParts`."""

    @cached_property
    def weights_digests(self) -> dict[str, str]:
        """Digests of all files that decide the pictures, by name.

        Raises:
            WeightsError: When one is missing.
        """
        if self._options.is_random:
            return {"all": str(self._options.weights)}
        files = [file for file in FILES if file is not DETECTOR or self._options.face_boxes == "yolo"]
        return {file.name: content_digest(find(file, self._folder)) for file in files}

    def detector_file(self) -> Path:
        """YOLO-face's file.

        Raises:
            WeightsError: When it is missing.
        """
        return find(DETECTOR, self._folder)

    def load_networks(self) -> Networks:
        """All networks, frozen, for evaluation.

        Raises:
            WeightsError: When a file is missing, damaged or of another model.
        """
        networks = random_networks() if self._options.is_random else self._published()
        dtype, size = PRECISIONS[self.precision], TINY if self._options.is_random else REAL
        networks.settle(self._device, dtype)
        cells, frames = size.side // STRIDE, Windows().length
        step = step_bytes(cells, frames, dtype.itemsize, per_frame=KEPT_PER_FRAME, decoded=KEPT_BY_DECODER)
        networks.keep(self._staying(networks.modules(), RESIDENTS, step))
        return networks

    def _published(self) -> Networks:
        from ...core.onnx_torch import OnnxModule

        identity = OnnxModule(find(IDENTITY, self._folder))
        with torch.device("meta"):
            networks = build(REAL, nn.Module())
        networks.identity = identity
        for file, module in modules_by_file(networks).items():
            path = find(file, self._folder)
            load_strictly(module, _tensors(path, file), path, OWNER, assign=True)
        return networks


def modules_by_file(networks: Networks) -> Mapping[File, nn.Module]:
    """The network that each file fills; the identity network and the face detector are made of theirs."""
    return {
        UNET: networks.denoiser,
        CODEC: networks.codec,
        APPEARANCE: networks.appearance,
        PROJECTION: networks.projection,
        POSE: networks.pose,
        EXPRESSION: networks.expression,
        HEAD_POSE: networks.head_pose,
        REFINER: networks.refiner,
    }


def _tensors(path: Path, file: File) -> dict[str, Tensor]:
    """Read a file; of a torch checkpoint only tensors are unpickled.

    Raises:
        WeightsError: When it is damaged.
    """
    if file is not CODEC:
        return load_state(path, OWNER)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{OWNER}: {path} cannot be read, maybe cut short: fetch it again") from error
