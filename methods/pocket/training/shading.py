"""What the z-buffer found, turned into colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .facekit import EYE, GUMS, SKIN, TEETH, Index, Single
from .fields import BEARD, BLUSH, BROW, CLOTH, HAIR, IRIS, LIP, STRAND
from .people import Person, RenderScene

SKIN_C, LIP_C, IRIS_C, HAIR_C, BROW_C, CLOTH_C = range(6)
BLUSH_S, BROW_WIDTH, BROW_STRENGTH, BEARD_S, HAIRLINE = range(5)
KEY_X, KEY_Y, KEY_Z, KEY, AMBIENT, WARMTH = range(6)


def person_colours(person: Person) -> Single:
    """Linear-light colours of a person, shape (6, 3): skin, lips, iris, hair, brows, cloth."""
    rows = [person.skin, person.lip, person.iris, person.hair, person.brow, person.cloth]
    return np.asarray(np.power(np.array(rows), 2.2), np.float32)


def person_numbers(person: Person) -> Single:
    """The other numbers of a person that the shader reads, shape (5,)."""
    values = [person.blush, person.brow_width, person.brow_strength, person.beard, person.hairline]
    return np.array(values, np.float32)


def scene_numbers(scene: RenderScene) -> Single:
    """Direction of the key light and strengths, shape (6,)."""
    across = np.cos(scene.elevation)
    direction = [across * np.sin(scene.azimuth), np.sin(scene.elevation), across * np.cos(scene.azimuth)]
    return np.array([*direction, scene.key, scene.ambient, scene.warmth], np.float32)


def background(scene: RenderScene, size: int) -> Single:
    """A slanted gradient in linear light, shape (size, size, 3)."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1) - 0.5
    along = np.clip(0.5 + np.cos(scene.slant) * y + np.sin(scene.slant) * x, 0, 1)[..., None]
    mixed = np.array(scene.top) * (1 - along) + np.array(scene.bottom) * along
    return np.asarray(np.power(mixed, 2.2), np.float32)


@compiled
def step(low: float, high: float, value: float) -> float:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return float(t * t * (3 - 2 * t))


@compiled
def mix(colour: Single, other: Single, share: float) -> None:
    """Blend ``other`` into ``colour`` in place."""
    for k in range(3):
        colour[k] += share * (other[k] - colour[k])


@compiled
def paint_skin(colour: Single, field: Single, colours: Single, numbers: Single) -> float:
    """Albedo of skin with all that grows on it, in place; returns how much it shines."""
    colour[:] = colours[SKIN_C]
    red = numbers[BLUSH_S] * field[BLUSH]
    colour[1] *= 1 - 0.35 * red
    colour[2] *= 1 - 0.30 * red
    beard = numbers[BEARD_S] * step(-0.25, 0.55, field[BEARD]) * (1 - step(-0.15, 0.05, field[LIP]))
    mix(colour, colours[BROW_C], beard)
    lip = step(-0.07, 0.07, field[LIP])
    mix(colour, colours[LIP_C], 0.9 * lip)
    brow = numbers[BROW_STRENGTH] * step(-0.10, 0.12, field[BROW] + numbers[BROW_WIDTH])
    mix(colour, colours[BROW_C], brow)
    hair = step(-0.25, 0.30, field[HAIR] - numbers[HAIRLINE] * step(-2.0, 0.0, field[HAIR]))
    if hair > 0:
        strand = 1 + 0.16 * np.sin(field[STRAND] * 3.0) * np.sin(field[STRAND] * 7.3 + 1.0)
        for k in range(3):
            colour[k] += hair * (colours[HAIR_C, k] * strand - colour[k])
    cloth = step(-0.12, 0.12, field[CLOTH])
    mix(colour, colours[CLOTH_C], cloth)
    return float((1 - beard) * (1 - brow) * (1 - cloth) * (0.5 * lip + 1.0) * (1 - 0.4 * hair))


@compiled
def paint_eye(colour: Single, radius: float, iris: Single) -> None:
    """Albedo of an eyeball at a distance (cm) from its axis, in place: sclera, limbus, iris, pupil."""
    colour[0], colour[1], colour[2] = 0.80, 0.76, 0.74
    inside = 1 - step(0.58, 0.68, radius)
    bright = 0.75 + 0.9 * step(0.25, 0.48, radius) * (1 - step(0.46, 0.62, radius))
    for k in range(3):
        colour[k] += inside * (iris[k] * bright - colour[k])
        colour[k] *= step(0.20, 0.28, radius) * 0.985 + 0.015


