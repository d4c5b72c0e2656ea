"""The 52 expression scores (blendshapes) that face trackers share, and the regions of the face they belong to."""

from __future__ import annotations

from collections.abc import Sequence

BLENDSHAPES: tuple[str, ...] = (
    "_neutral",
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight"),
    *("eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft"),
    *("mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
    *("noseSneerLeft", "noseSneerRight"),
)
"""Names in the order of the feature "blendshapes": that of MediaPipe's face landmarker (ARKit's names, no tongue)."""

REGIONS: dict[str, str] = {"eyes": "eye", "brows": "brow", "mouth": "mouth", "jaw": "jaw", "cheeks": "cheek"}
"""Prefix of the names of each region; ``_neutral`` and the two of the nose belong to none."""


def region_columns(region: str) -> list[int]:
    """Columns of a region's blendshapes.

    >>> region_columns("jaw")
    [23, 24, 25, 26]
    """
    return [column for column, name in enumerate(BLENDSHAPES) if name.startswith(REGIONS[region])]


def columns_of(names: Sequence[str]) -> list[int]:
    """Columns of blendshapes by name."""
    return [BLENDSHAPES.index(name) for name in names]


BLINK = columns_of(["eyeBlinkLeft", "eyeBlinkRight"])
"""Columns whose mean says how far the eyes are closed."""
