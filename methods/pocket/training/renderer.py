"""Portraits from the face model: a person is prepared once, then every picture takes an expression, a pose, a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....datasets.clip import Frame
from .camera import Camera, Pose, neck_share, turned
from .facekit import EYE, FaceKit, Single
from .fields import HAIR, lay_fields
from .people import Person, RenderScene
from .raster import blend, rasterize, vertex_normals
from .shading import background, person_colours, person_numbers, scene_numbers, shade

OVERSAMPLING = 2
EYE_DEPTH = 0.12
"""How far eyeballs are set back, cm, so that closed lids cover them in every person."""


@dataclass(frozen=True, eq=False)
class Sitter:
    """A person ready to be drawn.

    Attributes:
        person: Whom.
        neutral: Vertices without expression, hair raised, shape (V, 3).
        camera: The person's own crop.
    """

    person: Person
    neutral: Single
    camera: Camera


@dataclass(frozen=True, eq=False)
class Portrait:
    """One picture and its truth.

    Attributes:
        frame: uint8 RGB, shape (size, size, 3).
        landmarks: The 68 points in pixels, pixel centres at integers, shape (68, 2).
    """

    frame: Frame
    landmarks: Single


class Renderer:
    """Draws people.

    Args:
        kit: The face model.
        size: Side of the pictures in pixels.
    """

    def __init__(self, kit: FaceKit, size: int = 128) -> None:
        self.kit = kit
        self.size = size
        self._fields = lay_fields(kit)
        self._share = neck_share(kit.neutral)

    def seat(self, person: Person) -> Sitter:
        """Prepare a person: their shape, their hair's volume and their crop."""
        kit = self.kit
        shape = blend(kit.neutral, kit.identity, person.modes)
        camera = Camera.of(shape, kit)
        above = np.clip((self._fields[:, HAIR] - max(person.hairline, 0.0)) / 2.0, 0, 1)
        lift = person.volume * above * above * (3 - 2 * above)
        raised = shape + lift[:, None] * vertex_normals(shape, kit.triangles)
        raised[np.unique(kit.triangles[kit.paint == EYE]), 2] -= EYE_DEPTH
        return Sitter(person, np.asarray(raised, np.float32), camera)

    def landmarks(self, sitter: Sitter, weights: Single, pose: Pose) -> Single:
        """True positions of the 68 points in pixels, shape (68, 2), without drawing."""
        rows = self.kit.landmarks
        vertices = blend(sitter.neutral[rows], np.ascontiguousarray(self.kit.expression[:, rows]), weights)
        return sitter.camera.project(turned(vertices, self._share[rows], pose), pose, self.size)[:, :2]

    def render(self, sitter: Sitter, weights: Single, pose: Pose, scene: RenderScene) -> Portrait:
        """Draw a picture.

        Args:
            sitter: From :meth:`seat`.
            weights: FACS weights, shape (57,).
            pose: Attitude and framing.
            scene: Light and background.
        """
        kit = self.kit
        vertices = turned(blend(sitter.neutral, kit.expression, weights), self._share, pose)
        big = self.size * OVERSAMPLING
        points = sitter.camera.project(vertices, pose, big)
        owner, shares, _ = rasterize(points, kit.triangles, kit.paint, big)
        normals = vertex_normals(vertices, kit.triangles)
        corners = np.concatenate([normals, kit.neutral[:, 2:], self._fields], axis=1)
        picture = background(scene, big)
        look = (person_colours(sitter.person), person_numbers(sitter.person), scene_numbers(scene))
        shade(picture, owner, shares, kit.triangles, kit.paint, corners, look)
        small = picture.reshape(self.size, OVERSAMPLING, self.size, OVERSAMPLING, 3).mean(axis=(1, 3))
        frame = np.rint(255 * np.power(np.clip(small, 0, 1), 1 / 2.2)).astype(np.uint8)
        # A pixel of the frame covers OVERSAMPLING pixels of the big picture, whose middle is where its centre lies.
        marks = (points[kit.landmarks, :2] + 0.5) / OVERSAMPLING - 0.5
        return Portrait(frame, np.asarray(marks, np.float32))