@compiled
def lid_shadow(owner: NDArray[np.int32], paint: NDArray[np.int8], x: int, y: int, reach: int) -> float:
    """Darkening of an eye, a tooth or a gum by what covers it from above, within ``reach`` pixels."""
    for d in range(1, reach + 1):
        if y - d < 0:
            break
        above = owner[y - d, x]
        if above >= 0 and paint[above] == SKIN:
            return 0.12 + 0.88 * step(0.0, 1.0, d / (reach + 1.0))
    return 1.0


@compiled
def material(colour: Single, kind: int, own: Single, cover: float, look: tuple[Single, Single]) -> tuple[float, float]:
    """Albedo of a point, in place.

    Args:
        colour: Written to.
        kind: What the point's triangle is painted as.
        own: The point's normal, rest depth and fields, shape (12,).
        cover: From :func:`lid_shadow`.
        look: Colours and numbers of the person.

    Returns:
        How much the point shines, and how much of the light reaches it.
    """
    colours, numbers = look
    depth = own[3]
    if kind == SKIN:
        return 0.05 * paint_skin(colour, own[4:], colours, numbers), 1.0
    if kind == EYE:
        paint_eye(colour, own[4 + IRIS], colours[IRIS_C])
        return 0.55, cover
    if kind == TEETH:
        colour[0], colour[1], colour[2] = 0.74, 0.70, 0.60
        return 0.0, cover * step(6.5, 10.6, depth)
    if kind == GUMS:
        colour[0], colour[1], colour[2] = 0.42, 0.12, 0.11
        return 0.0, cover * (0.12 + 0.88 * step(7.0, 10.8, depth))
    colour[0], colour[1], colour[2] = 0.16, 0.035, 0.035
    return 0.0, 0.15 + 0.85 * step(8.0, 10.8, depth)


@compiled
def illuminate(
    pixel: Single, colour: Single, normal: Single, kind: int, shine: float, dim: float, light: Single
) -> None:
    """Light a point of a given albedo and unit normal: key light, light from everywhere, highlight; in place."""
    nx, ny, nz = normal
    facing = nx * light[KEY_X] + ny * light[KEY_Y] + nz * light[KEY_Z]
    soft = max(0.0, (facing + 0.25) / 1.25)
    if kind != SKIN:
        soft = 0.45 + 0.55 * soft
    hx, hy, hz = light[KEY_X], light[KEY_Y], light[KEY_Z] + 1
    half = max(0.0, (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz))
    gloss = shine * half ** (60.0 if kind == EYE else 14.0) * light[KEY]
    ambient = light[AMBIENT] * (0.72 + 0.28 * ny) * (0.75 + 0.25 * max(0.0, nz))
    for k in range(3):
        tint = 1 + light[WARMTH] * (1 - k)
        # Light that went under the skin comes out red where the key light fades.
        bleed = 0.05 * max(0.0, 1 - abs(facing) * 3) * (2 - k) * 0.5 if kind == SKIN else 0.0
        energy = ambient + (light[KEY] * soft + bleed) * tint * 1.35
        pixel[k] = dim * colour[k] * energy + gloss * (0.4 + 0.6 * dim)


@compiled
def shade(
    picture: Single,
    owner: NDArray[np.int32],
    weights: Single,
    triangles: Index,
    paint: NDArray[np.int8],
    corners: Single,
    look: tuple[Single, Single, Single],
) -> None:
    """Colour every pixel that a triangle owns, in place.

    Args:
        picture: Linear light, filled with the background, shape (S, S, 3).
        owner: From :func:`raster.rasterize`.
        weights: From :func:`raster.rasterize`.
        triangles: Vertex indices, shape (F, 3).
        paint: Per triangle.
        corners: Per vertex: normal (3), rest depth (1), fields (8), shape (V, 12).
        look: Colours and numbers of the person, numbers of the scene.
    """
    colours, numbers, light = look
    size = owner.shape[0]
    reach = max(1, size // 52)
    colour = np.zeros(3, np.float32)
    for y in range(size):
        for x in range(size):
            f = owner[y, x]
            if f < 0:
                continue
            a, b, c = triangles[f]
            wa, wb = weights[y, x, 0], weights[y, x, 1]
            own = wa * corners[a] + wb * corners[b] + (1 - wa - wb) * corners[c]
            own[:3] /= np.sqrt(own[0] ** 2 + own[1] ** 2 + own[2] ** 2) + 1e-9
            kind, cover = paint[f], 1.0
            if kind in (EYE, TEETH, GUMS):
                cover = lid_shadow(owner, paint, x, y, reach if kind == TEETH else 2 * reach)
            shine, dim = material(colour, kind, own, cover, (colours, numbers))
            illuminate(picture[y, x], colour, own[:3], kind, shine, dim, light)
