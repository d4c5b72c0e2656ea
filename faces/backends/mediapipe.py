"""MediaPipe's face landmarker: boxes, landmarks, 52 blendshapes, head rotation and gaze, offline on a CPU."""

from __future__ import annotations

import os
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from ...core.digest import array_digest, file_sha256
from ...core.download import DownloadProgress, FetchReport
from ...core.errors import WeightsError, one_line
from ...core.options import Options, UserPath, parse_options
from ...core.weights import WeightFile, file_on_disk
from ...datasets.clip import Frame
from ..base import BackendInfo, Face, FaceBackend, Floats
from ..blendshapes import BLENDSHAPES, BLINK
from ..mediapipe_model import BYTES, HOW, LICENCE, NAME, OWNER, URL, expected_place, fetch_model, locate_model
from ..mediapipe_points import mesh_to_box, mesh_to_five, mesh_to_gaze, mesh_to_ibug68
from ..policy import iou

ADAPTER_VERSION = 1
CLOSED = 0.5
"""Mean of the two blink scores above which the irises cannot be seen."""
_REMEMBERED = 2048
_MIN_IOU = 0.1


class MediapipeOptions(Options):
    """Options of the MediaPipe backend.

    Attributes:
        model: The file face_landmarker.task, or a folder with it; None looks where ``bench data fetch`` puts it, then
            in the installed distribution that carries it.
        max_faces: Most faces that are looked for in a frame.
        min_confidence: Lowest detection and presence confidence of a face.
    """

    model: UserPath | None = None
    max_faces: int = Field(default=4, ge=1, le=32)
    min_confidence: float = Field(default=0.5, gt=0, lt=1)


@dataclass(frozen=True, eq=False)
class _Mesh:
    """One face as the landmarker gives it: points (478, 3) in pixels, blendshapes (52,), rotation (3, 3)."""

    points: Floats
    blendshapes: Floats
    rotation: Floats


