"""How an expression runs through time: agreement of blendshape series, blinks, and trembling of landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import Status
from ..datasets.manifest import SuiteKind
from ..faces.base import BLENDSHAPES as FEATURE
from ..faces.base import LANDMARKS, Floats
from ..faces.blendshapes import BLENDSHAPES, BLINK
from .base import Metric, MetricSpec, Scene, Scores, check_lengths
from .blendshapes import joint_series
from .emotion import MIN_FRAMES, ccc, pcc
from .expression import inter_ocular_distance

_CLIPS = (SuiteKind.CROSS_VIDEO, SuiteKind.SELF_VIDEO)
MOVES = 0.02
"""Population standard deviation from which a driver's blendshape counts as moving."""
FROZEN = 1e-4
"""Below this a generated series does not move at all."""
SHUT = 0.5
"""Mean of both blink scores from which the eyes count as shut."""
SLACK = 1
"""Frames by which a blink may come early or late."""


def expression_agreement(generated: Floats, driving: Floats) -> dict[str, float]:
    """CCC and PCC of each blendshape that the driver moves, by "ccc_NAME" and "pcc_NAME"; 0 where the output is frozen.

    Args:
        generated: Series, shape (N, 52), no NaN.
        driving: The driver's, shape (N, 52).
    """
    terms: dict[str, float] = {}
    for column in np.flatnonzero(driving.std(axis=0) >= MOVES):
        own, reference, name = generated[:, column], driving[:, column], BLENDSHAPES[column]
        still = own.std() < FROZEN
        terms[f"ccc_{name}"] = 0.0 if still else ccc(own, reference)
        terms[f"pcc_{name}"] = 0.0 if still else pcc(own, reference)
    return terms


