"""The observer: shows clips to the face backends, each frame once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.digest import array_digest, digest
from ..core.errors import ConfigError
from ..datasets.clip import Clip, Frame
from .base import (
    BLENDSHAPES,
    EMOTION,
    GAZE,
    HEAD_ROTATION,
    LANDMARKS,
    Detects,
    EmbedsIdentity,
    Face,
    FaceBackend,
    FindsLandmarks,
    Floats,
    HasInfo,
    Observation,
    ReadsBlendshapes,
    ReadsCoefficients,
    ReadsEmotion,
    ReadsGaze,
    ReadsHeadRotation,
    ReadsValenceArousal,
    coefficients_feature,
    emotion_feature,
    identity_feature,
    provided_features,
)
from .cache import FeatureCache
from .policy import POLICY_VERSION, choose

Reader = Callable[[Sequence[Frame], Sequence[Face]], Floats]
C = TypeVar("C")

# What a clip without any face is filled with; the width of the other features is only known once one was computed.
_ROW_SHAPES: dict[str, tuple[int, ...]] = {
    LANDMARKS: (68, 2),
    EMOTION: (2,),
    BLENDSHAPES: (52,),
    HEAD_ROTATION: (3, 3),
    GAZE: (2,),
}


class Observer:
    """Face backends behind one question: what is to be seen in this clip?

    The first backend that detects is the detector, the first that finds landmarks gives the landmarks, and so on: the
    order of ``backends`` is the order of preference.

    Args:
        backends: At least one that detects.
        cache: Where features are kept; None keeps them for the life of the observer.

    Attributes:
        calls: Faces (frames, for the detector) shown to each model since construction, by "backend.feature".

    Raises:
        ConfigError: When no backend detects faces.
    """

    def __init__(self, backends: Sequence[FaceBackend], cache: FeatureCache | None = None) -> None:
        self.backends = tuple(backends)
        self.cache = cache or FeatureCache()
        self.calls: Counter[str] = Counter()
        self._fingerprints: dict[frozenset[str], tuple[Mapping[str, Any], str]] = {}
        detector = _first(self.backends, Detects)  # type: ignore[type-abstract]
        if detector is None:
            names = ", ".join(backend.info.name for backend in backends) or "none"
            raise ConfigError(f"faces: no backend of [{names}] detects faces: add dlib or insightface")
        self.detector: Detects = detector
        self._readers = self._collect_readers()

    @property
    def provides(self) -> set[str]:
        """Feature names that :meth:`observe` can fill."""
        return set(self._readers)

    def backend_for(self, feature: str) -> FaceBackend:
        """The backend that computes a feature."""
        return self._readers[feature][0]

    def backends_for(self, features: Collection[str]) -> list[HasInfo]:
        """All backends that these features rest on: who finds the faces, who places landmarks, who reads them off."""
        if not features:
            return []
        names = [*([LANDMARKS] if LANDMARKS in self._readers else []), *sorted(features)]
        found: list[HasInfo] = [self.detector, *(self.backend_for(name) for name in names)]
        return list({id(backend): backend for backend in found}.values())

    def fingerprint_for(self, features: Collection[str]) -> Mapping[str, Any]:
        """All that decides these features: the detector, the landmarks they build on, and their backends."""
        return self._fingerprint(frozenset(features))[0]

    def key_for(self, features: Collection[str]) -> str:
        """Digest of :meth:`fingerprint_for`."""
        return self._fingerprint(frozenset(features))[1]

    def observe(self, clip: Clip, features: Collection[str] | None = None) -> Observation:
        """Look at a clip.

        Args:
            clip: Any clip.
            features: Which features to fill; None fills all there are.

        Returns:
            What was seen; rows of frames without a face are NaN.

        Raises:
            KeyError: When a feature is not provided.
        """
        wanted = sorted(self.provides if features is None else features)
        keys = clip.frame_digests
        detected = self._detect(clip)
        chosen = choose([detected[key] for key in keys])
        rows = [row for row, index in enumerate(chosen) if index is not None]
        faces = [detected[keys[row]][index] for row, index in enumerate(chosen) if index is not None]
        frames = [clip.frames[row] for row in rows]
        digests = [keys[row] for row in rows]

        def spread(values: Floats) -> Floats:
            full = np.full((len(clip), *values.shape[1:]), np.nan)
            full[rows] = values
            return full

        boxes = spread(np.stack([face.box for face in faces]) if faces else np.empty((0, 4)))
        filled: dict[str, Floats] = {}
        if LANDMARKS in self._readers:
            points = self._read(LANDMARKS, frames, digests, faces)
            if LANDMARKS in wanted:
                filled[LANDMARKS] = spread(points)
            # A face whose landmarks another backend could not place is shown to nobody: its rows stay NaN.
            placed = [place for place, own in enumerate(points) if np.isfinite(own).all()]
            faces = [replace(faces[place], landmarks=points[place]) for place in placed]
            rows = [rows[place] for place in placed]
            frames = [frames[place] for place in placed]
            digests = [digests[place] for place in placed]
        for name in wanted:
            if name not in filled:
                filled[name] = spread(self._read(name, frames, digests, faces))
        counts = np.array([len(detected[key]) for key in keys], dtype=np.int64)
        return Observation(clip.height, clip.width, counts, boxes, filled)

    def _fingerprint(self, features: frozenset[str]) -> tuple[Mapping[str, Any], str]:
        """Fingerprint and its digest; asked for with every case, so they are kept."""
        if features not in self._fingerprints:
            names = {*features, *([LANDMARKS] if LANDMARKS in self._readers else [])}
            found = {name: self.backend_for(name).info.fingerprint for name in sorted(names)}
            whole = {"policy": POLICY_VERSION, "detector": self.detector.info.fingerprint, "features": found}
            self._fingerprints[features] = whole, digest(whole)
        return self._fingerprints[features]

    def _collect_readers(self) -> dict[str, tuple[FaceBackend, Reader]]:
        readers: dict[str, tuple[FaceBackend, Reader]] = {}
        for backend in self.backends:
            for name in provided_features(backend):
                readers.setdefault(name, (backend, _reader(backend, name)))
        return readers

    def _detect(self, clip: Clip) -> dict[str, list[Face]]:
        prefix = self.detector.info.key
        distinct = dict(zip(clip.frame_digests, clip.frames, strict=True))
        known = self.cache.get_many(f"{prefix}/detect/{key}" for key in distinct)
        missing = [key for key in distinct if f"{prefix}/detect/{key}" not in known]
        if missing:
            found = self.detector.detect([distinct[key].copy() for key in missing])  # it may write into them
            self.calls[f"{self.detector.info.name}.detect"] += len(missing)
            fresh = {f"{prefix}/detect/{key}": _pack(faces) for key, faces in zip(missing, found, strict=True)}
            self.cache.put_many(fresh)
            known.update(fresh)
        return {key: _unpack(known[f"{prefix}/detect/{key}"]) for key in distinct}

    def _read(self, name: str, frames: list[Frame], digests: list[str], faces: list[Face]) -> Floats:
        """Compute one feature for faces that have not been shown to its backend before."""
        backend, read = self._readers[name]
        # The key covers the very face that is read, so another detector or landmark model never shares an entry.
        keys = [
            f"{backend.info.key}/{name}/{key}/{_face_digest(face)}" for key, face in zip(digests, faces, strict=True)
        ]
        known = self.cache.get_many(keys)
        missing = {key: row for row, key in enumerate(keys) if key not in known}
        if missing:
            shown = [frames[row].copy() for row in missing.values()]
            values = read(shown, [_own_face(faces[row]) for row in missing.values()])
            self.calls[f"{backend.info.name}.{name}"] += len(missing)
            rows = _checked_rows(values, _ROW_SHAPES.get(name), f"face backend {backend.info.name}: {name}")
            fresh = dict(zip(missing, rows, strict=True))
            self.cache.put_many(fresh)
            known.update(fresh)
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, *_ROW_SHAPES.get(name, (1,))))


def _first(backends: Sequence[FaceBackend], capability: type[C]) -> C | None:
    return next((backend for backend in backends if isinstance(backend, capability)), None)


def _reader(backend: FaceBackend, name: str) -> Reader:
    if name == LANDMARKS and isinstance(backend, FindsLandmarks):
        return backend.landmarks
    if name == EMOTION and isinstance(backend, ReadsEmotion):
        return backend.emotion
    if isinstance(backend, ReadsValenceArousal) and name == emotion_feature(backend.emotion_model):
        return backend.valence_arousal
    if name == BLENDSHAPES and isinstance(backend, ReadsBlendshapes):
        return backend.blendshapes
    if name == HEAD_ROTATION and isinstance(backend, ReadsHeadRotation):
        return backend.head_rotation
    if name == GAZE and isinstance(backend, ReadsGaze):
        return backend.gaze
    if isinstance(backend, EmbedsIdentity) and name == identity_feature(backend.space):
        return backend.embed
    if isinstance(backend, ReadsCoefficients) and name == coefficients_feature(backend.model):
        return backend.coefficients
    raise KeyError(name)


def _own_face(face: Face) -> Face:
    """The face with arrays of its own, for a backend that may write into them."""
    box, points, landmarks = (None if part is None else part.copy() for part in (face.box, face.points, face.landmarks))
    return Face(np.asarray(box), face.score, points, landmarks)


def _checked_rows(values: Iterable[Any], shape: tuple[int, ...] | None, where: str) -> list[Floats]:
    """Rows of a feature, before they are kept for all time.

    Raises:
        ValueError: When they have not the feature's shape, are not all of one shape, or hold an infinite number.
    """
    rows = [np.array(value, np.float64) for value in values]
    for row in rows:
        if row.shape != (shape or rows[0].shape) or row.ndim == 0:
            raise ValueError(f"{where}: a row of shape {row.shape} where {shape or rows[0].shape} belongs")
        if np.isinf(row).any():
            raise ValueError(f"{where}: an infinite number")
    return rows


def _pack(faces: Sequence[Face]) -> Floats:
    """Faces as rows of 15 numbers: box, score, five points (NaN without).

    Raises:
        ValueError: When a box is none: it would be kept for all time.
    """
    for face in faces:
        if np.shape(face.box) != (4,) or not np.isfinite(face.box).all():
            raise ValueError(f"a face has the box {np.asarray(face.box).tolist()}")
    rows = np.full((len(faces), 15), np.nan)
    for row, face in zip(rows, faces, strict=True):
        row[:4], row[4] = face.box, face.score
        if face.points is not None:
            row[5:] = face.points.ravel()
    return rows


def _unpack(rows: NDArray[np.float64]) -> list[Face]:
    return [Face(row[:4], float(row[4]), None if np.isnan(row[5]) else row[5:].reshape(5, 2)) for row in rows]


def _face_digest(face: Face) -> str:
    parts = [face.box, face.points, face.landmarks]
    return array_digest(np.concatenate([part.ravel() for part in parts if part is not None]))
