"""Train the autoencoder.

``python -m portraitbench.methods.pocket.training.train_autoencoder SET HELD_OUT_SET OUT_FILE``

The shipped weights took two runs: the defaults, then ``--start`` from their result with small crops around the eyes.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from ..autoencoder import PocketAutoencoder
from .dataset import RenderedSet, load_set

NOISE = 0.04
EYES, MOUTH = tuple(range(36, 48)), tuple(range(48, 68))
GROW = 5


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training.

    Attributes:
        steps: How many.
        batch: Crops per step.
        crop: Side of the crops in pixels.
        rate: Largest learning rate; it rises over 5 % of the steps and falls to zero.
        focus: First of the landmarks that crops are placed around: 36 for eyes and mouth.
        last: Last of them: 67 for eyes and mouth, 47 for the eyes alone.
        seed: Decides crops and noise.
    """

    steps: int = 3600
    batch: int = 32
    crop: int = 48
    rate: float = 1.5e-3
    focus: int = 36
    last: int = 67
    seed: int = 0


def to_tensor(frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], device: str = "cpu") -> Tensor:
    """uint8 frames (N, H, W, 3) as float32 in [-1, 1], (N, 3, H, W)."""
    return torch.from_numpy(np.array(frames)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def sample_crops(data: RenderedSet, rng: np.random.Generator, config: TrainConfig) -> Tensor:
    """Random crops, two thirds of them around one of the landmarks in focus, mirrored half of the time."""
    side = config.crop
    people, count, size = data.frames.shape[:3]
    out = np.empty((config.batch, side, side, 3), np.uint8)
    for row in range(config.batch):
        person, frame = rng.integers(people), rng.integers(count)
        if rng.random() < 2 / 3:
            centre = data.landmarks[person, frame, rng.integers(config.focus, config.last + 1)] + rng.normal(
                0, side / 6, 2
            )
            x, y = np.clip(np.rint(centre) - side // 2, 0, size - side).astype(int)
        else:
            x, y = rng.integers(0, size - side + 1, 2)
        crop = data.frames[person, frame, y : y + side, x : x + side]
        out[row] = crop[:, ::-1] if rng.random() < 0.5 else crop
    return to_tensor(out)


def sobel(frames: Tensor) -> Tensor:
    """Horizontal and vertical Sobel responses of each channel, (N, 6, H-2, W-2)."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=frames.device) / 4
    both = torch.stack([kernel, kernel.T])[:, None].repeat(3, 1, 1, 1)
    return F.conv2d(frames, both, groups=3)


def loss_of(network: PocketAutoencoder, frames: Tensor) -> Tensor:
    """L1 + 4 MSE + 0.5 Sobel L1, with noise on the latents so that the decoder forgives a sampler's errors."""
    latents = network.encode_raw(frames)
    decoded = network.decode_raw(latents + NOISE * torch.randn_like(latents))
    edges = F.l1_loss(sobel(decoded), sobel(frames))
    return F.l1_loss(decoded, frames) + 4 * F.mse_loss(decoded, frames) + 0.5 * edges


@torch.no_grad()
def quality(network: PocketAutoencoder, data: RenderedSet, frames: int = 4) -> dict[str, float]:
    """PSNR in dB over whole frames and in the eye and mouth boxes, on the first frames of each person of a set.

    Boxes are those of the true landmarks grown by 5 px; the mean squared error is pooled over frames before the log.
    """
    errors: dict[str, list[float]] = {"full": [], "eyes": [], "mouth": []}
    for person in range(data.config.people):
        real = to_tensor(data.frames[person, :frames])
        error = (network.decode(network.encode(real)).clamp(-1, 1) - real).div(2).square().mean(dim=1).numpy()
        errors["full"] += list(error.mean(axis=(1, 2)))
        for name, parts in {"eyes": (EYES[:6], EYES[6:]), "mouth": (MOUTH,)}.items():
            for part in parts:
                marks = data.landmarks[person, :frames, list(part)].swapaxes(0, 1)
                for own, points in zip(error, marks, strict=True):
                    x0, y0 = np.maximum(np.floor(points.min(axis=0)).astype(int) - GROW, 0)
                    x1, y1 = np.ceil(points.max(axis=0)).astype(int) + GROW + 1
                    errors[name].append(float(own[y0:y1, x0:x1].mean()))
    return {name: round(-10 * math.log10(float(np.mean(values))), 2) for name, values in errors.items()}


@torch.no_grad()
def standardise(network: PocketAutoencoder, frames: Tensor) -> None:
    """Set the latents' mean and deviation from a sample of frames."""
    latents = network.encode_raw(frames)
    network.mean.copy_(latents.mean(dim=(0, 2, 3)))
    network.std.copy_(latents.std(dim=(0, 2, 3)))


def train(
    data: RenderedSet, held_out: RenderedSet, config: TrainConfig, start_from: Path | None = None
) -> PocketAutoencoder:
    """Train from principal components, or go on from weights; prints the curve."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    network = PocketAutoencoder()
    sample = to_tensor(data.frames[:: max(1, data.config.people // 160), 1])
    if start_from is None:
        network.start_from_components(sample)
    else:
        network.load_state_dict({name: value.float() for name, value in load_file(start_from).items()})
    standardise(network, sample)
    print("start", quality(network, held_out), flush=True)
    optimizer = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=config.steps, pct_start=0.05)
    start = time.monotonic()
    for step in range(1, config.steps + 1):
        loss = loss_of(network, sample_crops(data, rng, config))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 400 == 0 or step == config.steps:
            standardise(network, sample)
            report = quality(network.eval(), held_out)
            print(f"step {step} {time.monotonic() - start:.0f} s loss {loss.item():.4f} {report}", flush=True)
    return network


def main() -> None:
    """Train from the command line and save float16 weights."""
    parser = argparse.ArgumentParser(description="Train pocket's autoencoder.")
    parser.add_argument("set", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    for name, value in vars(TrainConfig()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = parser.parse_args()
    config = TrainConfig(**{name: getattr(given, name) for name in vars(TrainConfig())})
    torch.set_num_threads(1)
    held_out = load_set(given.held_out)
    network = train(load_set(given.set), held_out, config, given.start).half().float()
    print("as saved, float16", quality(network, held_out, frames=16), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, given.out)


if __name__ == "__main__":
    main()
