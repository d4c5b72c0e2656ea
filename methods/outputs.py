"""Results made elsewhere: a folder of images or clips named by case id, scored without touching the system's code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.digest import file_sha256
from ..core.errors import ConfigError, MissingOutputError
from ..core.options import Options, parse_options
from ..datasets.clip import Clip
from ..datasets.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Limits, read_clip
from .base import Animation, Generator, Inputs, MethodContext

LOSSLESS_SUFFIXES = {".png", ".mkv"}


class OutputsOptions(Options):
    """Options of results made elsewhere.

    Attributes:
        dir: Folder with ``<case id>.png``, ``.mp4`` and so on; optionally ``<case id>.canvas.*`` with the driving
            clip as that system cropped it.
    """

    dir: Path


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
        self._folder, self.settings = own.dir, own.model_dump(mode="json")
        if not self._folder.is_dir():
            raise ConfigError(f"method outputs: folder {self._folder} does not exist")
        known = IMAGE_SUFFIXES | VIDEO_SUFFIXES
        self._files: dict[str, Path] = {}
        for path in sorted(self._folder.iterdir()):
            if path.suffix.lower() in known and path.is_file():
                other = self._files.setdefault(path.stem, path)
                if other != path:
                    raise ConfigError(f"method outputs: both {other.name} and {path.name} in {self._folder}: keep one")
        if not self._files:
            raise ConfigError(f"method outputs: {self._folder} holds no image or clip named <case id>.png, .mp4, …")

    def fingerprint(self) -> Mapping[str, Any]:
        """The names of all files; what is in them counts case by case."""
        return {"name": self.name, "files": sorted(self._files)}

    def case_fingerprint(self, case_id: str) -> Mapping[str, Any]:
        """The case's own files, so that a changed result is scored again and the others are not."""
        paths = {"output": self._files.get(case_id), "canvas": self._files.get(f"{case_id}.canvas")}
        return {"name": self.name, "sha256": {role: path and file_sha256(path) for role, path in paths.items()}}

    def animate(self, inputs: Inputs) -> Animation:
        """Read the case's result.

        Raises:
            MissingOutputError: When the folder has none.
            MediaError: When it cannot be decoded.
        """
        path = self._files.get(inputs.case_id)
        if path is None:
            raise MissingOutputError(f"{self._folder} has no file named {inputs.case_id}.*")
        canvas = self._files.get(f"{inputs.case_id}.canvas")
        return Animation(
            self._read(path),
            self._read(canvas) if canvas else None,
            {"file": path.name, "lossy": int(path.suffix.lower() not in LOSSLESS_SUFFIXES)},
        )

    def _read(self, path: Path) -> Clip:
        return read_clip(path, Limits())
