"""Contracts of the face room: what a backend is asked, and what it answers.

A backend is a :class:`FaceBackend` that implements one or more of the capabilities :class:`Detects`,
:class:`FindsLandmarks`, :class:`EmbedsIdentity`, :class:`ReadsEmotion`, :class:`ReadsCoefficients`,
:class:`ReadsValenceArousal`, :class:`ReadsBlendshapes`, :class:`ReadsHeadRotation` and :class:`ReadsGaze`. All are
batched over frames; coordinates are pixels of the frame, x right and y down, with pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..core.component import Component
from ..core.digest import digest
from ..datasets.clip import Frame

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


class Grade(StrEnum):
    """How much a backend's numbers mean; printed beside them."""

    REAL = "real"
    EMBEDDED = "embedded"
    RANDOM = "random weights, not a measurement"
    TEST = "test, not a measurement"


@dataclass(frozen=True)
class BackendInfo:
    """Who looked: everything that decides a backend's numbers, and by what licence they may be used.

    Attributes:
        name: Registry name.
        version: Version of the library and of our adapter, as one string.
        weights: sha256 over the weights files, or "none".
        licence: Licence of code and weights, with its limits.
        device: "cpu", "cuda" or "mps"; of a certain card of several the kind is kept, never its index.
        grade: Whether the numbers are measurements.
        options: Named settings that change the numbers (detector size, crop, ...).
    """

    name: str
    version: str
    weights: str
    licence: str
    device: str = "cpu"
    grade: Grade = Grade.REAL
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", self.device.partition(":")[0])  # every card is as good as another

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything here but the licence, as plain data."""
        return {
            "name": self.name,
            "version": self.version,
            "weights": self.weights,
            "device": self.device.partition(":")[0],
            "grade": str(self.grade),
            "options": dict(self.options),
        }

    @property
    def key(self) -> str:
        """Digest of the fingerprint, under which features are cached."""
        return digest(self.fingerprint)


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one frame.

    Attributes:
        box: x0, y0, x1, y1 in pixels.
        score: The detector's confidence, in its own scale.
        points: Five points (eyes, nose tip, mouth corners; viewer's left first), shape (5, 2), where the detector
            gives them.
        landmarks: iBUG 68 points, shape (68, 2), once they have been found.
    """

    box: Floats
    score: float
    points: Floats | None = None
    landmarks: Floats | None = None


class FaceBackend(Component):
    """Contract of a face backend. What it can do is told by the capabilities below that it implements.

    A subclass is made with ``(options, *, device="cpu")`` and sets ``info``.

    Attributes:
        info: Name, version, weights, licence and device.
    """

    info: BackendInfo

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        """Load the backend.

        Raises:
            ConfigError: When an option is unknown or malformed.
            WeightsError: When a weights file or a library is missing or wrong; says how to get it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no constructor")

    def fingerprint(self) -> Mapping[str, Any]:
        """All that decides the results; see :meth:`Component.fingerprint`."""
        return self.info.fingerprint


class HasInfo(Protocol):
    """What all capabilities have: whoever looked says who it is."""

    info: BackendInfo


@runtime_checkable
class Detects(HasInfo, Protocol):
    """Finds faces."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """All faces of each frame, without landmarks; an empty list where there is none."""
        ...


@runtime_checkable
class FindsLandmarks(HasInfo, Protocol):
    """Places the iBUG 68 points."""

    def landmarks(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Points of one face per frame, shape (N, 68, 2), in pixels."""
        ...