class ExpressionCcc(Metric):
    """Mean CCC and PCC over the blendshapes that the driver moves; see :func:`expression_agreement`."""

    spec = MetricSpec(
        id="expression_ccc/1",
        title="Agreement of expression over time",
        unit="correlation",
        higher_is_better=True,
        level="clip",
        needs=(FEATURE,),
        roles=("driving",),
        kinds=_CLIPS,
        definition=(
            f"Of the 52 blendshape series those are taken whose standard deviation in the driving clip is at least "
            f"{MOVES} (they move). For each, the concordance (CCC = 2 cov / (var + var + squared difference of means)) "
            "and the Pearson correlation (PCC) between the generated and the driving series are computed with "
            "population (1/N) moments; the value is the mean of all these terms, so CCC and PCC weigh half each. A "
            f"generated series with a standard deviation below {FROZEN} scores 0 in both terms and is counted "
            "(frozen). Frames where either side has no face are left out of both series and counted; with fewer than "
            f"{MIN_FRAMES} joint frames, or where the driver moves nothing, the value is undefined. Clips are never "
            "pooled, and clips of unequal length are refused. This has the shape of EMO-SIM without an emotion "
            "network: it is NOT EMO-SIM, does not measure valence or arousal, and must not be compared with it. CCC "
            "also asks for the same mean, into which the resting face of another person enters; PCC does not "
            "(both are recorded as means)."
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        own, reference, left_out = joint_series(scene)
        detail: dict[str, float | int | str] = {"frames_used": len(own), "frames_left_out": left_out}
        terms = expression_agreement(own, reference) if len(own) >= MIN_FRAMES else {}
        if not terms:
            return Scores(np.array([np.nan]), [Status.UNDEFINED], detail | {"moving": 0})
        for kind in ("ccc", "pcc"):
            detail[kind] = float(np.mean([value for name, value in terms.items() if name.startswith(kind)]))
        moving = reference.std(axis=0) >= MOVES
        detail["moving"], detail["frozen"] = int(moving.sum()), int((own.std(axis=0)[moving] < FROZEN).sum())
        return Scores(np.array([np.mean(list(terms.values()))]), [Status.OK], detail)


def events(on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of True as (first, last) frames.

    >>> events(np.array([True, False, True, True]))
    [(0, 0), (2, 3)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return [(int(first), int(after) - 1) for first, after in edges.reshape(-1, 2)]


def matches(generated: list[tuple[int, int]], driving: list[tuple[int, int]], slack: int = SLACK) -> int:
    """How many events of two ordered lists can be paired one to one, each pair overlapping or ``slack`` frames apart.

    Taking pairs in the order of time finds the most there are, because the events of either list do not overlap.

    >>> matches([(0, 1), (6, 6)], [(2, 3), (9, 9)])
    1
    """
    found = own = other = 0
    while own < len(generated) and other < len(driving):
        a, b = generated[own], driving[other]
        if a[0] <= b[1] + slack and b[0] <= a[1] + slack:
            found, own, other = found + 1, own + 1, other + 1
        elif a[1] < b[1]:
            own += 1
        else:
            other += 1
    return found


class BlinkF1(Metric):
    """F1 of the driver's blinks found in the output; see :func:`matches`."""

    spec = MetricSpec(
        id="blink_f1/1",
        title="Blinks in time with the driver (F1)",
        unit="F1",
        higher_is_better=True,
        level="clip",
        needs=(FEATURE,),
        roles=("driving",),
        kinds=_CLIPS,
        definition=(
            "A frame counts as shut where the mean of the blendshapes eyeBlinkLeft and eyeBlinkRight is at least "
            f"{SHUT}; a blink is a longest run of shut frames. Generated and driving blinks are paired one to one in "
            "the order of time (of two that do not fit, the one that ends first is passed over) where they overlap or "
            f"the first frame of the later is at most {SLACK} after the last of the earlier. The value is F1 = 2 "
            "pairs / (generated blinks + driving blinks). Frames where either side has no face are left out of both "
            "series (a blink does not end there) and counted. Where neither clip blinks the value is undefined, not 1; "
            "with no blink in the driver alone it is 0. A driver with its eyes shut throughout has one long blink. "
            "Numbers of blinks and pairs are recorded. Short clips have few blinks: one more or less moves a case by "
            "tenths, so read the mean over many cases."
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        own, reference, left_out = joint_series(scene)
        generated, driving = (events(series[:, BLINK].mean(axis=1) >= SHUT) for series in (own, reference))
        pairs = matches(generated, driving)
        detail: dict[str, float | int | str] = {"frames_used": len(own), "frames_left_out": left_out}
        detail |= {"blinks": len(generated), "driver_blinks": len(driving), "pairs": pairs}
        if not generated and not driving:
            return Scores(np.array([np.nan]), [Status.UNDEFINED], detail)
        return Scores(np.array([2 * pairs / (len(generated) + len(driving))]), [Status.OK], detail)


def jitter(points: Floats, usable: NDArray[np.bool_]) -> float:
    """Trembling of landmarks (T, 68, 2): mean length of their second differences, in percent of the face.

    The unit is the median over frames of the outer inter-ocular distance. Only triples of consecutive usable frames
    count; NaN without any.
    """
    triples = usable[:-2] & usable[1:-1] & usable[2:]
    if not triples.any():
        return float("nan")
    bends = np.linalg.norm(points[2:] - 2 * points[1:-1] + points[:-2], axis=2)[triples]
    scale = float(np.median(inter_ocular_distance(points[usable])))
    return 100 * float(bends.mean()) / scale if scale > 0 else float("nan")


class LandmarkJitter(Metric):
    """How unlike the driver's the trembling of the output's landmarks is; see :func:`jitter`."""

    spec = MetricSpec(
        id="jitter_lmk/1",
        title="Landmark jitter against the driver's",
        unit="relative difference",
        higher_is_better=False,
        level="clip",
        needs=(LANDMARKS,),
        roles=("driving",),
        kinds=_CLIPS,
        definition=(
            "The jitter of a clip is the mean, over the 68 landmarks and over all triples of consecutive frames, of "
            "the length of the second difference p[t+1] - 2 p[t] + p[t-1], in percent of the clip's median outer "
            "inter-ocular distance (points 36 and 45, from 0; over the frames that have a face on both sides). With g "
            "of the generated and d of the driving clip the "
            "value is |g - d| / (g + d): 0 where the output trembles and accelerates as much as the driver, 1 for a "
            "frozen output, towards 1 for one that shakes. Both jitters are recorded (generated_pct, driver_pct), and "
            "tell which side it is. Only triples whose three frames have a face on both sides count, for both clips; "
            "with none, or when neither clip moves, the value is undefined. Landmark models tremble by themselves "
            "(whole-pixel models by about a pixel), which raises both jitters and so flatters the value."
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, driving = scene.generated.seen, scene.driving.seen
        check_lengths(len(generated.found), len(driving.found))
        usable = generated.found & driving.found
        for seen in (generated, driving):
            usable = usable & np.isfinite(seen.landmarks).all(axis=(1, 2))
        own, other = jitter(generated.landmarks, usable), jitter(driving.landmarks, usable)
        detail: dict[str, float | int | str] = {
            "frames_used": int(usable.sum()),
            "frames_left_out": int((~usable).sum()),
        }
        if np.isnan(own + other) or own + other == 0:
            return Scores(np.array([np.nan]), [Status.UNDEFINED], detail)
        detail |= {"generated_pct": own, "driver_pct": other}
        return Scores(np.array([abs(own - other) / (own + other)]), [Status.OK], detail)
