"""A metric."""

from __future__ import annotations

import numpy as np

from portraitbench.datasets.manifest import SuiteKind
from portraitbench.metrics.base import Metric, MetricSpec, Scene, Scores, check_lengths


class BrightnessShift(Metric):
    """Absolute difference of the mean brightness of the generated and of the driving frame."""

    spec = MetricSpec(
        id="brightness_shift/1",
        title="Brightness shift",
        unit="gray level",
        higher_is_better=False,
        level="frame",
        needs=(),
        roles=("driving",),
        kinds=tuple(SuiteKind),
        definition="Absolute difference between the mean over all pixels and channels of the generated frame and that "
        "of the driving frame of the same index. It reads no face; frames must be as many, and sizes may differ. "
        "Source: this plug-in, as an example of a metric that needs nothing but pixels and that anybody can install.",
    )

    def __call__(self, scene: Scene) -> Scores:
        """See :class:`portraitbench.metrics.base.Metric`."""
        generated, driving = scene.generated.clip, scene.driving.clip
        check_lengths(len(generated), len(driving))
        shift = np.abs(generated.frames.mean(axis=(1, 2, 3)) - driving.frames.mean(axis=(1, 2, 3)))
        return Scores.of_frames(shift, np.ones(len(shift), bool))
