"""Train the denoiser.

``python -m portraitbench.methods.pocket.training.train_unet SET HELD_OUT_SET FOLDER --steps 6000``

Stopped at any moment, the same command goes on from the last checkpoint in FOLDER and gives the same result.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import fields
from pathlib import Path

import torch
from torch import distributed as dist
from torch import multiprocessing

from .curve import Curve
from .trainer import TrainConfig, Trainer, rate
from .warped import WarpedSet

SHOWN = 50
"""Steps between points of the curve that are no checkpoints."""
CHOICES = {"schedule": ("constant", "cooldown"), "precision": ("bf16", "fp32")}


def run(trainer: Trainer, data: WarpedSet, held_out: WarpedSet, folder: Path, minutes: float) -> None:
    """Train to the end or until the minutes are over, with a checkpoint at each stop.

    The curve is printed, and kept in ``curve.csv``.
    """
    config, start, chief = trainer.config, time.monotonic(), trainer.rank == 0
    curve = Curve(folder / "curve.csv", trainer.step) if chief else None
    while trainer.step < config.steps:
        used = rate(config, trainer.step)
        loss, over = trainer.advance(data, over=time.monotonic() - start > 60 * minutes)
        if curve is not None:
            stop = trainer.step % config.every == 0 or trainer.step == config.steps or over
            losses = [loss, trainer.held_out(held_out)] if stop else [loss]
            if stop:
                trainer.save(folder / "checkpoint.safetensors")
                trainer.export(folder / "unet.safetensors")
            if stop or trainer.step % SHOWN == 0:
                seconds = time.monotonic() - start
                curve.add(trainer.step, trainer.step * config.batch, seconds, used, *losses)
                shown = " ".join(f"{value:.4f}" for value in losses)
                print(f"step {trainer.step} {seconds:.0f} s loss, held-out loss {shown}", flush=True)
        if over:
            return


def work(rank: int, given: argparse.Namespace, meeting: str) -> None:
    """What one process does."""
    torch.set_num_threads(given.threads)
    config = TrainConfig(**{field.name: getattr(given, field.name) for field in fields(TrainConfig)})
    if config.processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=config.processes)
    trainer = Trainer(config, given.device, rank, given.start)
    if (given.folder / "checkpoint.safetensors").is_file():
        trainer.resume(given.folder / "checkpoint.safetensors")
    data = WarpedSet.load(given.set, given.device, slice(rank, None, config.processes))
    held_out = WarpedSet.load(given.held_out, given.device)
    run(trainer, data, held_out, given.folder, given.minutes)


def launch(given: argparse.Namespace) -> None:
    """Train in as many processes as asked for; what is given is what the command line takes."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        if given.processes == 1:
            work(0, given, meeting)
        else:
            multiprocessing.spawn(work, (given, meeting), nprocs=given.processes)  # type: ignore[no-untyped-call, attr-defined]


def add_arguments(parser: argparse.ArgumentParser, defaults: TrainConfig) -> None:
    """Add what :func:`launch` needs besides the folders."""
    for name, value in vars(defaults).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, choices=CHOICES.get(name))
    parser.add_argument("--start", type=Path, help="weights of an earlier training to start from")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after this long (loading not counted), to go on later"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="of each process")


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description="Train pocket's denoiser.")
    parser.add_argument("set", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("folder", type=Path, help="checkpoint.safetensors and unet.safetensors are kept here")
    add_arguments(parser, TrainConfig())
    launch(parser.parse_args())


if __name__ == "__main__":
    main()
