"""The observer: shows clips to the face backends, each frame once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.digest import array_digest, digest
from ..core.errors import ConfigError
from ..datasets.clip import Clip, Frame
from .base import (
    EMOTION,
    LANDMARKS,
    Detects,
    EmbedsIdentity,
    Face,
    FaceBackend,
    FindsLandmarks,
    Floats,
    Observation,
    ReadsCoefficients,
    ReadsEmotion,
    coefficients_feature,
    identity_feature,
    provided_features,
)
from .cache import FeatureCache
from .policy import POLICY_VERSION, choose

Reader = Callable[[Sequence[Frame], Sequence[Face]], Floats]
C = TypeVar("C")

# What a clip without any face is filled with; the width of the other features is only known once one was computed.
_ROW_SHAPES: dict[str, tuple[int, ...]] = {LANDMARKS: (68, 2), EMOTION: (2,)}


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

    def fingerprint_for(self, features: Collection[str]) -> Mapping[str, Any]:
        """All that decides these features: the detector, the landmarks they build on, and their backends."""
        names = [*features, *([LANDMARKS] if LANDMARKS in self._readers else [])]
        found = {name: self.backend_for(name).info.fingerprint for name in sorted(set(names))}
        return {"policy": POLICY_VERSION, "detector": self.detector.info.fingerprint, "features": found}

    def key_for(self, features: Collection[str]) -> str:
        """Digest of :meth:`fingerprint_for`."""
        return digest(self.fingerprint_for(features))

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

        filled: dict[str, Floats] = {}
        if LANDMARKS in self._readers:
            points = self._read(LANDMARKS, frames, digests, faces)
            faces = [replace(face, landmarks=own) for face, own in zip(faces, points, strict=True)]
            if LANDMARKS in wanted:
                filled[LANDMARKS] = spread(points)
        for name in wanted:
            if name not in filled:
                filled[name] = spread(self._read(name, frames, digests, faces))
        boxes = np.stack([face.box for face in faces]) if faces else np.empty((0, 4))
        counts = np.array([len(detected[key]) for key in keys], dtype=np.int64)
        return Observation(clip.height, clip.width, counts, spread(boxes), filled)

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
            found = self.detector.detect([distinct[key] for key in missing])
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
            values = read([frames[row] for row in missing.values()], [faces[row] for row in missing.values()])
            self.calls[f"{backend.info.name}.{name}"] += len(missing)
            fresh = {key: np.asarray(value, np.float64) for key, value in zip(missing, values, strict=True)}
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
    if isinstance(backend, EmbedsIdentity) and name == identity_feature(backend.space):
        return backend.embed
    if isinstance(backend, ReadsCoefficients) and name == coefficients_feature(backend.model):
        return backend.coefficients
    raise KeyError(name)


def _pack(faces: Sequence[Face]) -> Floats:
    """Faces as rows of 15 numbers: box, score, five points (NaN without)."""
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
