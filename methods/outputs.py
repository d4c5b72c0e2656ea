"""Results made elsewhere: a folder of images or clips named by case id, scored without touching the system's code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import ConfigError, MediaError, MissingOutputError
from ..core.options import Options, UserPath, parse_options
from ..datasets.assets import content_sha256
from ..datasets.clip import Clip
from ..datasets.frame_folder import looks_like_frames
from ..datasets.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Limits, probe, read_clip
from .base import Animation, Generator, Inputs, MethodContext

LOSSLESS_SUFFIXES = {".png", ".mkv"}
SAME_ASPECT = 0.01
"""Relative difference up to which two aspect ratios count as one: sides are whole pixels, often even ones."""


class OutputsOptions(Options):
    """Options of results made elsewhere.

    Attributes:
        dir: Folder with ``<case id>.png``, ``.mp4`` and so on, or a folder of numbered frames for each case;
            optionally ``<case id>.canvas.*`` with the driving clip as that system cropped it.
        fit: What to do with results of another aspect ratio than the suite's canvas: "refuse" them, "crop" their
            middle, or "pad" them with black. Nothing is ever squeezed.
    """

    dir: UserPath
    fit: Literal["refuse", "crop", "pad"] = "refuse"


class Outputs(Generator):
    """Reads results by case id. Cases the folder lacks become rows with status ``missing``.

    Args:
        options: See :class:`OutputsOptions`.
        context: Not used.

    Raises:
        ConfigError: When the folder does not exist or holds no image and no clip.
    """

    name = "outputs"
    options_model = OutputsOptions

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:  # noqa: ARG002 - needs nothing
        own = parse_options(OutputsOptions, options, "method outputs")
        self._folder, self._fit, self.settings = own.dir, own.fit, own.model_dump(mode="json")
        if not self._folder.is_dir():
            raise ConfigError(f"method outputs: folder {self._folder} does not exist")
        self._files: dict[str, Path] = {}
        for path in sorted(self._folder.iterdir()):
            case_id = _case_id(path)
            if case_id is not None:
                other = self._files.setdefault(case_id, path)
                if other != path:
                    raise ConfigError(f"method outputs: both {other.name} and {path.name} in {self._folder}: keep one")
        if not self._files:
            raise ConfigError(f"method outputs: {self._folder} holds no image or clip named <case id>.png or .mkv")

    def fingerprint(self) -> Mapping[str, Any]:
        """The names of all files and how they are fitted; what is in them counts case by case."""
        return {"name": self.name, "files": sorted(self._files), "fit": self._fit}

    def case_fingerprint(self, case_id: str) -> Mapping[str, Any]:
        """The case's own files, so that a changed result is scored again and the others are not."""
        paths = {"output": self._files.get(case_id), "canvas": self._files.get(f"{case_id}.canvas")}
        digests = {role: path and content_sha256(path) for role, path in paths.items()}
        return {"name": self.name, "sha256": digests, "fit": self._fit}

    def require_cases(self, case_ids: Collection[str]) -> None:
        """See :meth:`Generator.require_cases`.

        Raises:
            ConfigError: When the folder has a result for none of the cases.
        """
        if self._files.keys().isdisjoint(case_ids):
            wanted, found = next(iter(case_ids), "<case id>"), next(iter(self._files.values())).name
            raise ConfigError(
                f"method outputs: {self._folder} has no result for any of the {len(case_ids)} cases: a file there is "
                f"called {found}, and a case {wanted} (bench suites show SUITE lists all ids)"
            )

    def inventory(self, frames: Mapping[str, int]) -> list[str]:
        """What the folder has for some cases, for people: counts, shapes, and names that nearly match.

        Args:
            frames: Driving frames by case id.
        """
        own = {case_id: path for case_id, path in self._files.items() if not case_id.endswith(".canvas")}
        matched = [case_id for case_id in frames if case_id in own]
        strangers = sorted(own.keys() - frames.keys())
        lines = [f"{len(matched)} of {len(frames)} cases have a result, {len(strangers)} files match no case"]
        shapes: dict[str, int] = {}
        for case_id in matched:
            shape = _shape(own[case_id], frames[case_id])
            shapes[shape] = shapes.get(shape, 0) + 1
        lines += [f"{count} x {shape}" for shape, count in sorted(shapes.items())]
        lines += [_few("without a result", [case_id for case_id in frames if case_id not in own])]
        named = [f"{own[name].name}{_nearest(name, frames)}" for name in strangers]
        return [line for line in [*lines, _few("matching no case", named)] if line]

    def animate(self, inputs: Inputs) -> Animation:
        """Read the case's result.

        Raises:
            MissingOutputError: When the folder has none.
            MediaError: When it cannot be decoded, or has another aspect ratio than the canvas and shall not be fitted.
        """
        path = self._files.get(inputs.case_id)
        if path is None:
            raise MissingOutputError(f"{self._folder} has no file named {inputs.case_id}.*")
        clip, canvas_path = read_clip(path, Limits()), self._files.get(f"{inputs.case_id}.canvas")
        canvas = read_clip(canvas_path, Limits()) if canvas_path else None
        detail: dict[str, Any] = {"file": path.name, "lossy": int(_is_lossy(path))}
        frame_of_reference = canvas or inputs.driving
        fitted = self._fitted(clip, frame_of_reference, path)
        if fitted is not clip:
            detail["fitted"] = f"{self._fit}: {clip.width} x {clip.height} to {fitted.width} x {fitted.height}"
        if notes := probe(path).notes:
            detail["notes"] = "; ".join(notes)
        return Animation(fitted, canvas, detail)

    def _fitted(self, clip: Clip, canvas: Clip, path: Path) -> Clip:
        """A clip with the canvas's aspect ratio."""
        own, wanted = clip.width / clip.height, canvas.width / canvas.height
        # A side that is off by one pixel is rounding.
        slack = max(SAME_ASPECT, 1 / min(clip.width, clip.height))
        if abs(own / wanted - 1) <= slack:
            return clip
        if self._fit == "refuse":
            raise MediaError(
                f"{path}: is {clip.width} x {clip.height}, another aspect ratio than the canvas of {canvas.width} x "
                f"{canvas.height}: make it again in that shape, or say fit=crop or fit=pad"
            )
        larger = own > wanted if self._fit == "crop" else own < wanted
        if larger:
            return Clip(_middle(clip.frames, 2, round(clip.height * wanted)), clip.fps)
        return Clip(_middle(clip.frames, 1, round(clip.width / wanted)), clip.fps)


