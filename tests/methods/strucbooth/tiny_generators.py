"""A plug-in file: tiny diffusion generators with random weights, one per parameterization, and a face backend."""

from __future__ import annotations

import numpy as np
import torch

from portraitbench.core.digest import array_digest
from portraitbench.core.options import Options, parse_options
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.base import BackendInfo, Face, FaceBackend, Grade
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, DiffusionGenerator
from portraitbench.methods.diffusion import EDM, Epsilon, Flow, VPrediction, scaled_linear

STRIDE, CHANNELS, TOKEN = 4, 4, 8
PATHS = {
    "epsilon": lambda: Epsilon(scaled_linear(), "leading", 1),
    "v": lambda: VPrediction(scaled_linear()),
    "flow": lambda: Flow(shift=3.0),
    "edm": lambda: EDM(sigma_data=1.0, sign=-1, training=(1.0, 1.6), levels=(0.002, 700.0)),
}


def tiny_unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=2 * CHANNELS,
        out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=TOKEN,
        attention_head_dim=2,
    )


class TinyCodec(torch.nn.Module):
    """A convolutional autoencoder; its decoder sees two cells to each side."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Conv2d(3, CHANNELS, STRIDE, STRIDE)
        self.decoder = torch.nn.Sequential(
            torch.nn.Conv2d(CHANNELS, 16, 3, padding=1),
            torch.nn.SiLU(),
            torch.nn.Conv2d(16, 3 * STRIDE**2, 3, padding=1),
            torch.nn.PixelShuffle(STRIDE),
        )


class TinyOptions(Options):
    steps: int = 5
    nan_from: int = -1  # calls of denoise after which it answers NaN


class Tiny(DiffusionGenerator):
    """An image diffusion model: identity latents beside the noisy ones, driving colours as tokens."""

    lora_targets = r".*\.(to_q|to_k|to_v|to_out\.0|conv1|conv2)"
    latent_stride = STRIDE
    tuner_defaults = {"strucbooth": {"steps": 3, "learning_rate": 1e-3}}

    options_model = TinyOptions

    def __init__(self, options, context):
        super().__init__(options, context)
        self._options = self.options
        self.parameterization = PATHS[self.name.removeprefix("tiny-")]()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.denoiser, self.codec = tiny_unet().eval(), TinyCodec()
            with torch.no_grad():
                self._scale = 1 / self.codec.encoder(torch.rand(4, 3, 64, 64) * 2 - 1).std()
        self.denoised = 0

    def animate(self, inputs):
        return self.sample(self.condition(inputs), seed=inputs.seed)

    def condition(self, inputs):
        with torch.no_grad():
            identity = self.encode(_frames(inputs.identity))
        cells = _frames(inputs.driving).unfold(2, 32, 32).unfold(3, 32, 32).mean((4, 5))  # (T, 3, 2, 2)
        tokens = torch.nn.functional.pad(cells.flatten(2).transpose(1, 2), (0, TOKEN - 3))
        return identity, tokens

    def made_frames(self, conditions):
        return range(len(conditions[1]))

    def select(self, conditions, frames):
        return conditions[0], conditions[1][list(frames)]

    def sample(self, conditions, *, seed, on_step=None):
        path, frames = self.parameterization, len(conditions[1])
        times = path.sampling_times(self._options.steps)
        noise = torch.randn((1, *conditions[0].shape[1:]), generator=torch.Generator().manual_seed(seed % 2**62))
        latents = path.start(noise.expand(frames, -1, -1, -1), times[:1])
        with torch.no_grad():
            for index in range(self._options.steps):
                t, t_next = times[index : index + 1], times[index + 1 : index + 2]
                if on_step is not None:
                    on_step(index, self._options.steps, t)
                latents = path.step(latents, self._predict(latents, t, conditions), t, t_next)
            pixels = ((self.decode(latents).clamp(-1, 1) + 1) * 127.5).round().byte()
        return Animation(Clip(pixels.permute(0, 2, 3, 1).numpy()), detail={"steps": self._options.steps})

    def encode(self, frames):
        return self.codec.encoder(frames) * self._scale

    def decode(self, latents):
        return self.codec.decoder(latents)

    def denoise(self, noisy, t, conditions):
        self.denoised += 1
        prediction = self._predict(noisy, t, conditions)
        return prediction * float("nan") if 0 <= self._options.nan_from < self.denoised else prediction

    def probe(self):
        random = torch.Generator().manual_seed(1)
        noisy = torch.randn((1, CHANNELS, 16, 16), generator=random)
        conditions = noisy[:1], torch.randn((1, 4, TOKEN), generator=random)
        with torch.no_grad():
            answer = self._predict(noisy, self.parameterization.times(torch.tensor([0.5])), conditions)
        return array_digest(answer.numpy())

    def _predict(self, noisy, t, conditions):
        path, (identity, tokens) = self.parameterization, conditions
        both = torch.cat([path.model_input(noisy, t), identity.expand(len(noisy), -1, -1, -1)], 1)
        return self.denoiser(both, path.model_time(t), tokens).sample


def _frames(clip):
    return torch.tensor(clip.frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def mean_face():
    """68 points of a drawn face in a unit square."""
    angle = np.linspace(0, np.pi, 17)
    jaw = np.stack([0.5 - 0.4 * np.cos(angle), 0.45 + 0.45 * np.sin(angle)], 1)
    arc = np.linspace(-1, 1, 5)
    brows = [np.stack([x + 0.12 * arc, 0.28 + 0.03 * arc**2], 1) for x in (0.3, 0.7)]
    bridge = np.stack([np.full(4, 0.5), np.linspace(0.4, 0.58, 4)], 1)
    base = np.stack([0.5 + 0.07 * arc, 0.63 - 0.02 * arc**2], 1)
    turn = np.pi + np.arange(6) * np.pi / 3
    eyes = [np.stack([x + 0.08 * np.cos(turn), 0.4 + 0.03 * np.sin(turn)], 1) for x in (0.3, 0.7)]
    lips = [
        np.stack([0.5 + w * np.cos(a), 0.76 + h * np.sin(a)], 1)
        for w, h, a in (
            (0.16, 0.07, np.pi + np.arange(12) * np.pi / 6),
            (0.12, 0.03, np.pi + np.arange(8) * np.pi / 4),
        )
    ]
    return np.concatenate([jaw, *brows, bridge, base, *eyes, *lips])


class TinyEmbedder(torch.nn.Module):
    """Embeds the mean colours of four by four cells."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.layer = torch.nn.Linear(48, 8)

    def embed(self, frames, landmarks):
        assert len(frames) == len(landmarks)
        return self.layer(torch.nn.functional.adaptive_avg_pool2d(frames, 4).flatten(1))


