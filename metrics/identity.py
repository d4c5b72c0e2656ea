"""Identity preservation: is the generated person still the person in the identity image?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.errors import NoFaceError
from ..datasets.manifest import SuiteKind
from ..faces.base import Floats, Observation, identity_feature
from .base import Metric, MetricSpec, Scene, Scores
from .per_frame import compare_found

_CROSS = (SuiteKind.CROSS_IMAGE, SuiteKind.CROSS_VIDEO)


def cosine_similarity(vectors: Floats, reference: Floats) -> Floats:
    """Cosine between vectors and one reference vector.

    Args:
        vectors: Shape (T, D), of any norm.
        reference: Shape (D,).

    Returns:
        Cosines in [-1, 1], shape (T,); NaN where a norm is 0.

    >>> cosine_similarity(np.array([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), np.array([2.0, 0.0])).tolist()
    [1.0, 0.0, -1.0]
    """
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference)
    cosines = np.divide(vectors @ reference, norms, out=np.full(len(vectors), np.nan), where=norms > 0)
    clipped: Floats = np.clip(cosines, -1.0, 1.0)  # rounding may exceed 1 by one unit in the last place
    return clipped


def euclidean_distance(vectors: Floats, reference: Floats) -> Floats:
    """Euclidean distance of vectors (T, D) to one reference vector (D,), shape (T,).

    >>> euclidean_distance(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([0.0, 0.0])).tolist()
    [5.0, 0.0]
    """
    distances: Floats = np.linalg.norm(vectors - reference, axis=1)
    return distances


def _against_identity(scene: Scene, feature: str, compare: Callable[[Floats, Floats], Floats]) -> Scores:
    """Score every generated frame against the identity image in one embedding space."""
    return _against(scene, scene.identity.seen, "identity image", feature, compare)


def _against_driver(scene: Scene, feature: str, compare: Callable[[Floats, Floats], Floats]) -> Scores:
    """Score every generated frame against the driver's first frame with a face in one embedding space."""
    return _against(scene, scene.driving.seen, "driving clip", feature, compare)


def _against(
    scene: Scene, other: Observation, name: str, feature: str, compare: Callable[[Floats, Floats], Floats]
) -> Scores:
    if not other.found.any():
        raise NoFaceError(f"no face was found in the {name}")
    reference = other.features[feature][int(np.argmax(other.found))]
    generated = scene.generated.seen
    values = compare_found(generated.found, lambda rows: compare(rows, reference), generated.features[feature])
    return Scores.of_frames(values, generated.found)


class IdSim(Metric):
    """Cosine of ArcFace vectors; see :func:`cosine_similarity`."""

    spec = MetricSpec(
        id="id_sim/1",
        title="ID-SIM (ArcFace cosine)",
        unit="cosine",
        higher_is_better=True,
        level="frame",
        needs=(identity_feature("arcface"),),
        roles=("identity",),
        kinds=_CROSS,
        definition=(
            "Cosine similarity between the ArcFace vector of each generated frame and the ArcFace vector of the "
            "identity image, averaged over frames and then over cases. Faces are aligned to ArcFace's five-point "
            "template at 112x112 by the backend before they are embedded; vectors are compared without any "
            "calibration. Frames of the output without a face are left out and counted; an identity image without a "
            "face fails the case. The value depends on the recognition pack (w600k_r50, glintr100, ...), which the "
            "report names: compare numbers of the same pack only, and not with a method that was optimised against "
            "that very pack. Source: Deng et al., ArcFace, CVPR 2019; StrucBooth's ID-SIM, elsewhere called CSIM."
        ),
        aliases=("CSIM", "ID-SIM", "ID"),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _against_identity(scene, self.spec.needs[0], cosine_similarity)


class IdDlibL2(Metric):
    """Euclidean distance of dlib vectors; see :func:`euclidean_distance`."""

    spec = MetricSpec(
        id="id_dlib_l2/1",
        title="dlib identity distance",
        unit="L2 of 128-d vectors",
        higher_is_better=False,
        level="frame",
        needs=(identity_feature("dlib128"),),
        roles=("identity",),
        kinds=_CROSS,
        definition=(
            "Euclidean distance between the 128-dimensional vector that dlib's face recognition ResNet gives for each "
            "generated frame and the vector of the identity image, both as the network gives them (not normalised), "
            "averaged over frames and then over cases. The network is given the 68 points of the run's landmark model, "
            "not always dlib's own (see the conventions on dlib), and the value depends on that model too: compare "
            "runs with the same face models only. Lower is better; dlib's authors take two faces for the same "
            "person below 0.6. Frames of the output without a face are left out and counted; an identity image "
            "without a face fails the case. This is not ID-SIM: dlib vectors are not made for cosines (different "
            "people reach .76-.85), and the numbers cannot be compared with ArcFace's. It needs no download, and "
            "serves where no ArcFace pack is at hand. Source: dlib, dlib_face_recognition_resnet_model_v1."
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _against_identity(scene, self.spec.needs[0], euclidean_distance)


class IdPocketCos(Metric):
    """Cosine of the embedded face network's identity vectors; see :func:`cosine_similarity`."""

    spec = MetricSpec(
        id="id_pocket_cos/1",
        title="Embedded identity similarity",
        unit="cosine",
        higher_is_better=True,
        level="frame",
        needs=(identity_feature("pocket"),),
        roles=("identity",),
        kinds=_CROSS,
        definition=(
            "Cosine similarity between the vector that the embedded face network gives for each generated frame and "
            "the vector of the identity image, averaged over frames and then over cases. The network was trained on "
            "renders of imagined people and is at home in the embedded suites only, where two pictures of one person "
            "reach about .98 and of two people .55 (its model card): not comparable with ArcFace's cosine. Frames of "
            "the output without a face are left out and counted; an identity image without a face fails the case."
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _against_identity(scene, self.spec.needs[0], cosine_similarity)


_LEAKAGE = (
    " Compare it with the same distance of the ideal output: a method that comes nearer to the driver than that has "
    "let the driver's face leak into the identity's. Frames of the output without a face are left out and counted; a "
    "driving clip without a face fails the case."
)


class LeakPocketCos(Metric):
    """Similarity to the driver's face in the embedded space; see :func:`cosine_similarity`."""

    spec = MetricSpec(
        id="leak_pocket_cos/1",
        title="Leakage of the driver's face (embedded)",
        unit="cosine",
        higher_is_better=False,
        level="frame",
        needs=(identity_feature("pocket"),),
        roles=("driving",),
        kinds=_CROSS,
        definition=(
            "Cosine similarity between the embedded face network's vector of each generated frame and that of the "
            "driver's first frame with a face, averaged over frames and then over cases." + _LEAKAGE
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _against_driver(scene, self.spec.needs[0], cosine_similarity)


class LeakDlibL2(Metric):
    """Distance to the driver's face in dlib's space; see :func:`euclidean_distance`."""

    spec = MetricSpec(
        id="leak_dlib_l2/1",
        title="Leakage of the driver's face (dlib)",
        unit="L2 of 128-d vectors",
        higher_is_better=True,
        level="frame",
        needs=(identity_feature("dlib128"),),
        roles=("driving",),
        kinds=_CROSS,
        definition=(
            "Euclidean distance between dlib's 128-dimensional vector of each generated frame and that of the driver's "
            "first frame with a face, averaged over frames and then over cases; further away is better. The network is "
            "given the 68 points of the run's landmark model (see the conventions on dlib)." + _LEAKAGE
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _against_driver(scene, self.spec.needs[0], euclidean_distance)
