"""Whether the files of a part are there, whole and of the right model, without loading them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...core.errors import WeightsError
from ...core.files import human_size
from ...core.onnx_file import require_image_model
from ...core.weights import Shapes, WeightFile, known_digest, require_shapes, tensor_shapes
from .weights import BLENDSHAPES, DETECTOR, GET, HEAD, LANDMARKS, OWNER, Part, missing, repository_folder

_ONNX: dict[str, tuple[tuple[int, int], int]] = {
    DETECTOR: ((272, 160), 6),
    LANDMARKS: ((128, 128), 3),
    HEAD: ((224, 224), 1),
    BLENDSHAPES: ((224, 224), 1),
}
"""Height and width of the image input, and how many outputs there are at least."""


def inspect(part: Part, weights: Path | None, *, hashed: bool = False) -> list[WeightFile]:
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
) -> WeightFile:
    below = [f"{part.below}/{name}".lstrip("/") for name in names]
    found = next((name for name in below if root is not None and (root / name).is_file()), None)
    state = WeightFile(
        name=f"{part.repository}/{found or below[0]}",
        source=part.url,
        licence=part.licence,
        path=None,
        how=GET if weights is None else f"{GET} --to {weights}",
        role=part.role,
        about_size=part.about,
        only=tuple(sorted(part.only)),
    )
    if root is None or found is None:
        return replace(state, problem=str(missing(part, state.name, weights)))
    path = root / found
    size, sha256, problem = path.stat().st_size, "", ""
    try:
        sha256 = known_digest(path, root, found, hashed=hashed)
        _check(path, part)
    except WeightsError as error:
        again = f"remove it and run '{state.how}', or get it from {part.url}"
        problem = f"{OWNER}: {path} ({human_size(size)}) {error}: {again}"
    return replace(state, path=path, problem=problem, size=size, sha256=sha256)


def _check(path: Path, part: Part) -> None:
    """Raise a :class:`WeightsError` that completes a sentence about the file."""
    if path.suffix == ".safetensors":
        _check_tensors(tensor_shapes(path), part, path.parent)
    elif path.suffix == ".onnx":
        require_image_model(path, *_ONNX[path.name])
    elif path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            raise WeightsError("is not readable JSON") from error
    elif path.suffix == ".bin" and path.stat().st_size < 2 * part.fewest_parameters:
        raise WeightsError(
            f"is cut short: {part.fewest_parameters:,} numbers need {human_size(2 * part.fewest_parameters)} at least"
        )


def _check_tensors(shapes: Shapes, part: Part, folder: Path) -> None:
    """Compare with our own network of that part, or with the number of parameters where it is a stock one."""
    table = own_tables(folder).get(part.name)
    if table is None:
        count = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("position_ids"))
        if count != part.parameters:
            raise WeightsError(f"belongs to another model: it has {count:,} parameters, not {part.parameters:,}")
        return
    require_shapes(shapes, table())


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
