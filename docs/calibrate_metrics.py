"""Reads MediaPipe's angles and the metrics off faces whose truth is known; ``invoke metric-calibration`` runs it.

Renders of the ICT face model turn by known angles and make a known share of the driver's expression; public portraits
are warped a known share of the way to the driver. Writes ``docs/metrics_calibration.md`` and the figure beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from measure_metrics import read, table, view
from PIL import Image

from portraitbench.core.digest import seed_for
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.faces import BACKENDS
from portraitbench.faces.base import HEAD_ROTATION, LANDMARKS
from portraitbench.faces.observer import Observer
from portraitbench.methods.pocket.training.camera import Pose
from portraitbench.methods.pocket.training.expressions import near_neutral, sample_expression, sample_motion
from portraitbench.methods.pocket.training.facekit import load_facekit
from portraitbench.methods.pocket.training.people import sample_person, sample_scene
from portraitbench.methods.pocket.training.renderer import Renderer
from portraitbench.methods.warp import follow, warp_image
from portraitbench.metrics.base import Scene, View
from portraitbench.metrics.pose import euler_degrees
from portraitbench.metrics.resolve import resolve

PEOPLE, FIRST, SIDE = 12, 6_000_000, 256
CLIPS, FRAMES = 6, 16
ANGLES = range(-30, 31, 10)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
LAGS = (0, 1, 2, 4, 8)
STILL = ("aed_lmk_px512", "aed_lmk_iod", "aed_blendshape52_l1", "aed_blendshape52_eyes_l1", "aed_blendshape52_mouth_l1")
MOVING = ("expression_ccc", "aed_blendshape52_delta_l1", "blink_f1")


class Sitters:
    """Renders of people whom no network was trained on.

    Args:
        facekit: File of the face model.
    """

    def __init__(self, facekit: Path) -> None:
        self.kit = load_facekit(facekit)
        self._renderer = Renderer(self.kit, SIDE)

    def film(self, person: int, acts: list[tuple[np.ndarray, Pose]]) -> np.ndarray:
        """Frames of one person, uint8 RGB, shape (T, side, side, 3)."""
        seed = FIRST + person
        sitter, scene = self._renderer.seat(sample_person(seed)), sample_scene(seed)
        return np.stack([self._renderer.render(sitter, weights, pose, scene).frame for weights, pose in acts])

    def chance(self, person: int, what: str) -> np.random.Generator:
        """Random numbers that only the person and the purpose decide."""
        return np.random.default_rng(seed_for(FIRST + person, "calibration", what))


def angles(sitters: Sitters, observer: Observer) -> pd.DataFrame:
    """Known and read angles in degrees: one row per person, axis and angle; a face that is not found reads NaN."""
    rows = []
    for person in range(PEOPLE):
        for axis in ("yaw", "pitch", "roll"):
            poses = [Pose(**{axis: float(np.radians(angle))}) for angle in ANGLES]
            frames = sitters.film(person, [(sitters.kit.weights(), pose) for pose in poses])
            turns = observer.observe(Clip(frames, 25.0)).features[HEAD_ROTATION]
            found = ~np.isnan(turns[:, 0, 0])
            own = np.full(len(turns), np.nan)
            own[found] = euler_degrees(turns[found])[:, ("yaw", "pitch", "roll").index(axis)]
            own -= own[list(ANGLES).index(0)]  # at rest the face model's head is not the reader's zero
            # The renderer rolls towards the person's left shoulder, the reader counter-clockwise as seen.
            own *= -1 if axis == "roll" else 1
            rows += [
                {"person": person, "axis": axis, "known": known, "read": value}
                for known, value in zip(ANGLES, own, strict=True)
            ]
    return pd.DataFrame(rows)


def clip_view(observer: Observer, frames: np.ndarray) -> View:
    """A clip as metrics see it."""
    clip = Clip(np.ascontiguousarray(frames), 25.0)
    return View(lambda: clip, lambda: observer.observe(clip))


def expressions(sitters: Sitters, observer: Observer) -> Iterator[dict[str, object]]:
    """The driver's expression in a known share on another person's face, in the same pose."""
    for person in range(PEOPLE):
        chance = sitters.chance(person, "expression")
        full, rest = sample_expression(chance, sitters.kit, strong=True), near_neutral(chance, sitters.kit)
        driving = view(observer, sitters.film(person + 100, [(full, Pose())])[0])
        for share in SHARES:
            own = view(observer, sitters.film(person, [(share * full + (1 - share) * rest, Pose())])[0])
            scene = Scene(SuiteKind.CROSS_IMAGE, own, identity=own, driving=driving, target=None)
            yield {"grade": share} | {name: resolve(name)(scene).values[0] for name in STILL}


def gazes(sitters: Sitters, observer: Observer) -> Iterator[dict[str, object]]:
    """Eyes turned a known share of the way to where the driver looks."""
    for person in range(PEOPLE):
        right, up = sitters.chance(person, "gaze").random(2) < 0.5
        names = ["eyeLookOut_L", "eyeLookIn_R"] if right else ["eyeLookIn_L", "eyeLookOut_R"]
        names += [f"eyeLook{'Up' if up else 'Down'}_{side}" for side in "LR"]
        full = sitters.kit.weights(**dict.fromkeys(names, 0.6))
        driving = view(observer, sitters.film(person + 100, [(full, Pose())])[0])
        for share in SHARES:
            own = view(observer, sitters.film(person, [(share * full, Pose())])[0])
            yield {
                "grade": share,
                "gaze_deg": resolve("gaze_deg")(
                    Scene(SuiteKind.CROSS_IMAGE, own, identity=own, driving=driving, target=None)
                ).values[0],
            }


def motions(sitters: Sitters, observer: Observer) -> Iterator[dict[str, object]]:
    """A clip's expressions on another face: weakened by a share, or late by some frames."""
    for person in range(CLIPS):
        acts = sample_motion(sitters.chance(person, "motion"), sitters.kit, FRAMES + max(LAGS))
        acts = [(weights, Pose()) for weights, _ in acts]
        late = max(LAGS)
        driving = clip_view(observer, sitters.film(person + 100, acts[late:]))
        made = {
            ("share", share): [(np.float32(share) * weights, pose) for weights, pose in acts[late:]] for share in SHARES
        }
        made |= {("lag", lag): acts[late - lag : len(acts) - lag] for lag in LAGS[1:]}
        for (change, grade), own_acts in made.items():
            own = clip_view(observer, sitters.film(person, own_acts))
            scene = Scene(SuiteKind.CROSS_VIDEO, own, identity=own, driving=driving, target=None)
            yield {"change": change, "grade": grade} | {
                name: float(np.mean(resolve(name)(scene).values)) for name in MOVING
            }


