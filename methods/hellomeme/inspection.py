"""Whether the files of a part are there, whole and of the right model, without loading them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.digest import file_sha256
from ...core.errors import WeightsError
from ...core.files import human_size
from ...core.onnx_file import read_onnx
from .weights import BLENDSHAPES, DETECTOR, HEAD, LANDMARKS, OWNER, Part, missing, repository_folder

RECORD = "portraitbench-files.json"
"""Beside fetched files: their sizes and digests as the hub gave them."""
Shapes = dict[str, tuple[int, ...]]

_HEADER_LIMIT = 100 << 20
_ONNX: dict[str, tuple[tuple[int, int], int]] = {
    DETECTOR: ((272, 160), 6),
    LANDMARKS: ((128, 128), 3),
    HEAD: ((224, 224), 1),
    BLENDSHAPES: ((224, 224), 1),
}
"""Height and width of the image input, and how many outputs there are at least."""


@dataclass(frozen=True)
class FileState:
    """What was found of one file.

    Attributes:
        part: Which part it belongs to.
        name: Below the hub repository.
        path: Where it is; None when it is not there.
        problem: What is amiss, one line that says the mend; empty when nothing is.
        size: Its bytes; 0 when it is not there.
        sha256: Digest, where one is known without reading the file: from the hub's cache or the record of a fetch.
    """

    part: Part
    name: str
    path: Path | None
    problem: str = ""
    size: int = 0
    sha256: str = ""

    @property
    def status(self) -> str:
        """One of "found", "missing" and "damaged"."""
        if self.path is None:
            return "missing"
        return "damaged" if self.problem else "found"


def inspect(part: Part, weights: Path | None, *, hashed: bool = False) -> list[FileState]:
    """Look at every file of a part.

    Args:
        part: Which.
        weights: Folder of repositories; None looks into the Hugging Face cache.
        hashed: Also read fetched files as a whole and compare their sha256.
    """
    root = repository_folder(part.repository, weights)
    return [_inspect_file(part, root, names, weights, hashed) for names in part.alternatives]


def require(part: Part, weights: Path | None) -> list[Path]:
    """The files of a part, checked.

    Raises:
        WeightsError: For the first one that is missing or damaged.
    """
    paths = []
    for state in inspect(part, weights):
        if state.path is None or state.problem:
            raise WeightsError(state.problem)
        paths.append(state.path)
    return paths


def _inspect_file(
    part: Part, root: Path | None, names: tuple[str, ...], weights: Path | None, hashed: bool
) -> FileState:
    below = [f"{part.below}/{name}".lstrip("/") for name in names]
    found = next((name for name in below if root is not None and (root / name).is_file()), None)
    if root is None or found is None:
        return FileState(part, below[0], None, str(missing(part, f"{part.repository}/{below[0]}", weights)))
    path = root / found
    size, sha256, problem = path.stat().st_size, "", ""
    try:
        sha256 = _known_digest(path, root, found, hashed)
        _check(path, part)
    except WeightsError as error:
        to = "" if weights is None else f" --to {weights}"
        again = f"remove it and run 'bench data fetch --weights hellomeme{to}', or get it from {part.url}"
        problem = f"{OWNER}: {path} ({human_size(size)}) {error}: {again}"
    return FileState(part, found, path, problem, size, sha256)


def _known_digest(path: Path, root: Path, name: str, hashed: bool) -> str:
    """The digest that the cache or a record gives, compared where there is something to compare."""
    blob = path.resolve().name
    if len(blob) == 64 and "." not in blob:
        _compare(path, blob if hashed else None, None)
        return blob
    try:
        entry = json.loads((root / RECORD).read_text())["files"].get(name, {})
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"cannot be judged, {root / RECORD} is damaged") from error
    _compare(path, entry.get("sha256") if hashed else None, entry.get("bytes"))
    return str(entry.get("sha256") or "")


def _compare(path: Path, sha256: str | None, size: int | None) -> None:
    found = path.stat().st_size
    if size is not None and found != size:
        raise WeightsError(f"{'is cut short' if found < size else 'has changed'}: {size:,} bytes were fetched")
    if sha256 and (other := file_sha256(path)) != sha256:
        raise WeightsError(f"has changed: its sha256 is {other}, not {sha256}")


def _check(path: Path, part: Part) -> None:
    """Raise a :class:`WeightsError` that completes a sentence about the file."""
    if path.suffix == ".safetensors":
        _check_tensors(tensor_shapes(path), part, path.parent)
    elif path.suffix == ".onnx":
        _check_onnx(path)
    elif path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            raise WeightsError("is not readable JSON") from error
    elif path.suffix == ".bin" and path.stat().st_size < 2 * part.parameters:
        raise WeightsError(f"is cut short: {part.parameters:,} numbers need {human_size(2 * part.parameters)} at least")


def tensor_shapes(path: Path) -> Shapes:
    """Names and shapes of a safetensors file's tensors, from its header alone.

    Raises:
        WeightsError: When it is damaged or cut short.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header: dict[str, Any] = json.loads(file.read(length)) if 2 <= length <= _HEADER_LIMIT else {}
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            end = 8 + length + max(entry["data_offsets"][1] for entry in tensors.values())
            shapes = {name: tuple(entry["shape"]) for name, entry in tensors.items()}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise WeightsError("is not a readable safetensors file, maybe cut short") from error
    size = path.stat().st_size
    if size != end:
        raise WeightsError(f"{'is cut short' if size < end else 'is too long'}: its header says {end:,} bytes")
    return shapes


