"""Imagined people and the places they stand in, each from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....core.digest import seed_for
from .facekit import Single

IDENTITY_SIGMA = 0.8
IDENTITY_CLIP = 2.0

Colour = tuple[float, float, float]

_SKINS: tuple[Colour, ...] = (
    (0.95, 0.80, 0.72),
    (0.90, 0.72, 0.60),
    (0.80, 0.60, 0.47),
    (0.64, 0.45, 0.34),
    (0.42, 0.28, 0.21),
)
_HAIRS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06),
    (0.16, 0.10, 0.07),
    (0.30, 0.19, 0.11),
    (0.48, 0.34, 0.19),
    (0.70, 0.56, 0.36),
    (0.45, 0.20, 0.10),
    (0.62, 0.61, 0.60),
)
_IRISES: tuple[Colour, ...] = ((0.22, 0.12, 0.06), (0.34, 0.22, 0.10), (0.30, 0.36, 0.20), (0.28, 0.44, 0.58))


@dataclass(frozen=True, eq=False)
class Person:
    """What stays the same in all pictures of one person.

    Attributes:
        modes: Weights of the 64 identity modes, shape (64,).
        skin: sRGB in 0..1, like all colours here.
        lip: Lips.
        iris: Eyes.
        hair: Hair of the head.
        brow: Brows and beard.
        cloth: Shirt.
        blush: Redness of cheeks and nose, 0..1.
        brow_width: Added to the brows' half width, cm.
        brow_strength: Opacity of the brows.
        beard: Opacity of the beard; 0 for none.
        hairline: How far the hairline lies above the usual, cm; 9 for a bald head.
        volume: Thickness of the hair, cm.
    """

    modes: Single
    skin: Colour
    lip: Colour
    iris: Colour
    hair: Colour
    brow: Colour
    cloth: Colour
    blush: float
    brow_width: float
    brow_strength: float
    beard: float
    hairline: float
    volume: float


@dataclass(frozen=True)
class RenderScene:
    """Light and background.

    Attributes:
        azimuth: Azimuth of the key light, positive to the right in the picture, radians.
        elevation: Elevation of the key light, radians.
        key: Strength of the key light.
        ambient: Light from everywhere.
        warmth: Red minus blue of the key light.
        top: Colour of the background's upper end.
        bottom: Colour of its lower end.
        slant: Turn of the background's gradient, radians.
    """

    azimuth: float
    elevation: float
    key: float
    ambient: float
    warmth: float
    top: Colour
    bottom: Colour
    slant: float


def sample_person(seed: int) -> Person:
    """Imagine a person.

    Args:
        seed: Seed that determines the person; people of training and of suites have disjoint seeds.
    """
    rng = np.random.default_rng(seed_for(seed, "pocket", "person"))
    modes = np.clip(rng.normal(0, IDENTITY_SIGMA, 64), -IDENTITY_CLIP, IDENTITY_CLIP).astype(np.float32)
    skin = _between(rng, _SKINS)
    hair = _near(rng, _HAIRS[rng.integers(len(_HAIRS))], 0.05)
    red = np.array([0.72, 0.30, 0.30])
    lip = np.array(skin) * (0.62 + 0.1 * rng.random()) + (0.12 + 0.25 * rng.random()) * (red - 0.5 * np.array(skin))
    # Brows must stand out from the skin: they carry expression.
    brow = np.minimum(0.75 * np.array(hair) * rng.uniform(0.6, 1.1) + 0.01, 0.6 * np.array(skin))
    return Person(
        modes=modes,
        skin=skin,
        lip=_colour(np.clip(lip, 0.08, 0.9)),
        iris=_near(rng, _IRISES[rng.integers(len(_IRISES))], 0.05),
        hair=hair,
        brow=_colour(brow),
        cloth=_colour(np.clip(rng.uniform(0.08, 0.85) + rng.normal(0, 0.12, 3), 0.03, 0.95)),
        blush=float(rng.uniform(0.1, 0.6)),
        brow_width=float(rng.uniform(-0.12, 0.10)),
        brow_strength=float(rng.uniform(0.65, 0.95)),
        beard=float(rng.uniform(0.25, 0.85)) if rng.random() < 0.25 else 0.0,
        hairline=9.0 if rng.random() < 0.06 else float(rng.uniform(-0.6, 0.9)),
        volume=float(rng.uniform(0.3, 1.5)),
    )


def sample_scene(seed: int) -> RenderScene:
    """Imagine light and background from a seed."""
    rng = np.random.default_rng(seed_for(seed, "pocket", "scene"))
    base = rng.uniform(0.15, 0.85) + rng.uniform(-0.12, 0.12, 3)
    return RenderScene(
        azimuth=float(rng.uniform(-0.9, 0.9)),
        elevation=float(rng.uniform(0.1, 0.9)),
        key=float(rng.uniform(0.45, 0.8)),
        ambient=float(rng.uniform(0.38, 0.6)),
        warmth=float(rng.uniform(-0.08, 0.12)),
        top=_colour(np.clip(base * rng.uniform(0.8, 1.3), 0, 1)),
        bottom=_colour(np.clip(base * rng.uniform(0.45, 1.0), 0, 1)),
        slant=float(rng.uniform(-0.8, 0.8)),
    )


def _between(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """A colour on the line through neighbouring ones, a little off it."""
    at = rng.uniform(0, len(colours) - 1)
    low = min(int(at), len(colours) - 2)
    mixed = np.array(colours[low]) * (low + 1 - at) + np.array(colours[low + 1]) * (at - low)
    return _near(rng, _colour(mixed), 0.025)


def _near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    return _colour(np.clip(np.array(colour) * (1 + rng.normal(0, spread)) + rng.normal(0, spread / 3, 3), 0.02, 0.97))


def _colour(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
