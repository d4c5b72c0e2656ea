"""The denoiser while it is trained: one step at a time, and everything that the next step needs in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F

from ....core.digest import seed_for
from ....core.files import atomic_path
from ..autoencoder import STRIDE, load_autoencoder
from ..prior import load_prior
from ..unet import DenoiserInputs, PocketDenoiser, load_denoiser
from .detail import detail_loss, face_boxes
from .warped import Batch, WarpedSet

WARM_UP = 300
COOL_DOWN = 0.3
"""The rate is constant, then falls to zero over this last share of the steps."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training.

    Attributes:
        steps: Length of the whole training.
        batch: Pairs per step, all processes together.
        rate: Largest learning rate.
        ema: Decay of the averaged weights.
        seed: Decides pairs, times and noise of every step.
        every: Steps between checkpoints with held-out losses.
        processes: Each takes its share of the people and of every batch. On a CPU, processes of one thread lose less
            time than threads of one process.
        schedule: "cooldown" lets the rate fall to zero over the last 30 % of the steps. "constant" does not: for a
            training that goes on until somebody stops it, whose averaged weights are what is used.
        detail: Weight of the loss in pixels around eyes and mouth; see :func:`.detail.detail_loss`.
        focus: How much more a latent cell of eyes and mouth counts than another: few cells, and what people look at.
        precision: "bf16" runs the networks under autocast. On a processor without matrix units for it that is slower
            than "fp32" (114 and 71 ms of one core for a pair).
    """

    steps: int = 6000
    batch: int = 24
    rate: float = 8e-4
    ema: float = 0.998
    seed: int = 0
    every: int = 250
    processes: int = 1
    schedule: str = "cooldown"
    detail: float = 0.0
    focus: float = 1.0
    precision: str = "fp32"


class Trainer:
    """The denoiser, its average and its optimizer, between checkpoints.

    Args:
        config: The settings.
        device: Where to train.
        rank: Which of the processes this is.
        start: Weights to start from instead of chance.
    """

    def __init__(self, config: TrainConfig, device: str, rank: int = 0, start: Path | None = None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.rank, self.step = config, device, rank, 0
        self.network = PocketDenoiser().to(device)
        if start is not None:
            self.network.load_state_dict(load_denoiser(start).state_dict())
        self.prior = load_prior(device=device)
        self.autoencoder = load_autoencoder(device=device).requires_grad_(requires_grad=False)
        self.average = PocketDenoiser().to(device).eval().requires_grad_(requires_grad=False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(self.network.parameters(), config.rate, weight_decay=0.01)

    def loss(
        self,
        network: PocketDenoiser,
        batch: Batch,
        generator: torch.Generator,
        *,
        detail: float = 0.0,
        focus: float = 1.0,
    ) -> Tensor:
        """Weighted mean squared error of v at random times, see :meth:`PocketDenoiser.weight`, and the loss in pixels.

        The latter counts by the share of signal in the noisy latents: where there is none, the sharpest answer that is
        right on average is a blur.
        """
        t = torch.randint(len(network.alphas), (len(batch.target),), generator=generator).to(self.device)
        noise = torch.randn(batch.target.shape, generator=generator).to(self.device)
        with torch.no_grad():
            mean, variance = self.prior(batch.identity, batch.driving)
        given = DenoiserInputs(batch.identity, mean, variance, batch.driving, batch.sketch)
        alpha = network.alphas[t, None, None, None]
        signal, spread = alpha.sqrt(), (1 - alpha).sqrt()
        noisy = signal * batch.target + spread * noise
        with self._autocast():
            velocity = network(noisy, t, given)
        error = velocity - (signal * noise - spread * batch.target)
        weight = network.weight(t, given)
        if focus != 1:
            boxes = F.avg_pool2d(face_boxes(batch.landmarks, STRIDE * noisy.shape[-1]), STRIDE)
            weight = weight * (1 + (focus - 1) * boxes)
        loss: Tensor = (weight * error.square()).mean()
        if detail > 0:
            with self._autocast():
                each = detail_loss(self.autoencoder, signal * noisy - spread * velocity, batch.target, batch.landmarks)
            loss = loss + detail * (alpha.flatten() * each).mean()
        return loss

    def advance(self, data: WarpedSet, *, over: bool = False) -> tuple[float, bool]:
        """One step; its chance comes from the seed and the step's number alone.

        Args:
            data: This process's share of the people.
            over: Whether this process wants to stop after the step.

        Returns:
            The loss, a mean over the processes, and whether any of them wants to stop.
        """
        config = self.config
        name = f"step {self.step}" if config.processes == 1 else f"step {self.step} of {self.rank}"
        generator = torch.Generator().manual_seed(seed_for(config.seed, "pocket", name))
        self.optimizer.param_groups[0]["lr"] = rate(config, self.step)
        batch = data.draw(config.batch // config.processes, generator)
        loss = self.loss(self.network, batch, generator, detail=config.detail, focus=config.focus)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        mean, stops = self._share(loss.detach(), over)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            own: list[Tensor] = list(self.network.parameters())
            average: list[Tensor] = list(self.average.parameters())
            torch._foreach_lerp_(average, own, 1 - decay)
        return mean, stops

    def _autocast(self) -> torch.autocast:
        kind = self.device.split(":")[0]
        return torch.autocast(kind, torch.bfloat16, enabled=self.config.precision == "bf16")

    def _share(self, loss: Tensor, over: bool) -> tuple[float, bool]:
        """Average gradients and loss over the processes."""
        if self.config.processes == 1:
            return float(loss), over
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([*(own.flatten() for own in gradients), loss.reshape(1), loss.new_tensor([float(over)])])
        dist.all_reduce(flat)
        parts = torch.split(flat[:-2], [own.numel() for own in gradients])
        for own, part in zip(gradients, parts, strict=True):
            own.copy_(part.view_as(own) / self.config.processes)
        return float(flat[-2]) / self.config.processes, bool(flat[-1] > 0)

    @torch.no_grad()
    def held_out(self, data: WarpedSet, batches: int = 8) -> float:
        """Loss of the averaged weights on fixed pairs, times and noise of people never trained on."""
        generator = torch.Generator().manual_seed(1)
        losses = [self.loss(self.average, data.draw(32, generator), generator) for _ in range(batches)]
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


def rate(config: TrainConfig, step: int) -> float:
    """Learning rate of a step: warm-up, constant, and with a cool-down linear to zero."""
    left = (config.steps - step) / (COOL_DOWN * config.steps) if config.schedule == "cooldown" else 1.0
    return config.rate * min(1.0, (step + 1) / WARM_UP, left)
