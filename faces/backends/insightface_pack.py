"""InsightFace model packs on disk: which file is the detector, which the recogniser, and what is amiss.

Packs are folders of ONNX files, told apart by the shapes of their graphs as InsightFace itself does, never by name.
Nothing is downloaded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import WeightsError
from ...core.files import human_size
from ...core.onnx_file import read_onnx

OWNER = "face backend insightface"
DEFAULT_PACK = Path("~/.insightface/models/buffalo_l")
SIZES = {"det_10g.onnx": 16_923_827, "w600k_r50.onnx": 174_383_860}
"""Bytes of the two files of buffalo_l that are used."""
PACKS = "https://github.com/deepinsight/insightface/releases"
EXPECTED = "det_10g.onnx (16,923,827 bytes) and w600k_r50.onnx (174,383,860 bytes)"
HOW = (
    "unpack buffalo_l.zip of github.com/deepinsight/insightface/releases (model-zoo) so that the folder holds "
    f"{EXPECTED}, and give the folder as option pack"
)

_UNUSED = {"1k3d68.onnx", "2d106det.onnx", "genderage.onnx"}


@dataclass(frozen=True)
class Pack:
    """The two files of a pack that are used.

    Attributes:
        detector: SCRFD, finds faces and five points.
        recogniser: ArcFace.
    """

    detector: Path
    recogniser: Path


def locate_pack(folder: Path | None) -> Pack:
    """Find detector and recogniser; the first of each kind in the order of file names counts, as in InsightFace.

    Args:
        folder: The option; None looks at ``~/.insightface/models/buffalo_l``.

    Raises:
        WeightsError: When the folder is missing, empty, nested one level too deep, lacks one of the two, has a newer
            format, or a file is damaged.
    """
    given = folder or DEFAULT_PACK
    path = given.expanduser()
    if not path.is_dir():
        kind = "is a file, not a folder" if path.exists() else "does not exist"
        raise WeightsError(f"{OWNER}: pack {given} {kind}: {HOW}")
    if (path / "manifest.json").is_file():
        raise WeightsError(f"{OWNER}: pack {given} has a manifest.json, a format that is not supported: use buffalo_l")
    files = sorted(path.glob("*.onnx"))
    if not files:
        raise WeightsError(f"{OWNER}: pack {given} {_why_empty(path)}")
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(kind_of(file), file)
    for kind in ("detector", "recogniser"):
        if kind not in found:
            raise WeightsError(f"{OWNER}: pack {given} has no {kind} among {_names(files)}: expected {EXPECTED}")
    return Pack(found["detector"], found["recogniser"])


def kind_of(file: Path) -> str:
    """Tell what an ONNX file is: "detector", "recogniser" or "other".

    Raises:
        WeightsError: When the file cannot be read.
    """
    if file.name in _UNUSED:
        return "other"
    try:
        graph = read_onnx(file).graph
    except WeightsError as error:
        raise damaged(file) from error
    if len(graph.output) >= 5:
        return "detector"
    height, width = _input_sides(graph)
    return "recogniser" if height == width and height >= 112 and height % 16 == 0 and height != 192 else "other"


def damaged(file: Path) -> WeightsError:
    """The error for a file that cannot be used, with its size and the size it should have where that is known."""
    size = file.stat().st_size if file.is_file() else 0
    expected = f", expected {SIZES[file.name]:,}" if file.name in SIZES else ""
    return WeightsError(
        f"{OWNER}: {file} is not a usable ONNX file ({size:,} bytes{expected}), maybe cut short: fetch the pack again"
    )


def _input_sides(graph: Any) -> tuple[int, int]:
    """Height and width of the image input, 0 where they are not fixed."""
    constants = {item.name for item in graph.initializer}
    images = [item for item in graph.input if item.name not in constants]
    sides = [int(axis.dim_value) for axis in images[0].type.tensor_type.shape.dim] if images else []
    return (sides[2], sides[3]) if len(sides) == 4 else (0, 0)


def _why_empty(path: Path) -> str:
    nested = next((file.parent for file in sorted(path.glob("*/*.onnx"))), None)
    if nested is not None:
        return f"holds its files one folder deeper: give {nested}"
    archives = [file for file in path.iterdir() if file.suffix == ".zip"]
    if archives:
        size = human_size(archives[0].stat().st_size)
        return f"holds {archives[0].name} ({size}) but no ONNX file: unpack it there"
    return f"is empty: {HOW}"


def _names(files: list[Path]) -> str:
    return ", ".join(file.name for file in files[:6])