class TinyLandmarks(FaceBackend):
    """Sees a face in every frame that is not black; it moves a little with the frame's colours. Knows nobody."""

    name = "tiny-landmarks"

    def __init__(self, options, *, device="cpu"):
        parse_options(Options, options, f"face backend {self.name}")
        self.info = BackendInfo(self.name, "1", "none", "ours", device, Grade.TEST)

    def detect(self, frames):
        return [[Face(np.array([8.0, 8.0, 56.0, 56.0]), 1.0)] if frame.max() > 0 else [] for frame in frames]

    def landmarks(self, frames, faces):
        shifts = [np.sin(frame.reshape(-1, 3).mean(0)[:2] / 40) for frame in frames]
        return np.stack([64 * mean_face() + shift for shift in shifts])


class TinyFace(TinyLandmarks):
    """Embeds faces too, with gradients."""

    name, space = "tiny", "arcface"

    def __init__(self, options, *, device="cpu"):
        super().__init__(options, device=device)
        self.embedder = TinyEmbedder()

    def embed(self, frames, faces):
        with torch.no_grad():
            return np.stack(
                [self.embedder.embed(_frames(Clip(frame[None])), [None])[0].double().numpy() for frame in frames]
            )

    def differentiable(self):
        return self.embedder


for _kind in PATHS:
    METHODS.add(f"tiny-{_kind}", type(f"Tiny_{_kind}", (Tiny,), {"name": f"tiny-{_kind}"}))
for _face in (TinyLandmarks, TinyFace):
    BACKENDS.add(_face.name, _face)
