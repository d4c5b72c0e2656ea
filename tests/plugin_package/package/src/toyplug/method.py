"""A method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from portraitbench.core.options import Options
from portraitbench.datasets.clip import Clip
from portraitbench.methods.base import Animation, Generator, Inputs, MethodContext


class TintOptions(Options):
    """Options of the tint.

    Attributes:
        share: How much of the identity's mean colour is mixed in.
    """

    share: float = Field(default=0.5, ge=0, le=1)


class Tint(Generator):
    """Gives the driving frames the identity's mean colour."""

    name = "tint"
    options_model = TintOptions

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        super().__init__(options, context)
        self._share = self.settings["share"]

    def animate(self, inputs: Inputs) -> Animation:
        """Mix; every driving frame gives one frame."""
        colour = inputs.identity.frames.mean(axis=(0, 1, 2))
        frames = (1 - self._share) * inputs.driving.frames + self._share * colour
        return Animation(Clip(np.rint(frames).astype(np.uint8), inputs.driving.fps))
