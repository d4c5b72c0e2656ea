"""Strict loading of the published files: what is missing, cut short or of another model is one clear line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ...core.checkpoints import load_state, load_strictly
from ...core.errors import WeightsError, one_line
from .architecture import TOKENS
from .weights import FILES, OWNER

M = TypeVar("M", bound=nn.Module)


def model_file(folder: Path) -> Path:
    """The weights file of a part.

    Raises:
        WeightsError: When the folder holds none.
    """
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"{OWNER}: {folder} holds no weights ({FILES[0]}): fetch the folder again")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, or a torch checkpoint of which only tensors are unpickled.

    Raises:
        WeightsError: When it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        return load_state(path, OWNER)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{OWNER}: {path} cannot be read, maybe cut short: fetch it again") from error


def load_adapter(make: Callable[[], M], folder: Path, dtype: torch.dtype) -> M:
    """Fill one of HelloMeme's own networks with exactly the tensors of its file.

    Args:
        make: Builds the network; called without memory for its weights.
        folder: Holds the file.
        dtype: Precision to hold the weights in. (Positions in files of 16 bit were rounded when they were written.)

    Raises:
        WeightsError: When the file is missing, damaged or of another model.
    """
    path = model_file(folder)
    with torch.device("meta"):
        network = make()
    state = read_tensors(path)
    state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
    load_strictly(network, state, path, OWNER, assign=True)
    return network


def load_stock(model: Any, folder: Path, dtype: torch.dtype) -> Any:
    """Load a model of diffusers or transformers from a folder, without a download, and refuse what does not fit.

    Args:
        model: Its class.
        folder: With ``config.json`` and the weights.
        dtype: Precision to hold the weights in.

    Raises:
        WeightsError: When files are missing, damaged or of another model.
    """
    path = model_file(folder)
    options: dict[str, Any] = {
        "local_files_only": True,
        "output_loading_info": True,
        "use_safetensors": path.suffix == ".safetensors",
    }
    if path.name.endswith(".fp16.safetensors"):
        options["variant"] = "fp16"
    name = "dtype" if model.__module__.startswith("transformers") else "torch_dtype"
    try:
        loaded, info = model.from_pretrained(str(folder), **options, **{name: dtype})
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{OWNER}: {folder} cannot be loaded: {one_line(error)}") from error
    facts = [f"{len(info[kind])} tensors {_WORDS[kind]} ({_first(info[kind])!r})" for kind in _WORDS if info.get(kind)]
    if facts:
        raise WeightsError(f"{OWNER}: {path} belongs to another model: {', '.join(facts)}")
    return loaded.eval().requires_grad_(requires_grad=False)


_WORDS = {"missing_keys": "missing", "unexpected_keys": "unknown", "mismatched_keys": "of another shape"}


def _first(names: Sequence[Any]) -> str:
    return str(min(names, key=str))


class ClipWords(nn.Module):
    """CLIP's text encoder as HelloMeme asks it: 77 tokens, the last hidden state.

    Args:
        tokenizer: CLIP's.
        encoder: CLIP's text model.
    """

    def __init__(self, tokenizer: Any, encoder: Any) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._encoder = encoder

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Tensor:
        """Embed texts, shape (N, 77, D)."""
        asked = {"padding": "max_length", "max_length": TOKENS, "truncation": True, "return_tensors": "pt"}
        tokens = self._tokenizer(list(texts), **asked).input_ids
        embedded: Tensor = self._encoder(tokens.to(self._encoder.device))[0]
        return embedded


def load_words(tokenizer: Path, encoder: Path, dtype: torch.dtype) -> ClipWords:
    """Load CLIP's text encoder with its tokenizer.

    Raises:
        WeightsError: When files are missing or damaged.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    try:
        words = CLIPTokenizer.from_pretrained(str(tokenizer), local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{OWNER}: {tokenizer} holds no tokenizer (vocab.json, merges.txt): fetch it") from error
    return ClipWords(words, load_stock(CLIPTextModel, encoder, dtype))
