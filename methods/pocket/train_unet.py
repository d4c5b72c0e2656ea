"""Train the denoiser: ``python -m portraitbench.methods.pocket.train_unet SET HELD_OUT_SET FOLDER --steps 40000``.

Stopped at any moment, the same command goes on from the last checkpoint in FOLDER and gives the same result.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from ...core.digest import seed_for
from ...core.files import atomic_path
from .autoencoder import load_autoencoder
from .dataset import load_set
from .latents import LatentSet, Pairs, draw_pairs, encode_set
from .unet import PocketDenoiser, make_scheduler, scalars

WARM_UP = 500


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training.

    Attributes:
        steps: Length of the whole training; the rate falls to zero over it.
        batch: Pairs per step.
        rate: Largest learning rate.
        ema: Decay of the averaged weights.
        seed: Decides pairs, times and noise of every step.
        every: Steps between checkpoints with held-out losses.
    """

    steps: int = 40_000
    batch: int = 256
    rate: float = 4e-4
    ema: float = 0.9995
    seed: int = 0
    every: int = 1000


class Trainer:
    """The denoiser, its average and its optimizer, between checkpoints."""

    def __init__(self, config: TrainConfig, device: str) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.step = config, device, 0
        self.network = PocketDenoiser().to(device)
        self.average = PocketDenoiser().to(device).eval().requires_grad_(requires_grad=False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(self.network.parameters(), config.rate, weight_decay=0.01)
        self.alphas: Tensor = make_scheduler().alphas_cumprod.to(device)
        self.predict = self.network.forward

    def loss(self, network: PocketDenoiser, pairs: Pairs, generator: torch.Generator) -> Tensor:
        """Mean squared error of v at random times."""
        count = len(pairs.target)
        t = torch.randint(len(self.alphas), (count,), generator=generator).to(self.device)
        noise = torch.randn(pairs.target.shape, generator=generator).to(self.device)
        signal = self.alphas[t].sqrt()[:, None, None, None]
        spread = (1 - self.alphas[t]).sqrt()[:, None, None, None]
        driving = scalars(pairs.code, pairs.pose, pairs.own_code, pairs.own_pose)
        predict = self.predict if network is self.network else network.forward
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.device.startswith("cuda")):
            velocity = predict(signal * pairs.target + spread * noise, t, pairs.identity, driving)
        return F.mse_loss(velocity.float(), signal * noise - spread * pairs.target)

    def advance(self, data: LatentSet) -> float:
        """One step; its chance comes from the seed and the step's number alone."""
        config = self.config
        generator = torch.Generator().manual_seed(seed_for(config.seed, "pocket", f"step {self.step}"))
        share = self.step / config.steps
        rate = config.rate * min(1.0, (self.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * share))
        self.optimizer.param_groups[0]["lr"] = rate
        loss = self.loss(self.network, draw_pairs(data, config.batch, generator), generator)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            own: list[Tensor] = list(self.network.parameters())
            average: list[Tensor] = list(self.average.parameters())
            torch._foreach_lerp_(average, own, 1 - decay)
        return float(loss.detach()) if self.step % 50 == 0 else math.nan

    @torch.no_grad()
    def held_out(self, data: LatentSet, batches: int = 8) -> float:
        """Loss of the averaged weights on fixed pairs, times and noise of people never trained on."""
        generator = torch.Generator().manual_seed(1)
        losses = [self.loss(self.average, draw_pairs(data, 32, generator), generator) for _ in range(batches)]
        return float(torch.stack(losses).mean())

    def save(self, path: Path) -> None:
        """Write everything that the next step needs, as one safetensors file."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        state["step"] = torch.tensor(self.step)
        with atomic_path(path) as temporary:
            save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, temporary)

    def resume(self, path: Path) -> None:
        """Go on from a file that :meth:`save` wrote."""
        state = load_file(path)
        self.step = int(state.pop("step"))
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})

    def export(self, path: Path) -> None:
        """Write the averaged weights in float16, as the package ships them."""
        state = {name: value.half().cpu().contiguous() for name, value in self.average.state_dict().items()}
        with atomic_path(path) as temporary:
            save_file(state, temporary)


def run(trainer: Trainer, data: LatentSet, held_out: LatentSet, folder: Path, minutes: float) -> None:
    """Train to the end or until the minutes are over, with a checkpoint at each stop; prints the curve."""
    config, start = trainer.config, time.monotonic()
    while trainer.step < config.steps:
        loss = trainer.advance(data)
        over = time.monotonic() - start > 60 * minutes
        if trainer.step % 50 == 0:
            print(f"step {trainer.step} {time.monotonic() - start:.0f} s loss {loss:.4f}", flush=True)
        if trainer.step % config.every == 0 or trainer.step == config.steps or over:
            print(f"step {trainer.step} held-out loss {trainer.held_out(held_out):.4f}", flush=True)
            trainer.save(folder / "checkpoint.safetensors")
            trainer.export(folder / "unet.safetensors")
        if over:
            return


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description="Train pocket's denoiser.")
    parser.add_argument("set", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("folder", type=Path, help="checkpoint.safetensors and unet.safetensors are kept here")
    for name, value in vars(TrainConfig()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this long, to go on later")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="compile the denoiser")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    trainer = Trainer(TrainConfig(**{name: getattr(given, name) for name in vars(TrainConfig())}), given.device)
    if (given.folder / "checkpoint.safetensors").is_file():
        trainer.resume(given.folder / "checkpoint.safetensors")
    if given.compile:
        trainer.predict = torch.compile(trainer.network.forward)
    autoencoder = load_autoencoder()
    sets = [encode_set(load_set(folder), autoencoder, given.device) for folder in (given.set, given.held_out)]
    run(trainer, sets[0], sets[1], given.folder, given.minutes)


if __name__ == "__main__":
    main()
