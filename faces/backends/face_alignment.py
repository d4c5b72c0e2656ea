"""face-alignment: the S3FD detector and FAN's 68 landmarks, with weights that the user fetches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from ...core.checkpoints import check_device, load_state, load_strictly, need_file
from ...core.digest import digest, file_sha256
from ...core.errors import NoFaceError, WeightsError
from ...core.options import Options, UserPath, parse_options
from ...core.weights import WeightFile, file_on_disk
from ...datasets.clip import Frame
from ..base import BackendInfo, Face, FaceBackend, Floats, Grade
from ..policy import area

ADAPTER_VERSION = 1
OWNER = "face backend face-alignment"
FILES = {"detector": "s3fd-619a316812.pth", "landmarks": "2DFAN4-11f355bf06.pth.tar"}
URL = "https://www.adrianbulat.com/downloads/python-fan/"
LICENCE = "face-alignment: BSD-3; weights: its authors' download, trained on 300-W-LP and WIDER FACE (research data)"

_STACKS = 4


class FaceAlignmentOptions(Options):
    """Options of the face-alignment backend.

    Attributes:
        weights: Folder with the two files of :data:`FILES`; None looks where torch.hub keeps downloads.
        threshold: Lowest score of a face.
        random_weights: Declares that the files were not trained: every number is stamped as no measurement.
    """

    weights: UserPath | None = None
    threshold: float = Field(default=0.5, ge=0, lt=1)
    random_weights: bool = False


class FaceAlignmentBackend(FaceBackend):
    """Finds faces with S3FD and 68 landmarks with 2D-FAN-4, both as face-alignment computes them.

    FAN's points are whole pixels and lie half a pixel up and left of the truth on average: its 64 x 64 maps are decoded
    to quarter cells and then cut to integers. That is what the field reports, so it is left as it is.

    Args:
        options: See :class:`FaceAlignmentOptions`.
        device: "cpu", "cuda" or "mps".

    Raises:
        ConfigError: When an option is malformed or the device is absent.
        WeightsError: When the library or a weights file is missing, damaged or of another model.
    """

    name = "face-alignment"
    options_model = FaceAlignmentOptions

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> list[WeightFile]:
        """Detector and landmark network; see :meth:`Component.weight_files`."""
        folder = parse_options(FaceAlignmentOptions, options, OWNER).weights or default_folder()
        return [
            file_on_disk(folder.expanduser() / name, name=name, source=URL + name, licence=LICENCE, how=how(name))
            for name in FILES.values()
        ]

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        own = parse_options(FaceAlignmentOptions, options, OWNER)
        try:
            import face_alignment  # noqa: F401
        except ImportError as error:
            raise WeightsError(f"{OWNER}: install it with: pip install 'portraitbench[fan]'") from error
        check_device(device, OWNER)
        files = locate_weights(own.weights)
        self._detector = _make_detector(files["detector"], device, own.threshold)
        self._aligner = _make_aligner(files["landmarks"], device, self._detector)
        self.info = BackendInfo(
            name="face-alignment",
            version=f"{version('face-alignment')}+{ADAPTER_VERSION}",
            weights=digest({part: file_sha256(path) for part, path in files.items()}),
            licence=LICENCE,
            device=device,
            grade=Grade.RANDOM if own.random_weights else Grade.REAL,
            options={"threshold": own.threshold, "flip_input": False},
        )

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """All faces of each frame, best score first, without five points. Boxes beyond the frame are left out."""
        with _torch_settings_kept():
            found = [self._detector.detect_from_image(frame) for frame in frames]
        return [
            [Face(np.asarray(row[:4], np.float64), float(row[4])) for row in rows if _is_inside(frame, row)]
            for frame, rows in zip(frames, found, strict=True)
        ]

    def landmarks(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """The iBUG 68 points in whole pixels, shape (N, 68, 2), from the box of each face.

        Raises:
            NoFaceError: When a box is empty or outside its frame.
        """
        points = np.empty((len(frames), 68, 2))
        with _torch_settings_kept():
            for row, (frame, face) in enumerate(zip(frames, faces, strict=True)):
                if not _is_inside(frame, face.box):
                    box = np.round(face.box, 1).tolist()
                    raise NoFaceError(f"{OWNER}: the face box {box} is empty or outside the frame")
                # One face per call: upstream joins the points of all faces of a frame into one array.
                points[row] = self._aligner.get_landmarks_from_image(frame, detected_faces=[face.box])[0]
        return points


def locate_weights(folder: Path | None) -> dict[str, Path]:
    """Find the two weights files.

    Args:
        folder: The option; None looks into torch.hub's folder of checkpoints.

    Returns:
        Paths by part ("detector", "landmarks").

    Raises:
        WeightsError: When a file is missing.
    """
    folder = default_folder() if folder is None else folder.expanduser()
    return {part: need_file(folder / name, OWNER, how(name)) for part, name in FILES.items()}


def default_folder() -> Path:
    """Where torch.hub, and so face-alignment itself, keeps downloads."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def how(name: str) -> str:
    """The way to get a weights file."""
    return f"download {URL}{name} into that folder, or give another folder as option weights"


def _make_detector(path: Path, device: str, threshold: float) -> Any:
    """S3FD without its constructor, which downloads what it misses."""
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.detection.sfd.sfd_detector import SFDDetector

    network = s3fd()
    load_strictly(network, load_state(path, OWNER), path, OWNER)
    detector = SFDDetector.__new__(SFDDetector)
    detector.device, detector.verbose = device, False
    detector.filter_threshold = threshold
    detector.face_detector = network.to(device)
    return detector


def _make_aligner(path: Path, device: str, detector: Any) -> Any:
    """FaceAlignment without its constructor, which downloads, and by default compiles and mirrors."""
    import torch
    from face_alignment import FaceAlignment, LandmarksType
    from face_alignment.models import FAN

    network = FAN(_STACKS)
    load_strictly(network, load_state(path, OWNER), path, OWNER)
    aligner = FaceAlignment.__new__(FaceAlignment)
    aligner.device, aligner.dtype, aligner.verbose = device, torch.float32, False
    aligner.flip_input, aligner.max_batch_size = False, 1
    aligner.landmarks_type = LandmarksType.TWO_D
    aligner.face_detector = detector
    aligner.face_alignment_net = network.to(device)
    return aligner


def _is_inside(frame: Frame, box: Floats) -> bool:
    """Whether a box has an extent, and both it and the square that upstream crops for it touch the frame."""
    low, high = np.asarray(box[:2]), np.asarray(box[2:4])
    limit = np.array([frame.shape[1], frame.shape[0]])
    if area(box) < 1 or (low >= limit).any() or (high <= 0).any():
        return False
    width, height = high - low
    centre = (low + high) / 2 - np.array([0.0, 0.12 * height])
    half = 100 / 195 * (width + height) - 2  # Upstream cuts corners to whole pixels, counted from one.
    return bool((centre + half > 0).all() and (centre - half < limit).all())


@contextmanager
def _torch_settings_kept() -> Iterator[None]:
    """Restore what upstream sets for the whole process on every call on a GPU."""
    import torch

    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = benchmark
