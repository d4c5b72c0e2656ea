"""EmoNet: valence and arousal, with weights that the user fetches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.checkpoints import check_device, load_state, load_strictly, need_file
from ...core.digest import file_sha256
from ...core.errors import CaseError, ConfigError, WeightsError
from ...core.options import Options, UserPath, parse_options
from ...core.weights import WeightFile, file_on_disk
from ...datasets.clip import Frame
from ..base import BackendInfo, Face, FaceBackend, Floats, Grade
from .emonet_crops import affectnet_crop, box_crop

if TYPE_CHECKING:
    from ..networks.emonet import EmoNet

ADAPTER_VERSION = 1
OWNER = "face backend emonet"
FILES = ("emonet_8.pth", "emonet_5.pth")
LICENCE = "EmoNet weights: CC BY-NC-ND 4.0 (non-commercial, no derivatives)"
PAGE = "https://github.com/face-analysis/emonet"
HOW = "take emonet_8.pth from the folder pretrained of github.com/face-analysis/emonet and give it as option weights"
LIMIT = 1.5
"""Valence and arousal lie in [-1, 1]; raw values beyond this mean wrong weights or a wrong input range."""

_BATCH = 8


class EmoNetOptions(Options):
    """Options of the EmoNet backend.

    Attributes:
        weights: ``emonet_8.pth`` or ``emonet_5.pth``, or a folder with one of them (8 classes first).
        crop: What the network is shown. "affectnet": the square of side 200 (w + h) / 220 around the box of the 68
            landmarks, as in the authors' evaluation. "sfd_box": the detector's box stretched to a square, as in their
            video demo. The two do not give the same values.
        random_weights: Declares that the file was not trained: every number is stamped as no measurement.
    """

    weights: UserPath | None = None
    crop: Literal["affectnet", "sfd_box"] = "affectnet"
    random_weights: bool = False


class EmoNetBackend(FaceBackend):
    """Reads valence and arousal.

    Check an installation with the authors' demo: their images/example.png, resized to 256 x 256, gives happy, valence
    0.064, arousal 0.143 with the 8-class weights.

    Args:
        options: See :class:`EmoNetOptions`.
        device: "cpu", "cuda" or "mps".

    Raises:
        ConfigError: When an option is malformed or the device is absent.
        WeightsError: When the weights are missing, damaged or of another model.
    """

    name = "emonet"
    options_model = EmoNetOptions

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> list[WeightFile]:
        """The network's file; no usual place is known for it."""
        given = parse_options(EmoNetOptions, options, OWNER).weights
        path = given.expanduser() if given else None
        path = file_in(path) if path and path.is_dir() else path
        return [file_on_disk(path, name=FILES[0], source=PAGE, licence=LICENCE, how=HOW)]

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        own = parse_options(EmoNetOptions, options, OWNER)
        check_device(device, OWNER)
        path = locate_weights(own.weights)
        self._network, classes = load_emonet(path)
        self._network.to(device)
        self._device = device
        self._crop = own.crop
        self._random = own.random_weights
        self.info = BackendInfo(
            name="emonet",
            version=str(ADAPTER_VERSION),
            weights=file_sha256(path),
            licence=LICENCE,
            device=device,
            grade=Grade.RANDOM if own.random_weights else Grade.REAL,
            options={"crop": own.crop, "classes": classes},
        )

    def emotion(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Valence and arousal of one face per frame, clipped to [-1, 1], shape (N, 2).

        A face without extent gives NaN.

        Raises:
            ConfigError: When the crop needs landmarks and no backend gives them.
            CaseError: When every raw value is far out of range.
            WeightsError: When the network answers with NaN or infinity.
        """
        values = np.full((len(frames), 2), np.nan)
        crops = [self._cut(frame, face) for frame, face in zip(frames, faces, strict=True)]
        rows = [row for row, crop in enumerate(crops) if crop is not None]
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            values[part] = self._read(np.stack([crop for row in part if (crop := crops[row]) is not None]))
        raw = values[rows]
        if not np.isfinite(raw).all():
            raise WeightsError(f"{OWNER}: valence or arousal is not finite: the weights file is damaged")
        if len(raw) and not self._random and (np.abs(raw).max(axis=1) > LIMIT).all():
            raise CaseError(f"{OWNER}: raw values up to {np.abs(raw).max():.1f}, far out of [-1, 1]: wrong weights?")
        clipped: Floats = np.clip(values, -1.0, 1.0)
        return clipped

    def _cut(self, frame: Frame, face: Face) -> NDArray[np.float32] | None:
        if self._crop == "sfd_box":
            return box_crop(frame, face.box)
        if face.landmarks is None:
            raise ConfigError(
                f"{OWNER}: crop=affectnet needs 68 landmarks: add a backend that finds them, or set crop=sfd_box"
            )
        return affectnet_crop(frame, face.landmarks)

    def _read(self, crops: NDArray[np.float32]) -> Floats:
        import torch

        images = torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous().to(self._device) / 255.0
        with torch.inference_mode():
            output = self._network(images)
        values: Floats = torch.stack([output.valence, output.arousal], dim=1).cpu().double().numpy()
        return values


def locate_weights(path: Path | None) -> Path:
    """Find the weights file.

    Args:
        path: The option: a file, or a folder with one of :data:`FILES`.

    Raises:
        WeightsError: When it is missing.
    """
    if path is None:
        raise WeightsError(f"{OWNER}: no weights given: {HOW}")
    path = path.expanduser()
    return need_file(file_in(path) if path.is_dir() else path, OWNER, HOW)


def file_in(folder: Path) -> Path:
    """The weights file of a folder: the first of :data:`FILES` that is there, else where the first belongs."""
    return next((folder / name for name in FILES if (folder / name).is_file()), folder / FILES[0])


def load_emonet(path: Path) -> tuple[EmoNet, int]:
    """Build the network with the number of classes its checkpoint has, and fill it strictly.

    Returns:
        The network and its number of expression classes.

    Raises:
        WeightsError: When the file is damaged or of another model.
    """
    from ..networks.emonet import EmoNet

    state = load_state(path, OWNER)
    last = state.get("emo_fc_2.3.weight")
    classes = len(last) - 2 if last is not None and last.ndim == 2 else 0
    if classes < 1:
        raise WeightsError(f"{OWNER}: {path} belongs to another model: it has no emotion head 'emo_fc_2.3.weight'")
    network = EmoNet(classes)
    load_strictly(network, state, path, OWNER)
    return network, classes
