"""The ends of every scale: a method that moves nothing, one that keeps nobody's identity, and the target."""

from __future__ import annotations

import numpy as np

from ..core.errors import MissingTargetError
from ..datasets.clip import Clip
from .base import Animation, Generator, Inputs, MethodRole, OracleInputs


class CopyIdentity(Generator):
    """Returns the identity image for every driving frame: perfect identity, no expression transferred."""

    name = "copy-identity"
    role = MethodRole.CONTROL

    def animate(self, inputs: Inputs) -> Animation:
        """The identity image, repeated."""
        frames = np.repeat(inputs.identity.frames, len(inputs.driving), axis=0)
        return Animation(Clip(frames, inputs.driving.fps))


class CopyDriving(Generator):
    """Returns the driving clip: perfect expression, somebody else's face."""

    name = "copy-driving"
    role = MethodRole.CONTROL

    def animate(self, inputs: Inputs) -> Animation:
        """The driving clip, as it is."""
        return Animation(inputs.driving)


class Ideal(Generator):
    """Returns the case's target, where the suite knows it: the best that any method can do on these metrics."""

    name = "ideal"
    role = MethodRole.TARGET
    sees_target = True

    def animate(self, inputs: Inputs) -> Animation:
        """The target, as it is.

        Raises:
            MissingTargetError: When the suite knows none.
        """
        if not isinstance(inputs, OracleInputs) or inputs.target is None:
            raise MissingTargetError("the suite knows no target for this case")
        return Animation(inputs.target)
