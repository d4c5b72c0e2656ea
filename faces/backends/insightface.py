"""InsightFace: SCRFD detection and ArcFace identity, from a model pack that the user fetches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from ...core.digest import digest, file_sha256
from ...core.errors import ConfigError, WeightsError
from ...core.options import Options, UserPath, parse_options
from ...core.weights import WeightFile, file_on_disk
from ...datasets.clip import Frame
from ..alignment import ARCFACE_SIZE, arcface_matrix, five_points, warp_face
from ..base import BackendInfo, Face, FaceBackend, Floats, Grade
from .insightface_pack import DEFAULT_PACK, HOW, OWNER, PACKS, SIZES, damaged, locate_pack

if TYPE_CHECKING:
    from ..networks.arcface import DifferentiableArcFace

ADAPTER_VERSION = 1
LICENCE = "insightface: MIT; all its model packs: non-commercial research only"

_AUTO_SIZES = [(128, 128), (640, 640)]
_BATCH = 16
_WIDTH = 512


class InsightFaceOptions(Options):
    """Options of the InsightFace backend.

    Attributes:
        pack: Folder with the pack's ONNX files; None looks at ``~/.insightface/models/buffalo_l``.
        det_size: Sides of the square the detector sees: a multiple of 32, or "auto" for 128 and 640 merged. At 640
            alone, faces that fill the frame are missed.
        det_thresh: Lowest score of a face.
        random_weights: Declares that the files were not trained: every number is stamped as no measurement.
    """

    pack: UserPath | None = None
    det_size: str = Field(default="auto", pattern=r"^(auto|[1-9]\d{1,3})$", coerce_numbers_to_str=True)
    det_thresh: float = Field(default=0.5, gt=0, lt=1)
    random_weights: bool = False


class InsightFaceBackend(FaceBackend):
    """Finds faces with five points, and embeds them with ArcFace.

    The alignment and the crop are our own, so that the differentiable embedder sees the same pixels: least-squares
    similarity to InsightFace's template, bilinear, black border, not rounded to bytes.

    Args:
        options: See :class:`InsightFaceOptions`.
        device: "cpu" or "cuda"; on "mps" it runs on the CPU and says so in ``info``.

    Raises:
        ConfigError: When an option is malformed or onnxruntime cannot use the device.
        WeightsError: When a library or a file of the pack is missing or damaged.
    """

    name = "insightface"
    options_model = InsightFaceOptions

    space: ClassVar[str] = "arcface"

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> list[WeightFile]:
        """The two files of buffalo_l; another pack is better judged by making the backend."""
        pack = (parse_options(InsightFaceOptions, options, OWNER).pack or DEFAULT_PACK).expanduser()
        return [
            file_on_disk(pack / name, name=name, source=PACKS, licence=LICENCE, how=HOW, size=size)
            for name, size in SIZES.items()
        ]

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        own = parse_options(InsightFaceOptions, options, OWNER)
        sizes = _AUTO_SIZES if own.det_size == "auto" else [(int(own.det_size), int(own.det_size))]
        if any(side % 32 for side, _ in sizes):
            raise ConfigError(f"{OWNER}: det_size must be a multiple of 32, not {own.det_size}")
        self._pack = locate_pack(own.pack)
        version = _library_version()
        providers = _providers(device)
        self._detector = _load(self._pack.detector, "detection", providers)
        self._detector.prepare(0, input_size=sizes, det_thresh=own.det_thresh)
        self._recogniser = _load(self._pack.recogniser, "recognition", providers)
        if not self._detector.use_kps:
            raise WeightsError(f"{OWNER}: {self._pack.detector} gives no five points: use a pack whose detector does")
        files = {"detector": self._pack.detector, "recogniser": self._pack.recogniser}
        self.info = BackendInfo(
            name="insightface",
            version=f"{version}+{ADAPTER_VERSION}",
            weights=digest({part: file_sha256(path) for part, path in files.items()}),
            licence=LICENCE,
            device="cpu" if device == "mps" else device,
            grade=Grade.RANDOM if own.random_weights else Grade.REAL,
            options={
                # A detector exported with a fixed size keeps it, whatever was asked for.
                "det_size": "+".join(f"{width}x{height}" for width, height in self._detector.input_sizes),
                "det_thresh": own.det_thresh,
                **{part: path.stem for part, path in files.items()},
            },
        )

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """All faces of each frame with five points, best score first."""
        return [self._detect_one(frame) for frame in frames]

    def embed(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """ArcFace vectors of one face per frame, not normalised, shape (N, 512).

        Faces of other detectors need 68 landmarks. A face whose points coincide gives NaN.

        Raises:
            ConfigError: When a face has neither five points nor landmarks.
            WeightsError: When the network answers with zero, NaN or infinity.
        """
        crops, rows = [], []
        for row, (frame, face) in enumerate(zip(frames, faces, strict=True)):
            if face.points is None and face.landmarks is None:
                raise ConfigError(f"{OWNER}: the identity needs five points or a landmark backend: add one to faces")
            try:
                matrix = arcface_matrix(five_points(face))
                crops.append(warp_face(frame, matrix)[..., ::-1].astype(np.float32))
            except ValueError:
                continue  # The row stays NaN, which is scored as undefined.
            rows.append(row)
        found = self._run(crops)
        norms = np.linalg.norm(found, axis=1)
        if not (np.isfinite(norms) & (norms > 0)).all():
            raise WeightsError(f"{OWNER}: {self._pack.recogniser} gives vectors that are zero or not finite")
        vectors = np.full((len(frames), found.shape[1]), np.nan)
        vectors[rows] = found
        return vectors

    def differentiable(self) -> DifferentiableArcFace:
        """The recogniser as a torch module with gradients to the pixels, from the same file."""
        from ..networks.arcface import DifferentiableArcFace

        return DifferentiableArcFace(self._pack.recogniser).eval()

    def _detect_one(self, frame: Frame) -> list[Face]:
        found, points = self._detector.detect(np.ascontiguousarray(frame[..., ::-1]))
        return [
            Face(np.asarray(row[:4], np.float64), float(row[4]), points=np.asarray(own, np.float64))
            for row, own in zip(found, points, strict=True)
        ]

    def _run(self, crops: list[Any]) -> Floats:
        """Embed BGR crops in batches, or one by one where the file has a fixed batch."""
        fixed = self._recogniser.input_shape[0]
        batch = fixed if isinstance(fixed, int) and fixed > 0 else _BATCH
        parts = [self._recogniser.get_feat(crops[start : start + batch]) for start in range(0, len(crops), batch)]
        return np.concatenate(parts).astype(np.float64) if parts else np.empty((0, _WIDTH))


def _library_version() -> str:
    try:
        import insightface
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise WeightsError(f"{OWNER}: install it with: pip install 'portraitbench[arcface]'") from error
    return str(insightface.__version__)


def _providers(device: str) -> list[Any]:
    """Execution providers of onnxruntime for a device, the wanted one first."""
    import onnxruntime

    kind, _, index = device.partition(":")
    if kind in ("cpu", "mps"):
        return ["CPUExecutionProvider"]
    if kind != "cuda":
        raise ConfigError(f"{OWNER}: unknown device {device!r}: use cpu or cuda")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ConfigError(
            f"{OWNER}: the installed onnxruntime has no CUDA: replace it with onnxruntime-gpu, or use --device cpu"
        )
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]


def _load(file: Path, task: str, providers: list[Any]) -> Any:
    """Make a session of one file through InsightFace's model zoo, and check that it runs where it should."""
    from insightface.model_zoo import get_model

    try:
        model = get_model(str(file), providers=providers)
    except Exception as error:
        raise damaged(file) from error
    if model is None or model.taskname != task or (task == "recognition" and model.input_size[0] != ARCFACE_SIZE):
        raise WeightsError(f"{OWNER}: {file} is not a {task} model of InsightFace with the usual input")
    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    if model.session.get_providers()[0] != wanted:
        raise ConfigError(f"{OWNER}: onnxruntime fell back from {wanted} to the CPU: check its CUDA libraries")
    return model
