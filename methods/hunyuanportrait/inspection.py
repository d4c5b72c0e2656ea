"""Whether a published file is there, whole and of the right model, without reading its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import torch

from ...core.checkpoints import checkpoint_shapes
from ...core.errors import WeightsError
from ...core.files import human_size
from ...core.onnx_file import require_image_model
from ...core.weights import Shapes, WeightFile, known_digest, require_shapes, tensor_shapes
from .architecture import REAL
from .dry_run import build
from .published import modules_by_file
from .weights import CODEC, DETECTOR, GET, IDENTITY, OWNER, File

_IDENTITY_CROP, _EMBEDDINGS = (112, 112), 1
_SCRIPT = ("/constants.pkl", "/code/")
"""What every TorchScript archive has, and no checkpoint."""


def inspect(file: File, folder: Path | None) -> WeightFile:
    """Look at a file in a weights folder; None where no folder is given."""
    found = file.on_disk(folder)
    if found.path is None or folder is None:
        return found
    try:
        known_digest(found.path, folder, file.name)
        _check(found.path, file)
    except WeightsError as error:
        again = f"remove it and run '{GET}', or get it from {file.url}"
        return replace(found, problem=f"{OWNER}: {found.path} ({human_size(found.size)}) {error}: {again}")
    return found


def _check(path: Path, file: File) -> None:
    """Raise a :class:`WeightsError` that completes a sentence about the file."""
    if file is IDENTITY:
        require_image_model(path, _IDENTITY_CROP, _EMBEDDINGS)
    elif file is DETECTOR:
        _require_script(path)
    else:
        found = tensor_shapes(path) if file is CODEC else _checkpoint(path)
        require_shapes(found, own_tables()[file])


@cache
def own_tables() -> Mapping[File, Shapes]:
    """Names and shapes of each network's tensors at the real size."""
    with torch.device("meta"):
        modules = modules_by_file(build(REAL, torch.nn.Module()))
    return {
        file: {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        for file, module in modules.items()
    }


def _checkpoint(path: Path) -> Shapes:
    try:
        return checkpoint_shapes(path, OWNER)
    except WeightsError as error:
        raise WeightsError("is not a whole torch checkpoint of tensors alone") from error


def _require_script(path: Path) -> None:
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except BadZipFile as error:
        raise WeightsError("is not a whole TorchScript file") from error
    if not all(any(part in name for name in names) for part in _SCRIPT):
        raise WeightsError("belongs to another model: it is no TorchScript file")
