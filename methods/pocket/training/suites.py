"""Make the embedded suites: people nobody was trained on, and the ideal output of every case.

``python -m portraitbench.methods.pocket.training.suites FACEKIT.npz FOLDER`` made what the package ships in
``datasets/suites``. A render has what no photograph has: the identity person with the driver's expression and pose.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ....core.digest import file_sha256, seed_for
from ....core.files import write_text
from ....datasets.clip import Clip
from ....datasets.manifest import SuiteKind
from ....datasets.media import write_output
from ..code import ATTENUATION
from .camera import Pose
from .dataset import SUITES
from .expressions import coarse_weights, driving_code, near_neutral, sample_expression, sample_motion, sample_pose
from .facekit import Single, load_facekit
from .people import sample_person, sample_scene
from .renderer import Renderer

SIZE = 128
FPS = Fraction(12)
IMAGE_SHAPE, VIDEO_SHAPE, SELF_CLIPS = (8, 8), (3, 4), 6
CLIP_FRAMES, SELF_START = 16, 8
QUICK = {SuiteKind.CROSS_IMAGE: 24, SuiteKind.CROSS_VIDEO: 1, SuiteKind.SELF_VIDEO: 1}
"""Cases of a first look."""
_NAMES = {
    SuiteKind.CROSS_IMAGE: "pocket-image",
    SuiteKind.CROSS_VIDEO: "pocket-video",
    SuiteKind.SELF_VIDEO: "pocket-self",
}

Performance = Sequence[tuple[Single, Pose]]
"""What somebody does in front of the camera: FACS weights and pose, frame by frame."""


@dataclass(frozen=True)
class Cast:
    """Who plays: seeds of people for identities, for drivers, for self clips."""

    first: int = SUITES

    def identity(self, index: int) -> int:
        """Seed of an identity."""
        return self.first + index

    def driver(self, index: int) -> int:
        """Seed of a driver."""
        return self.first + 100 + index

    def own(self, index: int) -> int:
        """Seed of somebody who drives himself."""
        return self.first + 200 + index


class Studio:
    """Renders performances and stores them with their facts.

    Args:
        renderer: Draws.
        cast: Who plays.
        folder: Where manifests go; media go into its subfolder ``pocket``.
    """

    def __init__(self, renderer: Renderer, cast: Cast, folder: Path) -> None:
        self._renderer = renderer
        self._kit = renderer.kit
        self._cast = cast
        self._folder = folder

    def cross(self, kind: SuiteKind, shape: tuple[int, int]) -> None:
        """Write a crossed suite with the ideal output of every case."""
        people, drivers = (
            [f"{_prefix(kind)}{letter}{index + 1}" for index in range(n)] for letter, n in zip("id", shape, strict=True)
        )
        assets: dict[str, Any] = {}
        acts = [self.act(kind, index) for index in range(shape[1])]
        for index, name in enumerate(people):
            assets[name] = self._store(name, self._cast.identity(index), [self.rest(self._cast.identity(index))])
        for index, name in enumerate(drivers):
            assets[name] = self._store(name, self._cast.driver(index), acts[index])
        targets = {}
        for row, person in enumerate(people):
            for column, driver in enumerate(drivers):
                name = f"{person}-as-{driver}"
                assets[name] = self._store(name, self._cast.identity(row), acts[column])
                targets[f"{person}__{driver}"] = {"asset": name, **_length(acts[column])}
        body = {
            "assets": assets,
            "identities": [{"id": name, "asset": name} for name in people],
            "drivings": [{"id": name, "asset": name, **_length(acts[0])} for name in drivers],
            "targets": targets,
        }
        self._write(kind, body)

    def self_driven(self, count: int) -> None:
        """Write the suite of clips that drive themselves."""
        names = [f"ps{index + 1}" for index in range(count)]
        assets = {}
        for index, name in enumerate(names):
            seed = self._cast.own(index)
            rng = np.random.default_rng(seed_for(seed, "pocket", "self"))
            assets[name] = self._store(name, seed, sample_motion(rng, self._kit, SELF_START + CLIP_FRAMES))
        clips = [
            {"id": name, "asset": name, "identity_frame": 0, "start": SELF_START, "frames": CLIP_FRAMES}
            for name in names
        ]
        self._write(SuiteKind.SELF_VIDEO, {"assets": assets, "clips": clips})

    def controls(self, kind: SuiteKind, shape: tuple[int, int], folder: Path) -> None:
        """Write clips by case id that show what a gain is made of.

        ``neutral``: the driver in the same poses with a resting face, whose gradients must not help. ``coarse``: what a
        perfect generator would draw from the code that pocket is given.
        """
        prefix, rest = _prefix(kind), self._kit.weights()
        for column in range(shape[1]):
            act = self.act(kind, column)
            neutral = self.film(self._cast.driver(column), [(rest, pose) for _, pose in act])
            coarse = [(self.coarse(weights), pose) for weights, pose in act]
            for row in range(shape[0]):
                name = f"{prefix}i{row + 1}__{prefix}d{column + 1}"
                write_output(folder / "neutral" / name, neutral)
                write_output(folder / "coarse" / name, self.film(self._cast.identity(row), coarse))

    def coarse(self, weights: Single) -> Single:
        """FACS weights that a perfect generator would draw from the code that pocket is given."""
        return coarse_weights(ATTENUATION * driving_code(weights, self._kit), self._kit)

    def act(self, kind: SuiteKind, index: int) -> Performance:
        """What a driver does: one strong expression, or a passage through several."""
        rng = np.random.default_rng(seed_for(self._cast.driver(index), "pocket", str(kind)))
        if kind is SuiteKind.CROSS_IMAGE:
            return [(sample_expression(rng, self._kit, strong=True), sample_pose(rng, jitter=0.0))]
        return sample_motion(rng, self._kit, CLIP_FRAMES)

    def rest(self, seed: int) -> tuple[Single, Pose]:
        """How somebody looks in the identity image: near neutral."""
        rng = np.random.default_rng(seed_for(seed, "pocket", "rest"))
        return near_neutral(rng, self._kit), sample_pose(rng, 0.5, jitter=0.0)

    def film(self, seed: int, act: Performance) -> Clip:
        """Render a performance of one person in that person's own scene."""
        sitter, scene = self._renderer.seat(sample_person(seed)), sample_scene(seed)
        frames = [self._renderer.render(sitter, weights, pose, scene).frame for weights, pose in act]
        return Clip(np.stack(frames), FPS)

    def _store(self, name: str, seed: int, act: Performance) -> dict[str, Any]:
        clip = self.film(seed, act)
        path = write_output(self._folder / "pocket" / name, clip)
        return {
            "path": path.relative_to(self._folder).as_posix(),
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
            "media": "image" if clip.is_image else "video",
            "licence": "Apache-2.0",
            "provenance": "render of the ICT face model (MIT) by portraitbench.methods.pocket; nobody real",
            "person": f"seed {seed}",
        }

    def _write(self, kind: SuiteKind, body: dict[str, Any]) -> None:
        suite = {
            "schema": 1,
            "name": _NAMES[kind],
            "title": f"Embedded {kind}: renders of imagined people, with the ideal outputs",
            "kind": str(kind),
            "size": SIZE,
            "quick": QUICK[kind],
            "notes": [
                f"python -m portraitbench.methods.pocket.training.suites FACEKIT FOLDER --first {self._cast.first}"
            ],
            **body,
        }
        write_text(self._folder / f"{_NAMES[kind]}.yaml", yaml.safe_dump(suite, sort_keys=False))


def _prefix(kind: SuiteKind) -> str:
    return "pi" if kind is SuiteKind.CROSS_IMAGE else "pv"


def _length(act: Performance) -> dict[str, int]:
    return {"frames": len(act)} if len(act) > 1 else {}


def main() -> None:
    """Make the suites from the command line."""
    parser = argparse.ArgumentParser(description="Render the embedded suites.")
    parser.add_argument("facekit", type=Path, help="ict_facekit.npz")
    parser.add_argument("folder", type=Path, help="where manifests and media go")
    parser.add_argument("--first", type=int, default=SUITES, help="seed of the first person; others for settings")
    parser.add_argument("--controls", type=Path, help="also write neutral drivers and coarse renders, by case id")
    given = parser.parse_args()
    studio = Studio(Renderer(load_facekit(given.facekit), SIZE), Cast(given.first), given.folder)
    for kind, shape in ((SuiteKind.CROSS_IMAGE, IMAGE_SHAPE), (SuiteKind.CROSS_VIDEO, VIDEO_SHAPE)):
        studio.cross(kind, shape)
        if given.controls is not None:
            studio.controls(kind, shape, given.controls)
    studio.self_driven(SELF_CLIPS)


if __name__ == "__main__":
    main()
