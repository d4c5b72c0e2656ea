"""Squares around faces for files that come without a manifest."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..datasets.build import CropOf, Framing
from ..datasets.clip import Clip
from ..datasets.manifest import Crop
from ..datasets.media import probe
from ..datasets.timeline import sampled
from ..faces import BACKENDS
from ..faces.crops import CENTRE, portrait_crop
from ..faces.observer import Observer
from .component import component_spec


def face_framing(faces: str, zoom: float = 1.0, centre: tuple[float, float] = CENTRE) -> CropOf:
    """What centres crops on the largest face, and tells when there are several.

    Raises:
        ConfigError: When there is no such face backend, or it cannot be made.
    """
    backend = component_spec(faces, "--faces")
    observer = Observer([BACKENDS.get(backend.name)(backend.options)])

    def framing(clip: Clip) -> Framing | None:
        seen = observer.observe(clip, ["landmarks"])
        crop = portrait_crop(seen, zoom, centre)
        most = int(seen.counts.max(initial=0))
        note = f"{most} faces in a frame: the largest one is taken" if most > 1 else ""
        return None if crop is None else Framing(crop, note)

    return framing


class Framer:
    """Chooses squares around faces, as ``bench data build`` does.

    Args:
        backend: Face backend; "none" for none, "auto" for dlib on pictures that are not square.
        frames: Most frames of a clip to look at.

    Attributes:
        notes: What a person should know of the squares that were taken.
    """

    def __init__(self, backend: str, frames: int) -> None:
        self.notes: list[str] = []
        self._frames = frames
        self._auto = backend == "auto"
        self._backend = ("dlib" if find_spec("dlib") else "none") if self._auto else backend
        self._crop_of: CropOf | None = None

    def __call__(self, path: Path) -> Crop | None:
        """See :data:`.single_case.Choose`."""
        info = probe(path)
        if self._backend == "none" or (self._auto and info.width == info.height):
            return None
        if self._crop_of is None:
            self._crop_of = face_framing(self._backend)
        found = self._crop_of(sampled(path, 0, min(info.frames, self._frames)))
        if found is None:
            self.notes.append(f"{path.name}: no face was found, so the largest centred square is taken")
            return None
        if isinstance(found, Crop):
            return found
        if found.note:
            self.notes.append(f"{path.name}: {found.note}")
        return found.crop
