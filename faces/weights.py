"""What the face backends expect on disk: a table for people, found or missing, with the way to get each file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.digest import file_sha256
from . import emonet_backend, face_alignment_backend, insightface_pack, mediapipe_model
from .insightface_backend import LICENCE as INSIGHTFACE_LICENCE


@dataclass(frozen=True)
class WeightsEntry:
    """One file that a backend reads.

    Attributes:
        backend: Registry name.
        name: The publisher's file name.
        path: Where it was looked for; None where the backend has no usual place and none was given.
        found: Whether a file is there.
        size: Its bytes, 0 when missing.
        expected_size: The publisher's bytes, where known.
        sha256: Digest of the file, empty when missing.
        licence: Licence of the weights.
        how: The way to get it, one sentence.
    """

    backend: str
    name: str
    path: Path | None
    found: bool
    size: int
    expected_size: int | None
    sha256: str
    licence: str
    how: str

    @property
    def status(self) -> str:
        """One of "found", "missing" and "wrong size"."""
        if not self.found:
            return "missing"
        return "found" if self.expected_size in (None, self.size) else "wrong size"


def describe_weights(options: Mapping[str, Mapping[str, Any]] | None = None) -> list[WeightsEntry]:
    """List the weights files of the backends that bring none.

    Nothing is loaded and no library is needed; a backend given another pack is better judged by making it.

    Args:
        options: Options by backend name, as for the backends; their paths are looked at, else the usual places.
    """
    given = options or {}
    pack = _path(given, "insightface", "pack") or insightface_pack.DEFAULT_PACK.expanduser()
    hub = _path(given, "face-alignment", "weights") or face_alignment_backend.default_folder()
    emonet = _path(given, "emonet", "weights")
    entries = [
        _entry("insightface", pack / name, INSIGHTFACE_LICENCE, insightface_pack.HOW, size)
        for name, size in insightface_pack.SIZES.items()
    ]
    entries += [
        _entry("face-alignment", hub / name, face_alignment_backend.LICENCE, face_alignment_backend.how(name))
        for name in face_alignment_backend.FILES.values()
    ]
    if emonet is None or emonet.is_dir():
        emonet = emonet_backend.file_in(emonet) if emonet else None
    model = _path(given, "mediapipe", "model") or mediapipe_model.expected_place()
    place = model / mediapipe_model.NAME if model.is_dir() else model
    entries.append(_entry("mediapipe", place, mediapipe_model.LICENCE, mediapipe_model.HOW, mediapipe_model.BYTES))
    entries.append(_entry("emonet", emonet, emonet_backend.LICENCE, emonet_backend.HOW))
    return entries


def _path(options: Mapping[str, Mapping[str, Any]], backend: str, option: str) -> Path | None:
    value = options.get(backend, {}).get(option)
    return Path(value).expanduser() if value else None


def _entry(backend: str, path: Path | None, licence: str, how: str, size: int | None = None) -> WeightsEntry:
    found = path is not None and path.is_file()
    return WeightsEntry(
        backend=backend,
        name=path.name if path else emonet_backend.FILES[0],
        path=path,
        found=found,
        size=path.stat().st_size if path and found else 0,
        expected_size=size,
        sha256=file_sha256(path) if path and found else "",
        licence=licence,
        how=how,
    )
