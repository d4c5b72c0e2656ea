"""The ICT light face model as arrays: mean face, identity modes, FACS expressions, triangles, 68 landmarks.

The package does not ship the model. It is public (github.com/ICT-VGL/ICT-FaceKit, MIT, commit
da5f95a607f5e6b37755b38d3385d7f2853732e5, folder ``FaceXModel``), and ``ict_facekit.npz`` is gathered from it so:

* ``generic_neutral_mesh.obj``: ``v`` lines are ``neutral``; ``f`` lines, quads split along their first diagonal, are
  ``triangles``; ``usemtl`` names give ``material`` and ``material_names``;
* ``identity000.obj`` to ``identity063.obj`` minus the neutral mesh: ``identity``, float16;
* the 57 expression meshes (``PupilDilate_L.obj`` to ``noseSneer_R.obj``, in the alphabet's order) minus the neutral
  mesh: ``expression``, float16, and their names without suffix: ``expression_names``;
* the vertices of the 68 Multi-PIE points, which the repository lists: ``landmarks68``.

Units are centimetres: x to the person's left (right in the picture), y up, z out of the face.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import AssetError

Single = NDArray[np.float32]
Index = NDArray[np.int32]

SKIN, MOUTH, GUMS, TEETH, EYE = range(5)
"""What a triangle is painted as."""

_PAINT = {
    "M_Face": SKIN,
    "M_BackHead": SKIN,
    "M_GumsTongue": GUMS,
    "M_Teeth": TEETH,
    "M_ScleraLeft": EYE,
    "M_ScleraRight": EYE,
}
"""The sclera closes over the iris, so pupil and iris are painted on it; what is not named here is left out. The lashes
are cards that only a transparent texture thins out: the shader draws a line at the lid instead."""

_SHAPES = {
    "neutral": (None, 3),
    "identity": (64, None, 3),
    "expression": (57, None, 3),
    "expression_names": (57,),
    "triangles": (None, 3),
    "material": (None,),
    "material_names": (12,),
    "landmarks68": (68,),
}


@dataclass(frozen=True, eq=False)
class FaceKit:
    """The model, reduced to what is drawn.

    Attributes:
        neutral: Mean face, shape (V, 3), cm.
        identity: Displacements of the 64 identity modes, shape (64, V, 3).
        expression: Displacements of the FACS expressions, shape (57, V, 3).
        names: Names of the expressions, in order.
        triangles: Vertex indices, counter-clockwise seen from outside, shape (F, 3).
        paint: What each triangle is painted as (:data:`SKIN` ... :data:`EYE`), shape (F,).
        landmarks: Vertex of each of the iBUG 68 points, shape (68,).
    """

    neutral: Single
    identity: Single
    expression: Single
    names: tuple[str, ...]
    triangles: Index
    paint: NDArray[np.int8]
    landmarks: Index

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each expression by its name."""
        return {name: row for row, name in enumerate(self.names)}

    def weights(self, **values: float) -> Single:
        """Expression weights, shape (57,), from names such as ``jawOpen=0.5``.

        Raises:
            KeyError: When a name is not one of the model's.
        """
        weights = np.zeros(len(self.names), np.float32)
        for name, value in values.items():
            weights[self.index[name]] = value
        return weights


def load_facekit(path: Path) -> FaceKit:
    """Read the model from ``ict_facekit.npz``; the module's text says how to build that file.

    Raises:
        AssetError: When the file is missing or is not this model.
    """
    if not path.is_file():
        raise AssetError(f"face model {path} is missing: build it from github.com/ICT-VGL/ICT-FaceKit (MIT)")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _SHAPES}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise AssetError(f"face model {path} is not an ict_facekit.npz: build it again from ICT-FaceKit") from error
    for name, shape in _SHAPES.items():
        own = arrays[name].shape
        if len(own) != len(shape) or any(want not in (None, have) for want, have in zip(shape, own, strict=True)):
            raise AssetError(f"face model {path}: array {name!r} has shape {own}, expected {shape}")
    return _reduced(arrays)


def _reduced(arrays: dict[str, NDArray[Any]]) -> FaceKit:
    """Leave out the triangles that are never drawn, then the vertices that nothing uses."""
    paint_of = np.array([_PAINT.get(str(name), -1) for name in arrays["material_names"]], np.int8)
    paint = paint_of[arrays["material"]]
    triangles = arrays["triangles"][paint >= 0]
    paint = paint[paint >= 0]
    used = np.unique(np.concatenate([triangles.ravel(), arrays["landmarks68"]]))
    new = np.full(len(arrays["neutral"]), -1, np.int32)
    new[used] = np.arange(len(used), dtype=np.int32)
    neutral = np.ascontiguousarray(arrays["neutral"][used], np.float32)
    triangles = new[triangles]
    centres = neutral[triangles].mean(axis=1)
    x, y, z = centres.T
    inside = (paint == SKIN) & (np.abs(x) < 4.5) & (y > -7) & (y < -0.3) & (z > 0) & (z < 10.85)
    back = arrays["material"][paint_of[arrays["material"]] >= 0] == list(arrays["material_names"]).index("M_BackHead")
    paint = np.where(inside & back, MOUTH, paint).astype(np.int8)
    return FaceKit(
        neutral=neutral,
        identity=np.ascontiguousarray(arrays["identity"][:, used], np.float32),
        expression=np.ascontiguousarray(arrays["expression"][:, used], np.float32),
        names=tuple(str(name) for name in arrays["expression_names"]),
        triangles=np.ascontiguousarray(triangles, np.int32),
        paint=paint,
        landmarks=new[arrays["landmarks68"]],
    )
