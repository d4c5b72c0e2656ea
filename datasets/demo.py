"""Three small suites that need no download: one public-domain photograph and warps of it.

They show that the chain works on a real face and what a report looks like. They measure nothing: the "people" are one
astronaut (Eileen Collins, NASA, public domain; the file ships with scikit-image), reshaped.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..core.digest import file_sha256
from ..core.files import write_text
from .clip import Clip, Frame
from .manifest import SuiteKind
from .media import write_output

CODE_VERSION = 2
SIZE = 256
CORNER = (96, 12)
"""Column and row of the 256 px window of the photograph that is used."""

# Control points on the face, in pixels of the window: x, y.
_POINTS = {
    "brow_outer": [(90, 82), (164, 80)],
    "brow_mid": [(104, 75), (148, 79)],
    "brow_inner": [(120, 80), (140, 81)],
    "lid_upper": [(107, 86), (151, 89)],
    "lid_lower": [(107, 92), (151, 95)],
    "eye_corner": [(99, 89), (116, 92), (142, 93), (159, 92)],
    "nose": [(129, 91), (129, 115), (118, 119), (138, 120)],
    "mouth_left": [(105, 128)],
    "mouth_right": [(149, 129)],
    "lip_upper": [(127, 130)],
    "lip_lower": [(127, 142)],
    "chin": [(125, 166)],
    "jaw": [(84, 104), (95, 148), (157, 152), (175, 108)],
}
# Where a group of points moves at full strength, in pixels: x, y.
_EXPRESSIONS: dict[str, dict[str, tuple[float, float]]] = {
    "grin": {"mouth_left": (-6, -5), "mouth_right": (6, -5), "lip_lower": (0, 2), "lid_lower": (0, -2)},
    "open": {"lip_lower": (0, 8), "chin": (0, 7), "mouth_left": (3, 2), "mouth_right": (-3, 2), "brow_mid": (0, -4)},
    "frown": {"brow_inner": (0, 4), "brow_mid": (0, 2), "mouth_left": (1, 5), "mouth_right": (-1, 5), "chin": (0, -1)},
    "lopsided": {"mouth_left": (-7, -6), "mouth_right": (-3, 2), "brow_outer": (0, -4), "lip_lower": (-3, 1)},
}
# Another "person": horizontal and vertical stretch, and gain of red, green and blue.
_PEOPLE: dict[str, tuple[float, float, tuple[float, float, float]]] = {
    "ann": (1.0, 1.0, (1.0, 1.0, 1.0)),
    "bea": (0.9, 1.05, (0.82, 0.92, 1.05)),
    "cleo": (1.1, 0.97, (1.05, 0.9, 0.78)),
}


def make_demo(kind: SuiteKind, cache: Path) -> Path:
    """Make one of the demo suites in the cache, unless it is there.

    Args:
        kind: Which benchmark's shape.
        cache: The cache folder.

    Returns:
        The manifest's path.
    """
    folder = cache / "suites" / f"demo-{CODE_VERSION}" / kind
    manifest = folder / "suite.yaml"
    if not manifest.is_file():
        maker = {
            SuiteKind.CROSS_IMAGE: _cross_image,
            SuiteKind.CROSS_VIDEO: _cross_video,
            SuiteKind.SELF_VIDEO: _self_video,
        }[kind]
        suite = {
            "schema": 1,
            "name": f"demo-{kind.partition('-')[2] if kind is not SuiteKind.SELF_VIDEO else 'self'}",
            "title": f"Demo ({kind}): warps of one photograph, not a benchmark",
            "kind": str(kind),
            "size": SIZE,
            **maker(folder),
        }
        write_text(manifest, yaml.safe_dump(suite, sort_keys=False))
    return manifest


demo_image = partial(make_demo, SuiteKind.CROSS_IMAGE)
demo_video = partial(make_demo, SuiteKind.CROSS_VIDEO)
demo_self = partial(make_demo, SuiteKind.SELF_VIDEO)


def portrait(person: str, expression: str = "grin", strength: float = 0.0, roll: float = 0.0) -> Frame:
    """Draw one of the people.

    Args:
        person: "ann", "bea" or "cleo".
        expression: "grin", "open", "frown" or "lopsided".
        strength: 0 is the photograph's own smile, 1 the full expression.
        roll: Head roll in radians.

    Returns:
        uint8 RGB, shape (256, 256, 3).
    """
    from skimage.data import astronaut
    from skimage.transform import ThinPlateSplineTransform, warp

    wide, tall, gain = _PEOPLE[person]
    rest, moved = _control_points(_EXPRESSIONS[expression], strength)
    centre = np.array([128.0, 110.0])
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    goal = (moved - centre) * [wide, tall] @ turn.T + centre
    edge = np.array([(x, y) for x in (0, 128, 255) for y in (0, 128, 255) if (x, y) != (128, 128)], np.float64)
    spline = ThinPlateSplineTransform.from_estimate(np.concatenate([goal, edge]), np.concatenate([rest, edge]))
    left, top = CORNER
    photograph = astronaut()[top : top + SIZE, left : left + SIZE].astype(np.float64)
    warped = warp(photograph, spline, mode="edge", preserve_range=True) * gain
    return np.asarray(np.clip(np.rint(warped), 0, 255), np.uint8)


def _control_points(
    shifts: dict[str, tuple[float, float]], strength: float
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """Control points at rest and moved, both of shape (K, 2)."""
    rest = np.array([point for points in _POINTS.values() for point in points], np.float64)
    shift = np.array([shifts.get(group, (0.0, 0.0)) for group, points in _POINTS.items() for _ in points])
    return rest, rest + strength * shift


def _speech(person: str, frames: int) -> Clip:
    """A clip that goes from the photograph's smile through an open mouth to a lopsided one, with some head roll."""
    phases = np.linspace(0.0, np.pi * 2, frames)
    pictures = [
        portrait(person, "open" if phase < np.pi else "lopsided", abs(np.sin(phase)), 0.08 * np.sin(phase))
        for phase in phases
    ]
    return Clip(np.stack(pictures), Fraction(12))


