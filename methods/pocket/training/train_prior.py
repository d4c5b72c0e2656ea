"""Train the warp's prior.

``python -m portraitbench.methods.pocket.training.train_prior SET HELD_OUT_SET OUT.safetensors``

Takes a few minutes on one CPU core.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import save_file

from ....core.files import atomic_path
from ..prior import WarpPrior, surprise
from .warped import Batch, WarpedSet

RATE, BATCH = 3e-3, 32


def take(batch: Batch, rows: torch.Tensor) -> Batch:
    """Some rows of a batch."""
    return Batch(*(getattr(batch, field.name)[rows] for field in fields(Batch)))


def train(data: Batch, steps: int, seed: int) -> WarpPrior:
    """Fit by maximum likelihood, rate falling to zero along a cosine; prints the curve."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network, start = WarpPrior(), time.monotonic()
    optimizer = torch.optim.AdamW(network.parameters(), RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = take(data, torch.randint(len(data.target), (BATCH,), generator=generator))
        mean, variance = network(rows.identity, rows.driving)
        loss = surprise(mean, variance, rows.target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1} {time.monotonic() - start:.0f} s surprise {float(loss.detach()):.4f}", flush=True)
    return network.eval()


@torch.no_grad()
def quality(network: WarpPrior, batch: Batch) -> dict[str, float]:
    """On held-out pairs: surprise, squared error of the mean and of the warp itself, and calibration (1 is right)."""
    mean, variance = network(batch.identity, batch.driving)
    error = (mean - batch.target).square()
    values = {
        "surprise": surprise(mean, variance, batch.target),
        "error": error.mean(),
        "warp_error": (batch.identity - batch.target).square().mean(),
        "calibration": (error / variance).mean(),
        "certain_cells": (variance < 0.1).float().mean(),
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description="Train the prior of pocket's warp.")
    parser.add_argument("set", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=int, default=4000, help="drawn once, then used again and again")
    parser.add_argument("--people", type=int, default=250, help="whom they are drawn from")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    source = WarpedSet.load(given.set, "cpu", slice(given.people))
    generator = torch.Generator().manual_seed(given.seed)
    drawn = [source.draw(50, generator) for _ in range(given.pairs // 50)]
    data = Batch(*(torch.cat([getattr(own, name) for own in drawn]) for name in Batch.__dataclass_fields__))
    network = train(data, given.steps, given.seed)
    with atomic_path(given.out) as temporary:
        save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, temporary)
    held_out = WarpedSet.load(given.held_out, "cpu").draw(400, torch.Generator().manual_seed(1))
    print(quality(network, held_out), flush=True)


if __name__ == "__main__":
    main()
