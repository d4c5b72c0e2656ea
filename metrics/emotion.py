"""Expression transfer measured on valence and arousal over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.errors import Status
from ..datasets.manifest import SuiteKind
from ..faces.base import EMOTION, Floats, emotion_feature
from .base import ANY_MODEL, Metric, MetricSpec, Scene, Scores, check_lengths
from .coefficients import ModelOptions

MIN_FRAMES = 3
"""Fewer joint frames than this tell nothing about correlation over time."""
FROZEN = 1e-3
"""A series whose population standard deviation is below this does not move."""


def ccc(x: Floats, y: Floats) -> float:
    """Concordance correlation coefficient: 2 cov(x, y) / (var x + var y + (mean x - mean y)^2).

    Variances and the covariance are those of the population (divided by N), as in Lin, Biometrics 1989, and in
    EmoNet's evaluation.

    Args:
        x: A series, shape (N,).
        y: Another, shape (N,).

    Returns:
        The coefficient in [-1, 1]; NaN when both series are one and the same constant.

    >>> x = np.array([0.0, 1.0, 2.0])
    >>> ccc(x, x), round(ccc(x, x + 1), 6)
    (1.0, 0.571429)
    """
    covariance = float(((x - x.mean()) * (y - y.mean())).mean())
    denominator = float(x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    return 2 * covariance / denominator if denominator > 0 else float("nan")


def pcc(x: Floats, y: Floats) -> float:
    """Pearson correlation coefficient of two series of shape (N,); NaN when one of them is constant.

    >>> round(pcc(np.array([0.0, 1.0, 2.0]), np.array([5.0, 3.0, 1.0])), 9)
    -1.0
    """
    dx, dy = x - x.mean(), y - y.mean()
    norm = float(np.linalg.norm(dx) * np.linalg.norm(dy))
    return float(np.clip(dx @ dy / norm, -1.0, 1.0)) if norm > 0 else float("nan")


@dataclass(frozen=True)
class EmotionAgreement:
    """How well one clip follows another in valence and arousal.

    Attributes:
        terms: CCC and PCC of valence and of arousal, where the driver's series moves.
        frozen: How many of the two generated series stand still although the driver's moves; their terms are 0.
        constant: How many of the driver's two series stand still; their terms are left out.
    """

    terms: dict[str, float] = field(default_factory=dict)
    frozen: int = 0
    constant: int = 0

    @property
    def value(self) -> float:
        """Mean of the terms; NaN without any."""
        return float(np.mean(list(self.terms.values()))) if self.terms else float("nan")


def emotion_agreement(generated: Floats, driving: Floats) -> EmotionAgreement:
    """Compare valence and arousal over the frames of one clip.

    Args:
        generated: Valence and arousal, shape (N, 2), N >= 1, no NaN.
        driving: The driver's, shape (N, 2).

    Returns:
        Terms and counts; a correlation with a series that does not move is noise, so none is computed.

    >>> moving = np.array([[0.0, 0.5], [0.1, 0.4], [0.3, 0.0]])
    >>> emotion_agreement(moving, moving).value
    1.0
    >>> arousal_stands_still = emotion_agreement(moving * [1, 0], moving)
    >>> arousal_stands_still.value, arousal_stands_still.frozen
    (0.5, 1)
    """
    terms: dict[str, float] = {}
    frozen = constant = 0
    for column, name in enumerate(("valence", "arousal")):
        own, reference = generated[:, column], driving[:, column]
        if reference.std() < FROZEN:
            constant += 1
        elif own.std() < FROZEN:
            frozen += 1
            terms |= {f"ccc_{name}": 0.0, f"pcc_{name}": 0.0}
        else:
            terms |= {f"ccc_{name}": ccc(own, reference), f"pcc_{name}": pcc(own, reference)}
    return EmotionAgreement(terms, frozen, constant)


class EmoSim(Metric):
    """Mean CCC and PCC of valence and arousal per clip; see :func:`emotion_agreement`."""

    feature = EMOTION
    spec = MetricSpec(
        id="emo_sim/1",
        title="EMO-SIM (valence and arousal over time)",
        unit="correlation",
        higher_is_better=True,
        level="clip",
        needs=(EMOTION,),
        roles=("driving",),
        kinds=(SuiteKind.CROSS_VIDEO, SuiteKind.SELF_VIDEO),
        definition=(
            "Mean of four terms per clip: concordance (CCC) and Pearson (PCC) correlation between the generated and "
            "the driving series of valence and of arousal, then the mean over clips; frames of different clips are "
            "never pooled. CCC = 2 cov / (var + var + squared difference of means), with population (1/N) moments. "
            f"A driver's series with a standard deviation below {FROZEN} makes its two terms undefined: they are left "
            f"out and counted (constant). A generated series below {FROZEN} while the driver's moves scores 0 in both "
            "terms and is counted (frozen). Frames where either side has no face are left out of both series and "
            f"counted; with fewer than {MIN_FRAMES} joint frames, or with no term left, the value is undefined. Clips "
            "of unequal length are refused, because a shift by one frame already ruins the score. The emotion model "
            "is the one that the report names; the paper's is EmoNet (Toisoul et al., Nature Machine Intelligence "
            "2021). Source: StrucBooth section 4.2, which calls it EMO-SIM in the text and EXP_SIM in table 1."
        ),
        aliases=("EXP_SIM", "EMO-SIM"),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, driving = scene.generated.seen, scene.driving.seen
        check_lengths(len(generated.found), len(driving.found))
        own, reference = generated.features[self.feature], driving.features[self.feature]
        both = np.isfinite(own).all(axis=1) & np.isfinite(reference).all(axis=1)
        joint = both & generated.found & driving.found
        used = int(joint.sum())
        detail: dict[str, float | int | str] = {"frames_used": used, "frames_left_out": len(joint) - used}
        if used < MIN_FRAMES:
            return Scores(np.array([np.nan]), [Status.UNDEFINED], detail)
        agreement = emotion_agreement(own[joint], reference[joint])
        detail |= {**agreement.terms, "frozen": agreement.frozen, "constant": agreement.constant}
        status = Status.UNDEFINED if np.isnan(agreement.value) else Status.OK
        return Scores(np.array([agreement.value]), [status], detail)


class ValenceArousalCcc(EmoSim):
    """EMO-SIM's arithmetic on another model's valence and arousal, one form per model; see :class:`EmoSim`."""

    options_model = ModelOptions
    spec = replace(
        EmoSim.spec,
        id="va_ccc/1",
        title="Valence and arousal over time",
        needs=(emotion_feature(ANY_MODEL),),
        definition=(
            f"EMO-SIM's arithmetic on the valence and arousal of the model {ANY_MODEL}, which is not EmoNet: mean of "
            "the concordance (CCC) and the Pearson (PCC) correlation between the generated and the driving series of "
            "valence and of arousal, per clip, then over clips. CCC = 2 cov / (var + var + squared difference of "
            f"means), population (1/N) moments. A driver's series with a standard deviation below {FROZEN} makes its "
            f"two terms undefined (left out, counted as constant); a generated one below {FROZEN} scores 0 in both "
            "(frozen). Frames where either side has no face are left out of both series and counted; with fewer than "
            f"{MIN_FRAMES} joint frames, or no term left, the value is undefined. Models disagree about one and the "
            "same face, so that this must never stand in one column with emo_sim or with another model's."
        ),
        aliases=(),
    )

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        model = str(self.options["model"])
        self.feature = emotion_feature(model)
        self.spec = replace(
            self.spec,
            id=f"va_ccc[{model}]/1",
            title=f"{self.spec.title} ({model})",
            needs=(self.feature,),
            definition=self.spec.definition.replace(ANY_MODEL, model),
        )
