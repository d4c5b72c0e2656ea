"""Low-rank adapters inside a module, for as long as a ``with`` block lasts."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError
from ..core.files import atomic_path

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer
    from torch import Tensor, nn

ADAPTER = "tuned"

State = dict[str, "Tensor"]
"""Adapter weights by ``<module>.lora_A.weight`` and ``<module>.lora_B.weight``, on the CPU."""


class Lora:
    """The adapters inside one module.

    Args:
        layers: The adapted layers by module name.
        rank: Rank of each; the scale is 1 (alpha = rank).
    """

    def __init__(self, layers: Mapping[str, LoraLayer], rank: int) -> None:
        self._layers = dict(layers)
        self._rank = rank

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The trainable weights, in a fixed order."""
        return list(self._weights().values())

    def enable(self, on: bool) -> None:
        """Switch all adapters on or off; off, the module answers bit-exactly as without them."""
        for layer in self._layers.values():
            layer.enable_adapters(on)

    def state(self) -> State:
        """A copy of the weights."""
        return {name: weight.detach().cpu().clone() for name, weight in self._weights().items()}

    def load(self, state: State) -> None:
        """Take over weights from :meth:`state`.

        Raises:
            ValueError: When the names differ.
        """
        weights = self._weights()
        if weights.keys() != state.keys():
            raise ValueError("the adapter weights belong to other layers")
        for name, weight in weights.items():
            weight.data.copy_(state[name])

    def save(self, path: Path, prefix: str = "unet", *, licence: str = "") -> None:
        """Write a state as :func:`save_lora` does."""
        save_lora(self.state(), path, self._rank, prefix, licence=licence)

    def _weights(self) -> dict[str, nn.Parameter]:
        return {
            f"{name}.{part}.weight": getattr(layer, part)[ADAPTER].weight
            for name, layer in self._layers.items()
            for part in ("lora_A", "lora_B")
        }


def save_lora(state: State, path: Path, rank: int, prefix: str = "unet", *, licence: str = "") -> None:
    """Write adapter weights as safetensors that diffusers loads.

    Args:
        state: See :meth:`Lora.state`.
        path: The file, ending in ``.safetensors``.
        rank: The adapters' rank.
        prefix: What diffusers' pipelines call the module: "unet" or "transformer".
        licence: Terms of the model that was tuned, kept in the file's metadata; "" for none.
    """
    from safetensors.torch import save_file

    layers = sorted({name.rpartition(".lora_")[0] for name in state})
    settings = {"r": rank, "lora_alpha": rank, "target_modules": layers}
    metadata = json.dumps({f"{prefix}.{name}": value for name, value in settings.items()})
    with atomic_path(path) as temporary:
        tensors = {f"{prefix}.{name}": weight.contiguous() for name, weight in state.items()}
        about = {"format": "pt", "lora_adapter_metadata": metadata} | ({"license": licence} if licence else {})
        save_file(tensors, temporary, about)


@contextmanager
def injected_lora(module: nn.Module, targets: str, *, rank: int, seed: int) -> Iterator[Lora]:
    """Put adapters into a module; on leaving, also by an exception, the module is what it was.

    Inside the block the module's own weights are frozen. The adapters begin as the identity: they change nothing until
    they are trained.

    Args:
        module: Any module with linear or convolutional layers below it.
        targets: Regular expression over the full names of the layers to adapt.
        rank: Rank of the adapters.
        seed: Seed of the adapters' initial weights, which are drawn on the CPU and leave the global random state alone.

    Yields:
        The adapters, switched on.

    Raises:
        ConfigError: When no layer matches ``targets``, or one of them can carry no adapter.
    """
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    with unchanged(module):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, lora_dropout=0.0, bias="none")
            try:
                inject_adapter_in_model(config, module, ADAPTER)
            except ValueError as error:
                raise ConfigError(f"LoRA cannot be put on the layers that match {targets!r}: {error}") from error
        layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, LoraLayer)}
        for layer in layers.values():
            # Steps of 2e-5 are below the resolution of 16 bit: adapters stay in float32 whatever they adapt.
            layer.lora_A.float()
            layer.lora_B.float()
        yield Lora(layers, rank)


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """Undo on leaving whatever was hung on a module: submodules, hooks, flags, compiled calls, gradients.

    Values that are changed in place are beyond it; a generator's probe would tell.
    """
    attributes = [(part, _shallow(part.__dict__)) for part in module.modules()]
    parameters = [(parameter, parameter.requires_grad, parameter.grad) for parameter in module.parameters()]
    try:
        yield
    finally:
        for part, before in attributes:
            part.__dict__.clear()
            part.__dict__.update(before)
        for parameter, trained, gradient in parameters:
            parameter.requires_grad_(trained)
            parameter.grad = gradient


def _shallow(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an object's attributes; its plain dictionaries (of submodules, parameters, hooks) are copied too."""
    plain = (dict, OrderedDict)
    return {name: value.copy() if type(value) in plain else value for name, value in attributes.items()}