def warps(portraits: Path, observer: Observer) -> Iterator[dict[str, object]]:
    """Public portraits whose landmarks are moved a known share of the way to a driver's."""
    people, drivers = (
        [square(path) for path in sorted((portraits / name).iterdir())] for name in ("identities", "driving_images")
    )
    for row, person in enumerate(people):
        for driver in (drivers[row], drivers[row + 10]):
            identity, driving = view(observer, person), view(observer, driver)
            source, goal = (observer.observe(own.clip, [LANDMARKS]).landmarks for own in (identity, driving))
            if np.isnan(source).any() or np.isnan(goal).any():
                continue
            for share in SHARES:
                moved = warp_image(person, source[0], follow(source[0], goal, share)[0], "affine")
                scene = Scene(
                    SuiteKind.CROSS_IMAGE, view(observer, moved), identity=identity, driving=driving, target=None
                )
                yield {"grade": share} | {name: resolve(name)(scene).values[0] for name in (*STILL, "id_dlib_l2")}


def square(path: Path) -> np.ndarray:
    """The largest centred square of a picture at 512 px."""
    image = Image.fromarray(read(path))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.asarray(image.crop((left, top, left + side, top + side)).resize((512, 512), Image.Resampling.LANCZOS))


def by_grade(rows: Iterator[dict[str, object]]) -> pd.DataFrame:
    """Means over people, one row per metric and one column per grade."""
    return pd.DataFrame(rows).groupby("grade").mean(numeric_only=True).T.rename_axis("metric")


