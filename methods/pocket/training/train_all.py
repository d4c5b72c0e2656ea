"""Render the sets and train the denoiser with one command, in pieces as short as wanted; meant for a GPU.

``python -m portraitbench.methods.pocket.training.train_all FACEKIT.npz FOLDER --minutes 10``

Given again, the same command goes on where it stopped, with rendering or with training, until it says that all is done:
then ``FOLDER/run/unet.safetensors`` holds the averaged weights in float16, as the package ships them, and
``FOLDER/run/curve.csv`` the losses.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from safetensors import safe_open

from ....core.digest import file_sha256
from .dataset import HELD_OUT, TRAIN, SetConfig, open_arrays, render_people
from .facekit import load_facekit
from .train_unet import add_arguments, launch
from .trainer import TrainConfig

LARGE = TrainConfig(steps=20_000, batch=256, rate=4e-4, ema=0.9995, every=500, precision="bf16")
"""Settings for a GPU: 5 million pairs."""
PEOPLE, HELD_OUT_PEOPLE = 4000, 32


class TimeIsUpError(Exception):
    """The minutes of this piece are over."""


def render_in_pieces(facekit: Path, folder: Path, config: SetConfig, workers: int, deadline: float) -> bool:
    """Render what is missing of a set, with some processes at the same time.

    Args:
        facekit: File of the face model.
        folder: Where the set's arrays go.
        config: What to render.
        workers: How many processes; 1 renders in this one.
        deadline: On the system's monotonic clock: no person is begun after it.

    Returns:
        Whether the set is complete.

    Raises:
        ConfigError: When the folder holds another set.
    """
    done = open_arrays(folder, config)["done"]
    if done.all():
        return True
    missing = [int(row) for row in np.flatnonzero(~done)]
    shares = [missing[first::workers] for first in range(workers)]
    left = deadline - time.monotonic()
    if workers == 1:
        render_share(facekit, folder, config, shares[0], left)
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            waiting = [pool.submit(render_share, facekit, folder, config, share, left) for share in shares]
            for future in waiting:
                future.result()
    print(f"{folder}: {int(done.sum())} of {config.people} people", flush=True)
    return bool(done.all())


def render_share(facekit: Path, folder: Path, config: SetConfig, rows: list[int], seconds: float) -> None:
    """What one rendering process does: its people, for so many seconds at most."""
    start = time.monotonic()
    try:
        render_people(folder, config, load_facekit(facekit), rows, on_person=stop_after(start + seconds))
    except TimeIsUpError:
        return


def stop_after(deadline: float) -> Callable[[int], None]:
    """A callback that raises :class:`TimeIsUpError` once the deadline is over."""

    def check(_: int) -> None:
        if time.monotonic() > deadline:
            raise TimeIsUpError

    return check


def train_all(given: argparse.Namespace) -> bool:
    """Do one piece of the work; what is given is what the command line takes.

    Returns:
        Whether everything is done.
    """
    deadline = time.monotonic() + 60 * given.minutes
    given.set, given.held_out = given.folder / "set", given.folder / "held_out"
    sets = {
        given.held_out: SetConfig(people=given.held_out_people, first=HELD_OUT, varied=0, jitter=0.0),
        given.set: SetConfig(people=given.people, first=TRAIN, varied=0, jitter=0.0),
    }
    for folder, config in sets.items():
        if not render_in_pieces(given.facekit, folder, config, given.workers, deadline):
            return False
    run = given.folder / "run"
    piece = argparse.Namespace(**vars(given) | {"folder": run, "minutes": (deadline - time.monotonic()) / 60})
    run.mkdir(exist_ok=True)
    launch(piece)
    with safe_open(run / "checkpoint.safetensors", "pt") as file:
        return bool(file.get_tensor("step") >= given.steps)


def main() -> None:
    """Prepare and train from the command line."""
    parser = argparse.ArgumentParser(description="Render pocket's sets and train its denoiser, in pieces.")
    parser.add_argument("facekit", type=Path, help="ict_facekit.npz")
    parser.add_argument("folder", type=Path, help="the sets and the training are kept here")
    parser.add_argument("--people", type=int, default=PEOPLE, help="to train on")
    parser.add_argument("--held-out-people", type=int, default=HELD_OUT_PEOPLE)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    add_arguments(parser, LARGE)
    given = parser.parse_args()
    if not train_all(given):
        print("not done yet: give the same command again to go on")
        return
    weights = given.folder / "run" / "unet.safetensors"
    print(f"done: {weights}, {weights.stat().st_size} bytes, sha256 {file_sha256(weights)}")


if __name__ == "__main__":
    main()