@runtime_checkable
class EmbedsIdentity(HasInfo, Protocol):
    """Turns a face into an identity vector. ``space`` names the space: "arcface", "dlib128", ..."""

    @property
    def space(self) -> str:
        """Vectors are comparable within a space and the same weights, never across."""
        ...

    def embed(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Vectors of one face per frame as the network gives them (not normalised), shape (N, D)."""
        ...


class DifferentiableEmbedder(Protocol):
    """An identity network with gradients to the pixels, for identity losses."""

    def embed(self, frames: Tensor, landmarks: Sequence[Floats]) -> Tensor:
        """Embed one face per frame.

        Args:
            frames: RGB in [-1, 1], shape (N, 3, H, W).
            landmarks: iBUG 68 points of each face, N of shape (68, 2).

        Returns:
            Vectors as the network gives them (not normalised), shape (N, D).
        """
        ...


@runtime_checkable
class HasDifferentiableEmbedder(HasInfo, Protocol):
    """Has a differentiable identity network."""

    def differentiable(self) -> DifferentiableEmbedder:
        """Load it."""
        ...


@runtime_checkable
class ReadsEmotion(HasInfo, Protocol):
    """Estimates valence and arousal."""

    def emotion(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Valence and arousal of one face per frame, clipped to [-1, 1], shape (N, 2)."""
        ...


@runtime_checkable
class ReadsCoefficients(HasInfo, Protocol):
    """Estimates expression coefficients of a face model. ``model`` names it: "deep3d64", "smirk", ..."""

    @property
    def model(self) -> str:
        """Coefficients are comparable within a model only."""
        ...

    def coefficients(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Expression coefficients of one face per frame, shape (N, K)."""
        ...


@runtime_checkable
class ReadsValenceArousal(HasInfo, Protocol):
    """Estimates valence and arousal in a scale of its own, kept apart from EmoNet's. ``emotion_model`` names it."""

    @property
    def emotion_model(self) -> str:
        """Values are comparable within a model only."""
        ...

    def valence_arousal(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Valence and arousal of one face per frame, clipped to [-1, 1], shape (N, 2)."""
        ...


@runtime_checkable
class ReadsBlendshapes(HasInfo, Protocol):
    """Scores how far each of the 52 expressions of :data:`faces.blendshapes.BLENDSHAPES` is on."""

    def blendshapes(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Scores in [0, 1] of one face per frame, shape (N, 52)."""
        ...


@runtime_checkable
class ReadsHeadRotation(HasInfo, Protocol):
    """Estimates how the head is turned."""

    def head_rotation(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Rotation matrices of one face per frame, shape (N, 3, 3), from head axes to camera axes.

        Both: x to the right of the picture, y up, z out of the face towards the camera; the identity looks into it.
        """
        ...


@runtime_checkable
class ReadsGaze(HasInfo, Protocol):
    """Estimates where the eyes look."""

    def gaze(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Yaw (towards the right of the picture) and pitch (down) of the eyes in the head, in degrees, shape (N, 2).

        NaN where the eyes are closed.
        """
        ...


LANDMARKS = "landmarks"
EMOTION = "emotion"
BLENDSHAPES = "blendshapes"
HEAD_ROTATION = "head_rotation"
GAZE = "gaze"


def identity_feature(space: str) -> str:
    """Name of the identity feature of a space, as metrics ask for it: "identity/arcface"."""
    return f"identity/{space}"


def coefficients_feature(model: str) -> str:
    """Name of the coefficient feature of a face model: "coefficients/smirk"."""
    return f"coefficients/{model}"


def emotion_feature(model: str) -> str:
    """Name of the valence and arousal of a model that is not EmoNet: "emotion/hsemotion"."""
    return f"emotion/{model}"


def provided_features(backend: FaceBackend) -> set[str]:
    """Names of the features a backend can compute (detection is not a feature: metrics never ask for it)."""
    names: set[str] = set()
    if isinstance(backend, FindsLandmarks):
        names.add(LANDMARKS)
    if isinstance(backend, EmbedsIdentity):
        names.add(identity_feature(backend.space))
    if isinstance(backend, ReadsEmotion):
        names.add(EMOTION)
    if isinstance(backend, ReadsCoefficients):
        names.add(coefficients_feature(backend.model))
    if isinstance(backend, ReadsValenceArousal):
        names.add(emotion_feature(backend.emotion_model))
    if isinstance(backend, ReadsBlendshapes):
        names.add(BLENDSHAPES)
    if isinstance(backend, ReadsHeadRotation):
        names.add(HEAD_ROTATION)
    if isinstance(backend, ReadsGaze):
        names.add(GAZE)
    return names


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    shown = array.view()
    shown.flags.writeable = False
    return shown


@dataclass(frozen=True, eq=False)
class Observation:
    """What the face models saw in one clip. Rows of frames without a face are NaN.

    Attributes:
        height: Frame height in pixels.
        width: Frame width in pixels.
        counts: Faces found per frame, shape (T,); more than one is worth a flag.
        boxes: Box of the face that counts, shape (T, 4).
        features: By feature name: "landmarks" (T, 68, 2), "emotion" (T, 2), "identity/arcface" (T, 512),
            "blendshapes" (T, 52), "head_rotation" (T, 3, 3), "gaze" (T, 2).
    """

    height: int
    width: int
    counts: NDArray[np.int64]
    boxes: Floats
    features: Mapping[str, Floats]

    def __post_init__(self) -> None:
        """Make the arrays read-only: one observation serves several metrics."""
        object.__setattr__(self, "counts", _read_only(self.counts))
        object.__setattr__(self, "boxes", _read_only(self.boxes))
        object.__setattr__(self, "features", {name: _read_only(values) for name, values in self.features.items()})

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which frames have a face, shape (T,)."""
        return self.counts > 0

    @property
    def landmarks(self) -> Floats:
        """The 68 points per frame, shape (T, 68, 2)."""
        return self.features[LANDMARKS]
