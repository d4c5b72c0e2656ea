"""Expressions and poses: how they are drawn, the coarse code a driver is reduced to, and their valence and arousal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..code import POSE_LIMITS
from .camera import Pose
from .facekit import FaceKit, Single

_MOUTHS = (
    ("mouthSmile", 1.0, True),
    ("jawOpen", 0.9, False),
    ("mouthPucker", 0.9, False),
    ("mouthFrown", 0.9, True),
    ("mouthFunnel", 0.8, False),
    ("mouthStretch", 0.9, True),
    ("mouthUpperUp", 0.8, True),
    ("mouthLowerDown", 0.8, True),
    ("mouthPress", 0.8, True),
    ("mouthDimple", 0.8, True),
    ("mouthRollLower", 0.7, False),
    ("mouthRollUpper", 0.7, False),
    ("mouthLeft", 0.7, False),
    ("mouthRight", 0.7, False),
    ("jawLeft", 0.5, False),
    ("jawRight", 0.5, False),
    ("mouthShrugLower", 0.8, False),
)
"""Mouth shapes: name, largest weight, whether it has a left and a right half."""
_BROWS = (("browDown",), ("browInnerUp",), ("browInnerUp", "browOuterUp"), ("browOuterUp",))
_CHEEKS = ("cheekSquint", "cheekRaiser", "noseSneer", "cheekPuff")
_ODDS = np.array([5, 5, 2, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1], np.float64)

_VALENCE = {
    "mouthSmile": 0.9,
    "cheekSquint": 0.3,
    "mouthDimple": 0.2,
    "mouthFrown": -0.8,
    "noseSneer": -0.6,
    "browDown": -0.6,
    "browInnerUp": -0.25,
    "mouthStretch": -0.4,
    "mouthPress": -0.2,
}
_AROUSAL = {
    "eyeWide": 0.7,
    "jawOpen": 0.6,
    "browInnerUp": 0.25,
    "browOuterUp": 0.25,
    "browDown": 0.3,
    "mouthSmile": 0.3,
    "noseSneer": 0.3,
    "mouthStretch": 0.4,
    "mouthUpperUp": 0.2,
    "eyeBlink": -0.6,
    "eyeSquint": -0.2,
}


def side_mean(weights: Single, kit: FaceKit, name: str) -> NDArray[np.float64]:
    """Mean of an expression's left and right half, or its only weight, of weights (..., 57)."""
    rows = [kit.index[full] for full in (name, f"{name}_L", f"{name}_R") if full in kit.index]
    return np.asarray(weights[..., rows].mean(axis=-1), np.float64)


def valence_arousal(weights: Single, kit: FaceKit) -> Single:
    """Valence and arousal that stand for an expression, in [-1, 1], shape (..., 2).

    tanh(1.2 * sum of weight x coefficient), with one table of coefficients each (``_VALENCE``, ``_AROUSAL``), left and
    right halves averaged. The signs follow the circumplex (smiles pleasant, frowns and lowered brows not; wide eyes
    and open jaws excited, closed lids calm); the sizes are our choice. A convention of the embedded suites, not a
    measurement of emotion.
    """
    sums = [
        sum(factor * side_mean(weights, kit, name) for name, factor in table.items()) for table in (_VALENCE, _AROUSAL)
    ]
    return np.asarray(np.tanh(1.2 * np.stack([np.asarray(total) for total in sums], axis=-1)), np.float32)


def driving_code(weights: Single, kit: FaceKit) -> Single:
    """The coarse code of an expression at full strength, shape (..., 5): jaw and pucker in 0..1, others in -1..1."""

    def mean(name: str) -> NDArray[np.float64]:
        return side_mean(weights, kit, name)

    values = [
        mean("jawOpen"),
        mean("mouthSmile") - mean("mouthFrown"),
        np.maximum(mean("mouthPucker"), mean("mouthFunnel")),
        0.5 * (mean("browInnerUp") + mean("browOuterUp")) - mean("browDown"),
        mean("eyeWide") - mean("eyeBlink"),
    ]
    return np.asarray(np.stack(values, axis=-1), np.float32)


def coarse_weights(code: Iterable[float], kit: FaceKit) -> Single:
    """The symmetric expression that a code stands for: what a perfect generator would draw from it, shape (57,)."""
    jaw, smile, pucker, brow, lids = (float(value) for value in code)
    halves = {
        "mouthSmile": max(smile, 0.0),
        "mouthFrown": max(-smile, 0.0),
        "browInnerUp": max(brow, 0.0),
        "browOuterUp": max(brow, 0.0),
        "browDown": max(-brow, 0.0),
        "eyeWide": max(lids, 0.0),
        "eyeBlink": max(-lids, 0.0),
    }
    both = {f"{name}_{side}": value for name, value in halves.items() for side in "LR"}
    return kit.weights(jawOpen=jaw, mouthPucker=pucker, **both)