def _check_tensors(shapes: Shapes, part: Part, folder: Path) -> None:
    """Compare with our own network of that part, or with the number of parameters where it is a stock one."""
    table = own_tables(folder).get(part.name)
    if table is None:
        count = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("position_ids"))
        if count != part.parameters:
            raise WeightsError(f"belongs to another model: it has {count:,} parameters, not {part.parameters:,}")
        return
    own = table()
    facts = {
        "missing": sorted(own.keys() - shapes.keys()),
        "unknown": sorted(shapes.keys() - own.keys()),
        "of another shape": sorted(name for name in own.keys() & shapes.keys() if own[name] != shapes[name]),
    }
    wrong = [f"{len(names)} tensors {kind} ({names[0]!r})" for kind, names in facts.items() if names]
    if wrong:
        raise WeightsError(f"belongs to another model: {', '.join(wrong)}")


def own_tables(folder: Path) -> dict[str, Callable[[], Shapes]]:
    """For each network that HelloMeme trained: a function that gives its tensors' names and shapes.

    Args:
        folder: With the ``config.json`` of the motion modules, the only one that says anything about sizes.
    """
    import torch
    from diffusers import MotionAdapter

    from .adapters import MotionKnits, ReferenceAdapter
    from .architecture import REAL
    from .control import ControlNetwork
    from .pdfgc import PdFgcEncoder

    def table(make: Callable[[], torch.nn.Module]) -> Callable[[], Shapes]:
        def shapes() -> Shapes:
            with torch.device("meta"):
                return {name: tuple(value.shape) for name, value in make().state_dict().items()}

        return shapes

    def motion_modules() -> Shapes:
        config = folder / "config.json"
        try:
            return table(lambda: MotionAdapter.from_config(MotionAdapter.load_config(config)))()
        except (OSError, ValueError, TypeError) as error:
            raise WeightsError(f"cannot be judged without a readable {config}") from error

    return {
        "hm3_animatediff": motion_modules,
        "hm3_reference": table(lambda: ReferenceAdapter(REAL.up_channels)),
        "hm3_motion": table(lambda: MotionKnits(REAL.channels, REAL.up_channels)),
        "hm3_control_mix": table(lambda: ControlNetwork(REAL.control_channels, REAL.channels)),
        "pd_fgc_motion": table(PdFgcEncoder),
    }


def _check_onnx(path: Path) -> None:
    try:
        graph = read_onnx(path).graph
    except WeightsError as error:
        if "needs onnx" in str(error):
            return  # Nobody asked to run it; making the session says what to install.
        raise WeightsError("is not a readable ONNX file, maybe cut short") from error
    (height, width), outputs = _ONNX[path.name]
    constants = {item.name for item in graph.initializer}
    images = [item for item in graph.input if item.name not in constants]
    sides = [axis.dim_value for axis in images[0].type.tensor_type.shape.dim][1:] if images else []
    expected = [3, height, width]
    fits = len(sides) == 3 and all(side in (0, other) for side, other in zip(sides, expected, strict=True))
    if not fits or len(graph.output) < outputs:
        raise WeightsError(
            f"belongs to another model: its image input is {sides}, not {expected}, or it has {len(graph.output)} "
            f"outputs, not {outputs}"
        )
