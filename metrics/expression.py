"""Expression and pose transfer measured on 68 facial landmarks: a family of metrics that papers all call AED or AKD."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..datasets.manifest import SuiteKind
from ..faces.alignment import apply, umeyama
from ..faces.base import LANDMARKS, Floats, Observation
from .base import Metric, MetricSpec, Role, Scene, Scores, check_lengths
from .per_frame import compare_found, target_of

_CROSS = (SuiteKind.CROSS_IMAGE, SuiteKind.CROSS_VIDEO)
_ALIGNED = (
    "For every frame the 68 iBUG landmarks of the generated face are aligned onto those of the {reference} face by the "
    "least-squares similarity transform over all 68 points (Umeyama 1991: rotation, uniform scale, translation, no "
    "mirroring), which takes out framing, scale and in-plane rotation; the score is the mean Euclidean distance of the "
    "68 aligned points, "
)
_COVERAGE = " Frames without a face on either side are left out and counted; the case's value is the mean over frames."
_LEAK = (
    " The identity's own face shape leaks in: two neutral faces of different people are about 11 px (7 % of the "
    "inter-ocular distance) apart, so that only paired differences between methods on the same cases mean something "
    "across identities, and values depend on the landmark model, which the report names."
)


def aligned_distance(generated: Floats, reference: Floats) -> Floats:
    """Mean distance of landmarks after a similarity alignment of each generated face onto its reference.

    Args:
        generated: Landmarks, shape (T, K, 2).
        reference: Landmarks, shape (T, K, 2); the distance is in their unit.

    Returns:
        Mean Euclidean distances, shape (T,); NaN where the points of either side all coincide.

    >>> square = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]])
    >>> float(np.round(aligned_distance(7.0 + 3.0 * square[..., ::-1] * [1, -1], square)[0], 9))
    0.0
    """
    return np.array([_aligned_distance(*pair) for pair in zip(generated, reference, strict=True)])


def _aligned_distance(generated: Floats, reference: Floats) -> float:
    if not (np.ptp(generated, axis=0).any() and np.ptp(reference, axis=0).any()):
        return float("nan")
    moved = apply(umeyama(generated, reference), generated)
    return float(np.linalg.norm(moved - reference, axis=1).mean())


def inter_ocular_distance(landmarks: Floats) -> Floats:
    """Distance between the outer eye corners (points 36 and 45) of landmarks (T, 68, 2), shape (T,)."""
    distance: Floats = np.linalg.norm(landmarks[:, 36] - landmarks[:, 45], axis=1)
    return distance


def aed_lmk_iod(generated: Floats, reference: Floats) -> Floats:
    """:func:`aligned_distance` in percent of the reference's outer inter-ocular distance, shape (T,).

    NaN where that distance is 0.
    """
    scale = inter_ocular_distance(reference)
    distance = aligned_distance(generated, reference)
    relative: Floats = np.divide(100 * distance, scale, out=np.full(len(scale), np.nan), where=scale > 0)
    return relative


def resized_points(points: Floats, height: int, width: int, side: int) -> Floats:
    """Move points (..., 2) to where they lie when a frame of height x width is resized to side x side.

    Pixel centres are at integers, so that a resize maps x to (x + 1/2) * side / width - 1/2.

    >>> resized_points(np.array([0.5, 0.5]), height=2, width=2, side=4).tolist()
    [1.5, 1.5]
    """
    return (points + 0.5) * (side / np.array([width, height])) - 0.5


def akd_l1(generated: Floats, reference: Floats) -> Floats:
    """Mean absolute difference over all coordinates of landmarks (T, K, 2), without any alignment; shape (T,).

    >>> akd_l1(np.array([[[0.0, 0.0], [4.0, 0.0]]]), np.array([[[1.0, 0.0], [4.0, 3.0]]])).tolist()
    [1.0]
    """
    difference: Floats = np.abs(generated - reference).mean(axis=(1, 2))
    return difference


def _score(generated: Observation, reference: Observation, name: str, compare: Callable[..., Floats]) -> Scores:
    check_lengths(len(generated.found), len(reference.found), name)
    found = generated.found & reference.found
    return Scores.of_frames(compare_found(found, compare, generated.landmarks, reference.landmarks), found)


def _score_px512(generated: Observation, reference: Observation, name: str) -> Scores:
    # A similarity alignment ends in the reference's frame, so scaling that frame scales the distance.
    scale = 512 / max(reference.height, reference.width)
    return _score(generated, reference, name, lambda a, b: scale * aligned_distance(a, b))


def _spec(
    *,
    id: str,
    title: str,
    unit: str,
    definition: str,
    alias: str,
    role: Role = "driving",
    kinds: tuple[SuiteKind, ...] = tuple(SuiteKind),
) -> MetricSpec:
    """What the landmark metrics have in common."""
    return MetricSpec(
        id=id,
        title=title,
        unit=unit,
        higher_is_better=False,
        level="frame",
        needs=(LANDMARKS,),
        roles=(role,),
        kinds=kinds,
        definition=definition,
        aliases=(alias,),
    )


class AedLandmarksPx512(Metric):
    """Aligned landmark distance to the driver in pixels at 512; see :func:`aligned_distance`."""

    spec = _spec(
        id="aed_lmk_px512/1",
        title="Aligned landmark distance",
        unit="px at 512",
        definition=(
            _ALIGNED.format(reference="driver's")
            + "in pixels of the driving frame scaled so that its longer side is 512 px."
            + _COVERAGE
            + _LEAK
            + " Not FOMM's AED, which is an identity distance. Source: the definition that lands on the scale of "
            "published AED values for video (StrucBooth, table 1: 5.72-6.66); the papers do not state theirs."
        ),
        alias="AED",
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _score_px512(scene.generated.seen, scene.driving.seen, "driving clip")


class AedLandmarksIod(Metric):
    """Aligned landmark distance to the driver in percent of its inter-ocular distance; see :func:`aed_lmk_iod`."""

    spec = _spec(
        id="aed_lmk_iod/1",
        title="Aligned landmark distance, relative",
        unit="% of the inter-ocular distance",
        definition=(
            _ALIGNED.format(reference="driver's")
            + "in percent of the driver's outer inter-ocular distance in that frame (points 36 and 45, counted from "
            "0), so that the size of the face in the frame does not matter." + _COVERAGE + _LEAK
        ),
        alias="AED",
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _score(scene.generated.seen, scene.driving.seen, "driving clip", aed_lmk_iod)


class AedLandmarksTargetPx512(Metric):
    """Aligned landmark distance to the ideal output; see :func:`aligned_distance`."""

    spec = _spec(
        id="aed_lmk_target_px512/1",
        title="Aligned landmark distance to the target",
        unit="px at 512",
        role="target",
        kinds=_CROSS,
        definition=(
            _ALIGNED.format(reference="target's")
            + "in pixels of the target frame scaled so that its longer side is 512 px."
            + _COVERAGE
            + " The target is the ideal output (the identity with the driver's expression and pose), which only suites "
            "made by rendering know; the identity's own face shape does not leak in, as it does when the driver is the "
            "reference. In Self-Video the target is the driving clip, and aed_lmk_px512 is this metric."
        ),
        alias="AED",
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        return _score_px512(scene.generated.seen, target_of(scene).seen, "target")


class AkdL1Px256(Metric):
    """FOMM's average keypoint distance; see :func:`akd_l1`."""

    spec = _spec(
        id="akd_l1_px256/1",
        title="Unaligned keypoint distance",
        unit="px at 256",
        definition=(
            "Mean absolute difference over the 68 x 2 landmark coordinates of the generated and the driving frame, in "
            "pixels after both frames are resized to 256x256, without any alignment. The driving frame is the one the "
            "generator saw, as cropped into its own canvas: against any other crop the framing alone adds tens of "
            "pixels." + _COVERAGE + " Source: AKD as coded for FOMM (Siarohin et al., NeurIPS 2019) in "
            "AliaksandrSiarohin/pose-evaluation (extract.py, cmp_kp.py), but with one face of each frame (see the "
            "conventions) and with missing frames counted; its landmarks come from FAN, ours from the model that the "
            "report names."
        ),
        alias="AKD",
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, driving = scene.generated.seen, scene.driving.seen

        def compare(own: Floats, reference: Floats) -> Floats:
            return akd_l1(
                resized_points(own, generated.height, generated.width, 256),
                resized_points(reference, driving.height, driving.width, 256),
            )

        return _score(generated, driving, "driving clip", compare)