def _case_id(path: Path) -> str | None:
    """Whose result a file or folder may be; None for what is no image, clip or folder of frames."""
    if path.is_dir():
        return path.name if looks_like_frames(path) else None
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and path.is_file() else None


def _is_lossy(path: Path) -> bool:
    if path.is_dir():
        return any(file.suffix.lower() not in LOSSLESS_SUFFIXES for file in path.iterdir())
    return path.suffix.lower() not in LOSSLESS_SUFFIXES


def _middle(frames: np.ndarray[Any, np.dtype[np.uint8]], axis: int, length: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The middle of an axis, or the axis with black on both sides."""
    more = length - frames.shape[axis]
    if more <= 0:
        first = -more // 2
        return frames.take(range(first, first + length), axis)
    widths = [(0, 0)] * frames.ndim
    widths[axis] = (more // 2, more - more // 2)
    return np.pad(frames, widths)


def _shape(path: Path, frames: int) -> str:
    try:
        info = probe(path)
    except MediaError as error:
        return f"unreadable ({error})"
    length = "as many frames as the driving" if info.frames == frames else f"{info.frames} frames for {frames}"
    return f"{info.width} x {info.height} (aspect {info.width / info.height:.3g}), {length}"


def _nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.7) or [
        case_id for case_id in known if case_id.lower() == name.lower() or name.startswith(case_id)
    ]
    return f" (near {near[0]})" if near else ""


def _few(what: str, names: Collection[str]) -> str:
    shown = list(names)[:5]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{what}: {', '.join(shown)}{more}" if names else ""
