"""A plug-in file whose method, face model and metric cost next to nothing: what a run of them takes is the harness's.

The method makes another small picture for each case, so that nothing is saved by equal outputs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from portraitbench.core.options import Options, parse_options
from portraitbench.datasets.clip import Clip, Frame
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.faces import BACKENDS
from portraitbench.faces.base import LANDMARKS, BackendInfo, Face, FaceBackend, Floats, Grade
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator, Inputs, MethodContext
from portraitbench.metrics import METRICS
from portraitbench.metrics.base import Metric, MetricSpec, Scene, Scores


class FreeOptions(Options):
    """Options of the free method.

    Attributes:
        seconds: How long it sleeps over each case, as a method would that computes elsewhere.
    """

    seconds: float = 0.0


class Free(Generator):
    """Gives noise of the case's seed."""

    name = "free"
    options_model = FreeOptions

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        super().__init__(options, context)
        self._seconds = parse_options(FreeOptions, options, "method free").seconds

    def animate(self, inputs: Inputs) -> Animation:
        """Make one output; see :meth:`Generator.animate`."""
        time.sleep(self._seconds)
        shape = inputs.driving.frames.shape
        pixels = np.random.default_rng(inputs.seed).integers(0, 256, shape, np.uint8)
        return Animation(Clip(pixels, inputs.driving.fps))


class FreeFace(FaceBackend):
    """Sees one and the same face in every frame."""

    name = "free"

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        parse_options(Options, options, "face backend free")
        self.info = BackendInfo("free", "1", "none", "ours", device, Grade.TEST)

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """See :meth:`Detects.detect`."""
        return [[Face(np.array([4.0, 4.0, 28.0, 28.0]), 1.0)] for _ in frames]

    def landmarks(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:  # noqa: ARG002 - the same for all
        """See :meth:`FindsLandmarks.landmarks`."""
        points = np.linspace(4.0, 28.0, 136).reshape(68, 2)
        return np.stack([points for _ in frames])


class FreeMetric(Metric):
    """The first number of each frame."""

    spec = MetricSpec(
        id="free/1",
        title="First number",
        unit="gray level",
        higher_is_better=True,
        level="frame",
        needs=(LANDMARKS,),
        roles=("driving",),
        kinds=tuple(SuiteKind),
        definition="The red value of the first pixel: for measuring the harness.",
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :meth:`Metric.__call__`."""
        values = scene.generated.clip.frames[:, 0, 0, 0].astype(np.float64)
        return Scores.of_frames(values, scene.generated.seen.counts > 0)


if not __name__.startswith("portraitbench."):  # a run was given this file; who only imports it keeps its registries
    METHODS.add("free", Free)
    BACKENDS.add("free", FreeFace)
    METRICS.add("free", FreeMetric)
