"""HSEmotion (EmotiEffLib): valence and arousal from an ONNX file that the user fetches; not EmoNet's scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...core.checkpoints import need_file
from ...core.digest import file_sha256
from ...core.errors import WeightsError
from ...core.onnx_session import OnnxSession
from ...core.options import Options, UserPath, parse_options
from ...core.weights import WeightFile, file_on_disk
from ...datasets.clip import Frame
from ..base import BackendInfo, Face, FaceBackend, Floats, Grade

ADAPTER_VERSION = 1
OWNER = "face backend hsemotion"
FILE = "enet_b0_8_va_mtl.onnx"
LICENCE = (
    "EmotiEffLib code and files: Apache-2.0; the weights were trained on AffectNet, whose terms allow non-commercial "
    "research only"
)
PAGE = "https://github.com/sb-ai-lab/EmotiEffLib"
HOW = (
    f"take {FILE} from models/affectnet_emotions/onnx of github.com/sb-ai-lab/EmotiEffLib and give it as option weights"
)
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class HsemotionOptions(Options):
    """Options of the HSEmotion backend.

    Attributes:
        weights: ``enet_b0_8_va_mtl.onnx`` or another multi-task file whose last two outputs are valence and arousal.
        random_weights: Declares that the file was not trained: every number is stamped as no measurement.
    """

    weights: UserPath | None = None
    random_weights: bool = False


class HsemotionBackend(FaceBackend):
    """Reads valence and arousal with an EfficientNet of HSEmotion.

    The face's box, whole pixels inside the frame, is stretched to the network's square (bilinear), divided by 255 and
    standardised with ImageNet's moments, as in the package hsemotion-onnx; boxes are those of the detector of the run,
    not of its authors'.

    Args:
        options: See :class:`HsemotionOptions`.
        device: Ignored: it runs on the CPU, and ``info.device`` says so.

    Raises:
        ConfigError: When an option is malformed.
        WeightsError: When the file is missing, damaged or of another model, or onnxruntime is missing.
    """

    name = "hsemotion"
    options_model = HsemotionOptions
    emotion_model: ClassVar[str] = "hsemotion"

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> list[WeightFile]:
        """The network's file; no usual place is known for it."""
        path = parse_options(HsemotionOptions, options, OWNER).weights
        path = path / FILE if path and path.is_dir() else path
        return [file_on_disk(path, name=FILE, source=PAGE, licence=LICENCE, how=HOW)]

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:  # noqa: ARG002 - see device
        own = parse_options(HsemotionOptions, options, OWNER)
        if own.weights is None:
            raise WeightsError(f"{OWNER}: no weights given: {HOW}")
        path = own.weights.expanduser()
        self._path = need_file(path / FILE if path.is_dir() else path, OWNER, HOW)
        self._session = _open(self._path)
        self._side = _side(self._session.input_shape, self._path)
        self.info = BackendInfo(
            name="hsemotion",
            version=str(ADAPTER_VERSION),
            weights=file_sha256(self._path),
            licence=LICENCE,
            grade=Grade.RANDOM if own.random_weights else Grade.REAL,
            options={"side": self._side},
        )

    def valence_arousal(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Valence and arousal of one face per frame, clipped to [-1, 1], shape (N, 2); NaN without a box.

        Raises:
            WeightsError: When the network has no two last outputs for them, or answers with NaN or infinity.
        """
        values = np.full((len(frames), 2), np.nan)
        for row, (frame, face) in enumerate(zip(frames, faces, strict=True)):
            crop = self._crop(frame, face)
            if crop is not None:
                values[row] = self._run(crop)
        clipped: Floats = np.clip(values, -1.0, 1.0)
        return clipped

    def _crop(self, frame: Frame, face: Face) -> Any:
        import cv2

        height, width = frame.shape[:2]
        x0, y0, x1, y1 = np.clip(np.trunc(face.box), 0, [width, height, width, height]).astype(int)
        if x1 <= x0 or y1 <= y0:
            return None
        square = cv2.resize(np.ascontiguousarray(frame[y0:y1, x0:x1]), (self._side, self._side))
        return ((square / 255.0 - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)

    def _run(self, crop: Any) -> Floats:
        answer = np.asarray(self._session(crop)[0], np.float64)
        if answer.ndim != 2 or answer.shape[1] not in (9, 10):
            raise WeightsError(
                f"{OWNER}: {self._path} gives an output of shape {answer.shape}, not 7 or 8 emotions, valence, "
                f"arousal: {HOW}"
            )
        return answer[0, -2:]


def _open(path: Path) -> OnnxSession:
    try:
        import cv2  # noqa: F401 - needed later; better said now
    except ImportError as error:
        raise WeightsError(f"{OWNER}: install it with: pip install 'portraitbench[arcface]'") from error
    try:
        return OnnxSession(path, OWNER, "arcface")
    except WeightsError as error:
        raise WeightsError(f"{error}: {HOW}") from error


def _side(shape: Sequence[Any], path: Path) -> int:
    """Side of the network's square input; 224 where the file leaves it open."""
    if len(shape) != 4 or shape[1] != 3:
        raise WeightsError(f"{OWNER}: {path} does not read pictures of shape (N, 3, side, side): {HOW}")
    return int(shape[2]) if isinstance(shape[2], int) else 224