class MediapipeBackend(FaceBackend):
    """Google's face landmarker through the mediapipe package.

    Each frame goes through the graph once, alone and without tracking (image mode), whatever is asked about it; the
    answers for the last frames are remembered. Where another backend detected the faces, the mesh that overlaps the
    face's box most is read, and a face that no mesh overlaps gets NaN. The detector is BlazeFace short-range, made for
    faces within two metres: small ones in a large frame are missed. The package offers no number of threads; its
    answers are the same on one core and on several.

    Args:
        options: See :class:`MediapipeOptions`.
        device: Ignored: it runs on the CPU, and ``info.device`` says so.

    Raises:
        ConfigError: When an option is malformed.
        WeightsError: When mediapipe or the model file is missing or damaged.
    """

    name = "mediapipe"
    options_model = MediapipeOptions

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> list[WeightFile]:
        """The model file; see :meth:`Component.weight_files`."""
        given = parse_options(MediapipeOptions, options, OWNER).model or expected_place()
        path = given / NAME if given.is_dir() else given
        return [file_on_disk(path, name=NAME, source=URL, licence=LICENCE, how=HOW, size=BYTES)]

    @classmethod
    def fetch_weights(cls, to: Path | None, progress: DownloadProgress | None = None) -> FetchReport:
        """Bring all weights files to disk; see :meth:`Component.fetch_weights`."""
        return fetch_model(to, progress)

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:  # noqa: ARG002 - see device
        self._options = parse_options(MediapipeOptions, options, OWNER)
        try:
            import mediapipe
        except ImportError as error:
            raise WeightsError(f"{OWNER}: install it with: pip install 'portraitbench[mediapipe]'") from error
        self._mediapipe = mediapipe
        self._file = locate_model(self._options.model)
        self._known: OrderedDict[str, list[_Mesh]] = OrderedDict()
        self.info = BackendInfo(
            name="mediapipe",
            version=f"{mediapipe.__version__}+{ADAPTER_VERSION}",
            weights=file_sha256(self._file),
            licence=LICENCE,
            options={"max_faces": self._options.max_faces, "min_confidence": self._options.min_confidence},
        )

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """All faces of each frame with five points; the landmarker gives no score of a face, so it is 1."""
        return [
            [Face(mesh_to_box(mesh.points), 1.0, mesh_to_five(mesh.points)) for mesh in self._look(frame)]
            for frame in frames
        ]

    def landmarks(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """iBUG 68 points by the map of :data:`faces.mediapipe_points.IBUG_68`, shape (N, 68, 2)."""  # noqa: D403
        return self._read(frames, faces, (68, 2), lambda mesh: mesh_to_ibug68(mesh.points))

    def blendshapes(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Scores in [0, 1], shape (N, 52)."""
        return self._read(frames, faces, (len(BLENDSHAPES),), lambda mesh: mesh.blendshapes)

    def head_rotation(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Rotation of MediaPipe's canonical face to its virtual camera (63 degrees high), shape (N, 3, 3)."""
        return self._read(frames, faces, (3, 3), lambda mesh: mesh.rotation)

    def gaze(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Yaw and pitch of the eyes in degrees, shape (N, 2); see :func:`faces.mediapipe_points.mesh_to_gaze`."""

        def read(mesh: _Mesh) -> Floats:
            closed = mesh.blendshapes[BLINK].mean() > CLOSED
            return np.full(2, np.nan) if closed else mesh_to_gaze(mesh.points)

        return self._read(frames, faces, (2,), read)

    def _read(
        self,
        frames: Sequence[Frame],
        faces: Sequence[Face],
        shape: tuple[int, ...],
        read: Callable[[_Mesh], Floats],
    ) -> Floats:
        values = np.full((len(frames), *shape), np.nan)
        for row, (frame, face) in enumerate(zip(frames, faces, strict=True)):
            meshes = self._look(frame)
            overlaps = [iou(mesh_to_box(mesh.points), face.box) for mesh in meshes]
            if overlaps and max(overlaps) >= _MIN_IOU:
                values[row] = read(meshes[int(np.argmax(overlaps))])
        return values

    def _look(self, frame: Frame) -> list[_Mesh]:
        """All faces of one frame, computed once."""
        key = array_digest(frame)
        if key not in self._known:
            self._known[key] = self._run(frame)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]

    def _run(self, frame: Frame) -> list[_Mesh]:
        found = self._landmarker.detect(self._image(frame))
        height, width = frame.shape[:2]
        # Depth has the scale of x; coordinates are edges in [0, 1], ours are pixel centres at integers.
        scale, shift = np.array([width, height, width]), np.array([0.5, 0.5, 0.0])
        return [
            _Mesh(
                np.array([(point.x, point.y, point.z) for point in points]) * scale - shift,
                np.array([category.score for category in scores], np.float64),
                np.array(matrix, np.float64)[:3, :3],
            )
            for points, scores, matrix in zip(
                found.face_landmarks, found.face_blendshapes, found.facial_transformation_matrixes, strict=True
            )
        ]

    def _image(self, frame: Frame) -> Any:
        return self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))

    @cached_property
    def _landmarker(self) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        least = self._options.min_confidence
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=self._file.read_bytes()),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=self._options.max_faces,
            min_face_detection_confidence=least,
            min_face_presence_confidence=least,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        try:
            with _silent_stderr():
                landmarker = vision.FaceLandmarker.create_from_options(options)
                landmarker.detect(self._image(np.zeros((64, 64, 3), np.uint8)))
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{OWNER}: {self._file} cannot be used ({one_line(error, 160)}): {HOW}") from error
        weakref.finalize(self, _release, landmarker)
        return landmarker


def _release(landmarker: Any) -> None:
    """Close the graph; at the interpreter's end, when the library's executor is gone, leave it to the system."""
    try:
        landmarker.close()
    except RuntimeError:
        landmarker._handle = None  # else the library's destructor tries once more, and complains


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep the library's start-up notices, which no log level turns off, from the terminal; errors are raised."""
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