def _cross_image(folder: Path) -> dict[str, Any]:
    identities = {person: Clip.from_image(portrait(person)) for person in ("ann", "bea")}
    drivings = {name: Clip.from_image(portrait("cleo", name, 1.0)) for name in _EXPRESSIONS}
    return {
        "assets": _store(folder, identities | drivings),
        "identities": [{"id": name, "asset": name} for name in identities],
        "drivings": [{"id": name, "asset": name} for name in drivings],
    }


def _cross_video(folder: Path) -> dict[str, Any]:
    identities = {person: Clip.from_image(portrait(person)) for person in ("ann", "bea")}
    driving = _speech("cleo", 12)
    return {
        "assets": _store(folder, identities | {"speech": driving}),
        "identities": [{"id": name, "asset": name} for name in identities],
        "drivings": [{"id": "speech", "asset": "speech", "frames": len(driving)}],
    }


def _self_video(folder: Path) -> dict[str, Any]:
    clips = {person: _speech(person, 16) for person in ("ann", "bea")}
    return {
        "assets": _store(folder, clips),
        "clips": [{"id": name, "asset": name, "identity_frame": 0, "start": 6, "frames": 10} for name in clips],
    }


def _store(folder: Path, clips: dict[str, Clip]) -> dict[str, dict[str, Any]]:
    assets = {}
    for name, clip in clips.items():
        path = write_output(folder / name, clip)
        assets[name] = {
            "path": path.name,
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
            "media": "image" if clip.is_image else "video",
            "licence": "public domain (NASA)",
            "provenance": "skimage.data.astronaut, warped by portraitbench.datasets.demo",
        }
    return assets
