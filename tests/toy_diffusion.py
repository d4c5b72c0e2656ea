"""A plug-in file with the smallest diffusion generator there can be, and tuners that do and do not clean up."""

from __future__ import annotations

from contextlib import contextmanager

import torch

from portraitbench.core.digest import array_digest
from portraitbench.core.errors import NoFaceError
from portraitbench.core.options import Options
from portraitbench.datasets.clip import Clip
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, DiffusionGenerator, Tuner


class ToyDiffusion(DiffusionGenerator):
    """Adds what its one layer says to the driving frames."""

    name = "toy-diffusion"
    parameterization = None
    lora_targets = "layer"
    latent_stride = 1
    tuner_defaults = {}

    def __init__(self, options, context):
        super().__init__(options, context)
        self.layer = torch.nn.Conv2d(3, 3, 1)
        self.denoiser = torch.nn.ModuleDict({"layer": self.layer})
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(3)[..., None, None])
            self.layer.bias.fill_(0.1)

    def animate(self, inputs):
        return self.sample(self.condition(inputs), seed=inputs.seed)

    def condition(self, inputs):
        return torch.tensor(inputs.driving.frames.copy()).permute(0, 3, 1, 2) / 127.5 - 1

    def made_frames(self, conditions):
        return range(len(conditions))

    def select(self, conditions, frames):
        return conditions[list(frames)]

    def sample(self, conditions, *, seed, on_step=None):
        with torch.no_grad():
            frames = self.decode(self.denoise(self.encode(conditions), torch.zeros(1), conditions))
        pixels = ((frames.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        return Animation(Clip(pixels))

    def encode(self, frames):
        return frames

    def decode(self, latents):
        return latents

    def denoise(self, noisy, t, conditions):
        return self.layer(noisy)

    def probe(self):
        with torch.no_grad():
            return array_digest(self.layer(torch.ones(1, 3, 2, 2)).numpy())


class TunerOptions(Options):
    how: str = "clean"
    only: str = ""


class ToyTuner(Tuner):
    """Shifts the layer's bias for one case; leaves it shifted, or fails, as ``how`` says, on the case ``only``."""

    name = "toy-tuner"

    options_model = TunerOptions

    @contextmanager
    def tune(self, generator, conditions, inputs, *, base=None):
        before = generator.layer.bias.detach().clone()
        bad = self.options.only in ("", inputs.case_id)
        with torch.no_grad():
            generator.layer.bias.add_(0.2)
        if bad and self.options.how == "raise":
            raise RuntimeError("diverged")  # and forgets to clean up
        if bad and self.options.how == "no-face":
            raise NoFaceError("nobody there")  # and forgets to clean up
        try:
            yield generator
        finally:
            if not (bad and self.options.how == "leak"):
                with torch.no_grad():
                    generator.layer.bias.copy_(before)


METHODS.add("toy-diffusion", ToyDiffusion)
METHODS.add("toy-tuner", ToyTuner)