def draw(read_angles: pd.DataFrame, graded: dict[str, pd.DataFrame], path: Path) -> None:
    """Known against read angles, and each metric's mean over the grades as a share of its value at grade 0."""
    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 1 + len(graded), figsize=(4 * (1 + len(graded)), 3.4), layout="constrained")
    for axis, own in read_angles.groupby("axis", sort=False):
        mean = own.groupby("known")["read"].mean()
        axes[0].plot(mean.index, mean, marker="o", label=axis)
    axes[0].plot(list(ANGLES), list(ANGLES), color="0.6", linestyle=":", label="truth")
    axes[0].set(title="Head pose, renders", xlabel="known, degrees", ylabel="read, degrees")
    for place, (title, means) in zip(axes[1:], graded.items(), strict=True):
        for name, values in means.iterrows():
            place.plot(means.columns, values / values.iloc[0], marker="o", label=name)
        place.set(title=title, xlabel="share of the driver's", ylabel="of the value at 0", ylim=(0, None))
    for place in axes:
        place.legend(fontsize=7, frameon=False)
    with mpl.rc_context({"svg.hashsalt": "portraitbench"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def summary(read_angles: pd.DataFrame) -> pd.DataFrame:
    """Per axis: slope of read on known angles, mean absolute error, and how many faces were found."""
    rows = {}
    for axis, own in read_angles.groupby("axis", sort=False):
        seen = own.dropna()
        slope = float((seen.known * seen.read).sum() / (seen.known**2).sum())
        rows[axis] = {
            "slope": slope,
            "mean absolute error, deg": float((seen.read - seen.known).abs().mean()),
            "found": f"{len(seen)} of {len(own)}",
        }
    return pd.DataFrame(rows).T.rename_axis("axis")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facekit", type=Path, required=True, help="ict_facekit.npz")
    parser.add_argument("--portraits", type=Path, required=True, help="folder of public portraits and driving images")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("metrics_calibration.md"))
    given = parser.parse_args()
    mesh = BACKENDS.get("mediapipe")({})
    observer = Observer([mesh])
    sitters = Sitters(given.facekit)
    turned = angles(sitters, observer)
    still, looks = by_grade(expressions(sitters, observer)), by_grade(gazes(sitters, observer))
    warped = by_grade(warps(given.portraits, Observer([mesh, BACKENDS.get("dlib")({})])))
    moving = pd.DataFrame(motions(sitters, observer))
    weakened = by_grade(iter(moving[moving.change == "share"].to_dict("records")))
    late = moving[(moving.change == "lag") | (moving.grade == 1)].assign(
        grade=lambda own: own.grade.where(own.change == "lag", 0)
    )
    delayed = late.groupby("grade").mean(numeric_only=True).T.rename_axis("metric")
    draw(
        turned,
        {"Expression, renders": still, "Expression, warped photographs": warped.drop("id_dlib_l2")},
        given.out.with_name("metrics-calibration.svg"),
    )
    parts = [
        "## Calibration: known angles\n",
        f"{PEOPLE} imagined people (renders, {SIDE} px) turn about one axis by {min(ANGLES)} to {max(ANGLES)} "
        "degrees; MediaPipe's reading against the truth, relative to the same head at rest.\n",
        table(summary(turned)),
        "\n![read against known angles, metrics against the share of the expression](metrics-calibration.svg)\n",
        "## Calibration: graded expression\n",
        "Means over the same people, who make a share of a strong expression of another imagined person (columns), "
        "in the same pose. "
        "What is left at 1 is the difference between two faces, not between two expressions.\n",
        table(pd.concat([still, looks])),
        "\nPublic portraits warped a share of the way to a driver (20 pairs; identity by dlib):\n",
        table(warped),
        "\n## Calibration: clips\n",
        f"Clips of {FRAMES} frames of {CLIPS} of these people: the driver's expressions weakened to a share,\n",
        table(weakened),
        "\nand at full strength, late by so many frames:\n",
        table(delayed),
    ]
    given.out.write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
