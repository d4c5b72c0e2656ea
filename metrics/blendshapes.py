"""Expression transfer measured on the 52 blendshapes: whole face, regions, and changes against a clip's own start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from ..core.errors import Status
from ..datasets.manifest import SuiteKind
from ..faces.base import BLENDSHAPES as FEATURE
from ..faces.base import Floats
from ..faces.blendshapes import BLENDSHAPES, region_columns
from .base import Metric, MetricSpec, Scene, Scores, check_lengths
from .coefficients import mean_absolute_difference
from .per_frame import compare_found

_CLIPS = (SuiteKind.CROSS_VIDEO, SuiteKind.SELF_VIDEO)
_WHAT = (
    "Mean absolute difference between the scores (0 to 1) of {which} for the generated and for the driving frame, as "
    "the face model that the report names gives them. "
)
_COVERAGE = "Frames without a face on either side are left out and counted; the case's value is the mean over frames."
_NAMES = (
    " Names and order are those of MediaPipe's face landmarker (its own categories, _neutral first: ARKit's "
    "blendshapes without the tongue); all weigh the same, also the ones that hardly ever move (_neutral, cheekPuff, "
    "noseSneer), so that values are small."
)
_FLOOR = (
    " The scores of a resting face differ between people, so an output that copies the driver's expression perfectly "
    "onto another face does not reach 0: compare methods on the same cases, and see aed_blendshape52_delta_l1."
)


class AedBlendshapes(Metric):
    """Mean absolute difference of all 52 blendshapes to the driver."""

    columns: ClassVar[Sequence[int]] = range(len(BLENDSHAPES))
    spec = MetricSpec(
        id="aed_blendshape52_l1/1",
        title="Blendshape distance",
        unit="blendshape score",
        higher_is_better=False,
        level="frame",
        needs=(FEATURE,),
        roles=("driving",),
        kinds=tuple(SuiteKind),
        definition=_WHAT.format(which="all 52 blendshapes")
        + _COVERAGE
        + _NAMES
        + _FLOOR
        + " Source: the papers' mean L1 of expression coefficients (AED), on coefficients that can be had.",
        aliases=("AED",),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, driving = scene.generated.seen, scene.driving.seen
        check_lengths(len(generated.found), len(driving.found))
        found = generated.found & driving.found
        own, reference = (seen.features[FEATURE][:, list(self.columns)] for seen in (generated, driving))
        return Scores.of_frames(compare_found(found, mean_absolute_difference, own, reference), found)


def _region(region: str) -> MetricSpec:
    """The spec of one region's distance."""
    columns = region_columns(region)
    names = ", ".join(BLENDSHAPES[column] for column in columns)
    return replace(
        AedBlendshapes.spec,
        id=f"aed_blendshape52_{region}_l1/1",
        title=f"Blendshape distance, {region}",
        definition=_WHAT.format(which=f"the {len(columns)} blendshapes of the {region} ({names})") + _COVERAGE + _FLOOR,
        aliases=(),
    )


class AedBlendshapesEyes(AedBlendshapes):
    """Mean absolute difference of the eyes' blendshapes to the driver."""

    columns = region_columns("eyes")
    spec = _region("eyes")


class AedBlendshapesBrows(AedBlendshapes):
    """Mean absolute difference of the brows' blendshapes to the driver."""

    columns = region_columns("brows")
    spec = _region("brows")


class AedBlendshapesMouth(AedBlendshapes):
    """Mean absolute difference of the mouth's blendshapes to the driver."""

    columns = region_columns("mouth")
    spec = _region("mouth")


class AedBlendshapesJaw(AedBlendshapes):
    """Mean absolute difference of the jaw's blendshapes to the driver."""

    columns = region_columns("jaw")
    spec = _region("jaw")


class AedBlendshapesCheeks(AedBlendshapes):
    """Mean absolute difference of the cheeks' blendshapes to the driver."""

    columns = region_columns("cheeks")
    # Left out unless asked for: the one model at hand gives at most .002 on 20 expressive photographs.
    spec = replace(_region("cheeks"), by_default=False)


def changes(values: Floats) -> Floats:
    """Differences of a series (T, K) to its own first row, shape (T - 1, K).

    >>> changes(np.array([[1.0], [3.0], [0.0]])).tolist()
    [[2.0], [-1.0]]
    """
    return values[1:] - values[:1]


class AedBlendshapesDelta(Metric):
    """Mean absolute difference of expression changes since the clip's start; see :func:`changes`."""

    spec = replace(
        AedBlendshapes.spec,
        id="aed_blendshape52_delta_l1/1",
        title="Distance of blendshape changes",
        level="clip",
        kinds=_CLIPS,
        definition=(
            "Of both clips the frames where either side has no face are left out and counted. What remains is a series "
            "of 52 blendshape scores per clip; each is replaced by its difference to its own first remaining frame, "
            "which takes out what a resting face of that person scores. The score is the mean, over the remaining "
            "frames but the first and over all 52 blendshapes, of the absolute difference between the generated and "
            "the driving changes. A perfect transfer onto any face whose scores move as the driver's do scores 0; a "
            "still picture scores the mean absolute change of the driver itself (recorded as driver_change). With "
            "fewer than 2 joint frames the value is undefined." + _NAMES + " If the first frame is no rest, changes "
            "are still compared with changes, but scores that saturate at 0 or 1 come back less than they went."
        ),
        aliases=(),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        own, reference, left_out = joint_series(scene)
        detail: dict[str, float | int | str] = {"frames_used": len(own), "frames_left_out": left_out}
        if len(own) < 2:
            return Scores(np.array([np.nan]), [Status.UNDEFINED], detail)
        moved, driven = changes(own), changes(reference)
        detail["driver_change"] = float(np.abs(driven).mean())
        return Scores(np.array([np.abs(moved - driven).mean()]), [Status.OK], detail)


def joint_series(scene: Scene) -> tuple[Floats, Floats, int]:
    """Blendshapes of generated and driving clip in the frames that have them on both sides, and how many have not.

    Raises:
        MediaError: When the clips have different lengths.
    """
    generated, driving = scene.generated.seen, scene.driving.seen
    check_lengths(len(generated.found), len(driving.found))
    own, reference = generated.features[FEATURE], driving.features[FEATURE]
    joint = np.isfinite(own).all(axis=1) & np.isfinite(reference).all(axis=1) & generated.found & driving.found
    return own[joint], reference[joint], int((~joint).sum())