def sample_expression(rng: np.random.Generator, kit: FaceKit, strong: bool = False) -> Single:
    """Draw an expression: one to three mouth shapes, brows, lids, gaze, sometimes cheeks; 30 % of the parts one-sided.

    Args:
        rng: Where chance comes from.
        kit: For the names.
        strong: Draw amplitudes from the upper part of their range, for drivers.
    """
    out = kit.weights()
    low = 0.55 if strong else 0.1

    def add(name: str, most: float, halves: bool) -> None:
        amount = most * rng.uniform(low, 1.0)
        if not halves:
            out[kit.index[name]] = amount
            return
        share = np.ones(2)
        if rng.random() < 0.3:
            share[rng.integers(2)] = rng.uniform(0, 0.3)
        out[kit.index[f"{name}_L"]], out[kit.index[f"{name}_R"]] = amount * share

    for k in rng.choice(len(_MOUTHS), rng.integers(1, 4), replace=False, p=_ODDS / _ODDS.sum()):
        add(*_MOUTHS[k])
    if rng.random() < 0.75:
        for name in _BROWS[rng.integers(len(_BROWS))]:
            add(name, 1.0, True)
    if rng.random() < 0.7:
        add(*(("eyeBlink", 1.0, True), ("eyeWide", 1.0, True), ("eyeSquint", 1.0, True))[rng.integers(3)])
    if rng.random() < 0.35:
        add(_CHEEKS[rng.integers(len(_CHEEKS))], 0.9, True)
    _gaze(out, rng, kit)
    return _tamed(out, kit)


def near_neutral(rng: np.random.Generator, kit: FaceKit) -> Single:
    """A resting face: a fifth of a drawn expression, eyes open, gaze ahead or nearly so."""
    return 0.2 * sample_expression(rng, kit)


def sample_pose(rng: np.random.Generator, strength: float = 1.0, jitter: float = 1.0) -> Pose:
    """Draw a pose: uniform within :data:`POSE_LIMITS` times strength; shift 1.2 % and zoom 3 % times both factors."""
    yaw, pitch, roll = strength * rng.uniform(-1, 1, 3) * POSE_LIMITS
    dx, dy, zoom = strength * jitter * rng.uniform(-1, 1, 3) * (0.012, 0.012, 0.03)
    return Pose(float(yaw), float(pitch), float(roll), float(dx), float(dy), float(1 + zoom))


def sample_motion(rng: np.random.Generator, kit: FaceKit, length: int, every: int = 8) -> list[tuple[Single, Pose]]:
    """Draw a clip: expressions and poses at every ``every``-th frame, and a smooth passage between them.

    Args:
        rng: Where chance comes from.
        kit: For the names.
        length: Frames.
        every: Frames from one key expression to the next.
    """
    keys = 2 + (length - 1) // every
    weights = [near_neutral(rng, kit), *(sample_expression(rng, kit, strong=True) for _ in range(keys - 1))]
    poses = [sample_pose(rng, 0.7, jitter=0.0).vector for _ in range(keys)]
    out = []
    for frame in range(length):
        k, t = divmod(frame / every, 1.0)
        share = t * t * (3 - 2 * t)
        own = weights[int(k)] * (1 - share) + weights[int(k) + 1] * share
        pose = poses[int(k)] * (1 - share) + poses[int(k) + 1] * share
        out.append((np.asarray(own, np.float32), Pose(*(float(value) for value in pose))))
    return out


def _gaze(out: Single, rng: np.random.Generator, kit: FaceKit) -> None:
    """Turn both eyes the same way, half of the time."""
    if rng.random() < 0.5:
        return
    across, up = rng.uniform(-0.7, 0.7), rng.uniform(-0.5, 0.5)
    names = ("eyeLookOut_L", "eyeLookIn_R") if across > 0 else ("eyeLookIn_L", "eyeLookOut_R")
    vertical = "Up" if up > 0 else "Down"
    for name in (*names, f"eyeLook{vertical}_L", f"eyeLook{vertical}_R"):
        out[kit.index[name]] = abs(up) if vertical in name else abs(across)


def _tamed(out: Single, kit: FaceKit) -> Single:
    """Keep shapes from adding up to grimaces that no face makes."""
    pucker = max(out[kit.index["mouthPucker"]], out[kit.index["mouthFunnel"]])
    jaw = out[kit.index["jawOpen"]]
    for name, row in kit.index.items():
        if name.startswith(("mouthSmile", "mouthStretch", "mouthDimple")):
            out[row] *= 1 - 0.7 * pucker
        if name.startswith(("mouthRoll", "mouthPress", "mouthShrug")):
            out[row] *= 1 - 0.8 * min(1.0, jaw * 1.5)
    smile = 0.5 * (out[kit.index["mouthSmile_L"]] + out[kit.index["mouthSmile_R"]])
    for side in "LR":
        out[kit.index[f"mouthFrown_{side}"]] *= 1 - 0.8 * smile
    return out
