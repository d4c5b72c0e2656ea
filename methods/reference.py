"""The two ends of every scale: a method that moves nothing, and one that keeps nobody's identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.digest import digest
from ..core.options import Options, parse_options
from ..datasets.clip import Clip
from .base import Animation, GeneratorBase, Inputs, MethodContext


class CopyIdentity(GeneratorBase):
    """Returns the identity image for every driving frame: perfect identity, no expression transferred."""

    name = "copy-identity"
    revision = digest(["copy-identity", 1])

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:  # noqa: ARG002 - needs nothing
        parse_options(Options, options, "method copy-identity")

    def animate(self, inputs: Inputs) -> Animation:
        """The identity image, repeated."""
        frames = np.repeat(inputs.identity.frames, len(inputs.driving), axis=0)
        return Animation(Clip(frames, inputs.driving.fps))


class CopyDriving(GeneratorBase):
    """Returns the driving clip: perfect expression, somebody else's face."""

    name = "copy-driving"
    revision = digest(["copy-driving", 1])

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:  # noqa: ARG002 - needs nothing
        parse_options(Options, options, "method copy-driving")

    def animate(self, inputs: Inputs) -> Animation:
        """The driving clip, as it is."""
        return Animation(inputs.driving)
