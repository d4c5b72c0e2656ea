"""Loading the user's torch checkpoints: only tensors, strictly, with errors that name the file and the fix."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, TypeVar
from zipfile import is_zipfile

from .errors import ConfigError, WeightsError
from .files import human_size
from .weights import Shapes, shape_differences

if TYPE_CHECKING:
    from torch import Tensor, nn

N = TypeVar("N", bound="nn.Module")


def check_device(device: str, owner: str) -> None:
    """Refuse a device that torch cannot use here.

    Args:
        device: "cpu", "mps", "cuda" or "cuda:1".
        owner: Who asks, for the message.

    Raises:
        ConfigError: When torch does not see the device.
    """
    import torch

    kind, _, index = device.partition(":")
    usable = kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())
    if kind == "cuda":
        usable = torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count()
    if not usable:
        raise ConfigError(f"{owner}: torch has no device {device!r} here: use cpu, or install torch for your GPU")


def need_file(path: Path, owner: str, how: str) -> Path:
    """Return ``path`` if it is a file.

    Raises:
        WeightsError: When it is missing; ``how`` tells the way to get it.
    """
    if not path.is_file():
        raise WeightsError(f"{owner}: {path} is missing: {how}")
    return path


def load_state(path: Path, owner: str) -> dict[str, Tensor]:
    """Read a checkpoint's tensors onto the CPU. Nothing in the file can run: only tensors are unpickled.

    The prefix ``module.`` that data-parallel training leaves is taken off, and a dict under "state_dict" is opened.

    Args:
        path: A file written by ``torch.save``.
        owner: Whose weights they are, for the message.

    Raises:
        WeightsError: When the file is damaged, holds anything but tensors, or is not a checkpoint.
    """
    return _read(path, owner, device="cpu")


def checkpoint_shapes(path: Path, owner: str) -> Shapes:
    """Names and shapes of a checkpoint's tensors, named as :func:`load_state` does; their numbers are not read.

    Raises:
        WeightsError: As :func:`load_state`.
    """
    return {name: tuple(value.shape) for name, value in _read(path, owner, device="meta").items()}


def _read(path: Path, owner: str, *, device: str) -> dict[str, Tensor]:
    import torch

    mapped = device == "meta" and is_zipfile(path)  # torch's format up to 1.5 is none, and can only be read whole
    try:
        state = torch.load(path, map_location=device, weights_only=True, mmap=mapped)
    except UnpicklingError as error:
        raise WeightsError(
            f"{owner}: {path} is not a plain torch checkpoint (damaged, or it holds code, which is never run): "
            "fetch it again from its publisher"
        ) from error
    except Exception as error:
        size = human_size(path.stat().st_size) if path.is_file() else "missing"
        raise WeightsError(f"{owner}: {path} ({size}) cannot be read, maybe cut short: fetch it again") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{owner}: {path} is not a dict of tensors by name")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def load_packaged(network: N, path: Path, owner: str, fix: str = "reinstall portraitbench") -> N:
    """Fill a network of ours with its safetensors file, in float32, for evaluation.

    Args:
        network: Freshly built.
        path: A file of the package.
        owner: Whose weights they are, for the message.
        fix: What to do when the file is missing or damaged.

    Returns:
        The same network.

    Raises:
        WeightsError: When the file is missing, damaged or of another model.
    """
    from safetensors.torch import load_file

    try:
        state = load_file(need_file(path, owner, fix))
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"{owner}: {path} is damaged: {fix}") from error
    state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    load_strictly(network, state, path, owner)
    return network


def load_strictly(
    network: nn.Module, state: dict[str, Tensor], path: Path, owner: str, *, assign: bool = False
) -> None:
    """Fill a network with exactly the tensors of a checkpoint, and switch it to evaluation without gradients.

    Args:
        network: Any module.
        state: From :func:`load_state`.
        path: Where ``state`` came from, for the message.
        owner: Whose weights they are, for the message.
        assign: Take the tensors themselves, in their precision, instead of copying them into the network's.

    Raises:
        WeightsError: When names or shapes differ; gives counts and the first of each kind.
    """
    own = network.state_dict()
    try:
        network.load_state_dict(state, assign=assign)
    except RuntimeError as error:
        found, wanted = ({name: tuple(one.shape) for name, one in given.items()} for given in (state, own))
        raise WeightsError(f"{owner}: {path} belongs to another model: {shape_differences(found, wanted)}") from error
    network.eval().requires_grad_(requires_grad=False)
