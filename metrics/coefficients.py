"""Expression transfer measured on the coefficients of a face model (3DMM, SMIRK, ...), where a backend reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from ..core.options import Options
from ..datasets.manifest import SuiteKind
from ..faces.base import Floats, coefficients_feature
from .base import ANY_MODEL, Metric, MetricSpec, Scene, Scores, check_lengths
from .per_frame import compare_found


class ModelOptions(Options):
    """Which face model's coefficients are compared."""

    model: str = Field(default=ANY_MODEL, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


def mean_absolute_difference(generated: Floats, driving: Floats) -> Floats:
    """Mean over coefficients of the absolute difference: (T, K) and (T, K) to (T,).

    >>> mean_absolute_difference(np.array([[0.0, 4.0]]), np.array([[1.0, 1.0]])).tolist()
    [2.0]
    """
    difference: Floats = np.abs(generated - driving).mean(axis=1)
    return difference


def euclidean_norm(generated: Floats, driving: Floats) -> Floats:
    """Euclidean norm of the difference of coefficients: (T, K) and (T, K) to (T,).

    >>> euclidean_norm(np.array([[0.0, 4.0]]), np.array([[3.0, 0.0]])).tolist()
    [5.0]
    """
    norm: Floats = np.linalg.norm(generated - driving, axis=1)
    return norm


_DEFINITION = (
    "{distance} between the expression coefficients that one face model ({model}) gives for the generated and for the "
    "driving frame. Frames without a face on either side are left out and counted; the case's value is the mean over "
    "frames. Coefficients of different models have different scales and meanings, and published code disagrees on the "
    "norm (mean, sum or Euclidean) even within one repository: compare numbers of the same model and the same norm "
    "only. Source: {source}."
)


class _Coefficients(Metric):
    """A metric with one form per face model, which is written into its id and its needs."""

    options_model = ModelOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        model = str(self.options["model"])
        self.feature = coefficients_feature(model)
        name, _, version = self.spec.id.partition("/")
        self.spec = replace(
            self.spec,
            id=f"{name}[{model}]/{version}",
            title=f"{self.spec.title} ({model})",
            needs=(self.feature,),
            definition=self.spec.definition.replace(ANY_MODEL, model),
        )

    def compare(self, generated: Floats, driving: Floats) -> Floats:
        """Distances per frame, shape (T,)."""
        raise NotImplementedError

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, driving = scene.generated.seen, scene.driving.seen
        check_lengths(len(generated.found), len(driving.found))
        found = generated.found & driving.found
        own, reference = generated.features[self.feature], driving.features[self.feature]
        return Scores.of_frames(compare_found(found, self.compare, own, reference), found)


class AedCoefficientsL1(_Coefficients):
    """Mean absolute coefficient difference; see :func:`mean_absolute_difference`."""

    spec = MetricSpec(
        id="aed_coeff_l1/1",
        title="Expression coefficients, mean L1",
        unit="coefficient",
        higher_is_better=False,
        level="frame",
        needs=(coefficients_feature(ANY_MODEL),),
        roles=("driving",),
        kinds=tuple(SuiteKind),
        definition=_DEFINITION.format(
            distance="Mean absolute difference",
            model=ANY_MODEL,
            source="AED as coded in StyleHeat, OTAvatar, GAGAvatar (64 Deep3D coefficients) and EditaLive (SMIRK)",
        ),
        aliases=("AED",),
    )

    def compare(self, generated: Floats, driving: Floats) -> Floats:
        """Mean absolute difference of the coefficients; see :func:`mean_absolute_difference`."""
        return mean_absolute_difference(generated, driving)


class AedCoefficientsL2(_Coefficients):
    """Euclidean coefficient distance; see :func:`euclidean_norm`."""

    spec = replace(
        AedCoefficientsL1.spec,
        id="aed_coeff_l2/1",
        title="Expression coefficients, L2",
        definition=_DEFINITION.format(
            distance="Euclidean norm of the difference",
            model=ANY_MODEL,
            source="AED as coded in several evaluation scripts over the 64 Deep3D coefficients",
        ),
    )

    def compare(self, generated: Floats, driving: Floats) -> Floats:
        """Euclidean norm of the coefficients' difference; see :func:`euclidean_norm`."""
        return euclidean_norm(generated, driving)
