"""Training sets: rendered people in a folder of plain arrays, each person from its own seed, resumable.

Run as ``python -m portraitbench.methods.pocket.training.dataset FACEKIT.npz FOLDER --people 600``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.digest import seed_for
from ....core.errors import ConfigError
from ....core.files import write_text
from ..code import CODE
from .camera import Pose
from .expressions import driving_code, near_neutral, sample_expression, sample_pose, valence_arousal
from .facekit import FaceKit, Single, load_facekit
from .people import RenderScene, sample_person, sample_scene
from .renderer import Renderer

TRAIN, HELD_OUT, SUITES = 0, 1_000_000, 2_000_000
"""First seeds of the people for training, for testing what was trained, and for the embedded suites."""

VERSION = 1
_META = "set.json"
_ARRAYS = {"landmarks": (68, 2), "weights": (57,), "pose": (6,), "code": (len(CODE),), "emotion": (2,)}


@dataclass(frozen=True)
class SetConfig:
    """What decides a rendered set.

    Attributes:
        people: How many.
        first: Seed of the first person.
        frames: Pictures of each; the first one shows a near-neutral face.
        varied: How many of them, the last ones, have a light and background of their own; the others share one.
        size: Side of the pictures.
        jitter: Strength of random shift and zoom of the crop; 0 for the generator's set, whose driving code cannot
            tell it.
    """

    people: int = 600
    first: int = TRAIN
    frames: int = 16
    varied: int = 6
    size: int = 128
    jitter: float = 1.0


@dataclass(frozen=True, eq=False)
class RenderedSet:
    """A finished set; arrays are mapped from disk, with leading shape (people, frames).

    Attributes:
        config: What was rendered.
        frames: uint8 RGB, (P, F, S, S, 3).
        landmarks: Pixels, (P, F, 68, 2).
        weights: FACS weights, (P, F, 57).
        pose: Yaw, pitch, roll, dx, dy, zoom, (P, F, 6).
        code: Driving codes at full strength, (P, F, 5).
        emotion: Valence and arousal, (P, F, 2).
    """

    config: SetConfig
    frames: NDArray[np.uint8]
    landmarks: Single
    weights: Single
    pose: Single
    code: Single
    emotion: Single


@dataclass(frozen=True, eq=False)
class Shot:
    """How one picture of a person is to be taken."""

    weights: Single
    pose: Pose
    scene: RenderScene


def plan_person(seed: int, config: SetConfig, kit: FaceKit) -> list[Shot]:
    """Expressions, poses and scenes of one person's pictures; depends on nothing but the arguments."""
    rng = np.random.default_rng(seed_for(seed, "pocket", "shots"))
    shots = []
    for frame in range(config.frames):
        own = frame >= config.frames - config.varied
        scene = sample_scene(seed_for(seed, "pocket", f"scene {frame}") if own else seed)
        resting = frame == 0 or rng.random() < 0.12
        weights = near_neutral(rng, kit) if resting else sample_expression(rng, kit, strong=rng.random() < 0.5)
        pose = sample_pose(rng, 0.5 if frame == 0 else 1.0, config.jitter)
        shots.append(Shot(weights, pose, scene))
    return shots


def render_set(
    folder: Path, config: SetConfig, kit: FaceKit, *, on_person: Callable[[int], None] = lambda _: None
) -> RenderedSet:
    """Render a set, or what is missing of it.

    Args:
        folder: Where the arrays go.
        config: What to render.
        kit: The face model.
        on_person: Called with the number of finished people after each.

    Raises:
        ConfigError: When the folder holds another set.
    """
    render_people(folder, config, kit, range(config.people), on_person=on_person)
    return load_set(folder)


def render_people(
    folder: Path, config: SetConfig, kit: FaceKit, rows: Sequence[int], *, on_person: Callable[[int], None]
) -> None:
    """Render what is missing of some of a set's people; processes may each do their own ones at the same time.

    Args:
        folder: Where the arrays are; :func:`open_arrays` makes them.
        config: Settings of the whole set.
        kit: The face model.
        rows: Which people.
        on_person: Called with the number of people gone through, after each; may raise to stop between two.

    Raises:
        ConfigError: When the folder holds another set.
    """
    arrays = open_arrays(folder, config)
    renderer = Renderer(kit, config.size)
    for count, row in enumerate(rows, start=1):
        if not arrays["done"][row]:
            _render_person(arrays, row, config, renderer)
        on_person(count)


def load_set(folder: Path) -> RenderedSet:
    """Open a finished set for reading.

    Raises:
        ConfigError: When there is none, or it is not finished.
    """
    meta = folder / _META
    if not meta.is_file():
        raise ConfigError(f"rendered set {folder}: no {_META} there: render it with pocket.dataset first")
    config = SetConfig(**json.loads(meta.read_text())["config"])
    done = np.load(folder / "done.npy", mmap_mode="r", allow_pickle=False)
    if not done.all():
        raise ConfigError(f"rendered set {folder}: {int(done.sum())} of {config.people} people: render the rest first")
    loaded = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("frames", *_ARRAYS)}
    return RenderedSet(config=config, **loaded)


def _render_person(arrays: Mapping[str, NDArray[Any]], row: int, config: SetConfig, renderer: Renderer) -> None:
    sitter = renderer.seat(sample_person(config.first + row))
    for column, shot in enumerate(plan_person(config.first + row, config, renderer.kit)):
        portrait = renderer.render(sitter, shot.weights, shot.pose, shot.scene)
        arrays["frames"][row, column] = portrait.frame
        arrays["landmarks"][row, column] = portrait.landmarks
        arrays["weights"][row, column] = shot.weights
        arrays["pose"][row, column] = shot.pose.vector
        arrays["code"][row, column] = driving_code(shot.weights, renderer.kit)
        arrays["emotion"][row, column] = valence_arousal(shot.weights, renderer.kit)
    # Marked last: a person cut short by a kill is rendered again.
    arrays["done"][row] = True


def open_arrays(folder: Path, config: SetConfig) -> dict[str, NDArray[Any]]:
    """Map a set's arrays for writing, made if the folder is new.

    Raises:
        ConfigError: When the folder holds another set.
    """
    facts = json.dumps({"version": VERSION, "config": asdict(config)}, indent=1, sort_keys=True)
    meta = folder / _META
    lead = (config.people, config.frames)
    side = config.size
    shapes: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "frames": ((*lead, side, side, 3), np.uint8),
        "done": ((config.people,), np.bool_),
        **{name: ((*lead, *shape), np.float32) for name, shape in _ARRAYS.items()},
    }
    if meta.is_file():
        if meta.read_text() != facts:
            raise ConfigError(f"rendered set {folder} was made with other settings: choose another folder")
        return {name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="r+") for name in shapes}
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, (shape, dtype) in shapes.items()
    }
    write_text(meta, facts)
    return arrays


def main() -> None:
    """Render a set from the command line."""
    parser = argparse.ArgumentParser(description="Render people from the ICT face model.")
    parser.add_argument("facekit", type=Path, help="ict_facekit.npz")
    parser.add_argument("folder", type=Path, help="where the arrays go")
    for name, value in asdict(SetConfig()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = vars(parser.parse_args())
    facekit, folder = given.pop("facekit"), given.pop("folder")
    config = SetConfig(**given)

    def report(done: int) -> None:
        if done % 20 == 0 or done == config.people:
            print(f"{done} of {config.people} people", flush=True)

    render_set(folder, config, load_facekit(facekit), on_person=report)


if __name__ == "__main__":
    main()
