"""A method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from portraitbench.core.digest import digest
from portraitbench.core.options import Options, parse_options
from portraitbench.datasets.clip import Clip
from portraitbench.methods.base import Animation, GeneratorBase, Inputs, MethodContext


class TintOptions(Options):
    """Options of the tint.

    Attributes:
        share: How much of the identity's mean colour is mixed in.
    """

    share: float = Field(default=0.5, ge=0, le=1)


class Tint(GeneratorBase):
    """Gives the driving frames the identity's mean colour."""

    name = "tint"

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        self._share = parse_options(TintOptions, options, "method tint").share
        self.revision = digest(["tint", 1, self._share])

    def animate(self, inputs: Inputs) -> Animation:
        """Mix; every driving frame gives one frame."""
        colour = inputs.identity.frames.mean(axis=(0, 1, 2))
        frames = (1 - self._share) * inputs.driving.frames + self._share * colour
        return Animation(Clip(np.rint(frames).astype(np.uint8), inputs.driving.fps))
