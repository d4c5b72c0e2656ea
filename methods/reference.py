"""The ends of every scale: a method that moves nothing, one that keeps nobody's identity, and the true answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.digest import digest
from ..core.errors import MissingTargetError
from ..core.options import Options, parse_options
from ..datasets.clip import Clip
from .base import Animation, GeneratorBase, Inputs, MethodContext, OracleInputs


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


class Ideal(GeneratorBase):
    """Returns the case's true answer, where the suite knows it: the best that any method can do on these metrics."""

    name = "ideal"
    revision = digest(["ideal", 1])
    sees_target = True

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:  # noqa: ARG002 - needs nothing
        parse_options(Options, options, "method ideal")

    def animate(self, inputs: Inputs) -> Animation:
        """The target, as it is.

        Raises:
            MissingTargetError: When the suite knows none.
        """
        if not isinstance(inputs, OracleInputs) or inputs.target is None:
            raise MissingTargetError("the suite knows no true answer for this case")
        return Animation(inputs.target)
