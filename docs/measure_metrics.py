"""Measures what ``docs/metrics.md`` says about the metrics beyond their definitions; ``invoke metric-facts`` runs it.

It reads finished runs of the public suites with the methods copy-identity, copy-driving and warp, perturbs their
drivers, and writes ``docs/metrics_measured.md``.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import spearmanr

from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.faces import BACKENDS
from portraitbench.faces.alignment import apply, umeyama
from portraitbench.faces.base import LANDMARKS
from portraitbench.faces.observer import Observer
from portraitbench.harness.store import read_lines
from portraitbench.metrics.base import Metric, Scene, View
from portraitbench.metrics.resolve import resolve

Picture = np.ndarray
FRAME_METRICS = [
    *("aed_lmk_px512", "aed_lmk_iod", "akd_l1_px256", "aed_blendshape52_l1", "aed_blendshape52_eyes_l1"),
    *("aed_blendshape52_brows_l1", "aed_blendshape52_mouth_l1", "aed_blendshape52_jaw_l1", "apd_deg", "gaze_deg"),
    *("sharpness_ratio", "id_dlib_l2"),
]
LOOKS = {"mediapipe": "detect", "dlib": "identity/dlib128"}
"""The question to each face model that counts as being shown a frame."""
PARTS = {"jaw 0-16": range(17), "brows 17-26": range(17, 27), "nose 27-35": range(27, 36)}
PARTS |= {"eyes 36-47": range(36, 48), "mouth 48-67": range(48, 68), "all": range(68)}


def jpeg(quality: int) -> Callable[[Picture], Picture]:
    """Re-encoding as JPEG."""

    def change(frame: Picture) -> Picture:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer).convert("RGB"))

    return change


def crop(share: float) -> Callable[[Picture], Picture]:
    """Another crop: a share cut off left and top, the rest brought back to the old size."""

    def change(frame: Picture) -> Picture:
        side = frame.shape[0]
        cut = round(share * side)
        return np.asarray(Image.fromarray(frame[cut:, cut:]).resize((side, side), Image.Resampling.LANCZOS))

    return change


def rotate(degrees: float) -> Callable[[Picture], Picture]:
    """A turn of the picture."""
    return lambda frame: np.asarray(Image.fromarray(frame).rotate(degrees, Image.Resampling.BICUBIC))


def scale(factor: float) -> Callable[[Picture], Picture]:
    """Fewer pixels, brought back to the old size: blur."""

    def change(frame: Picture) -> Picture:
        side = frame.shape[0]
        small = Image.fromarray(frame).resize((round(side / factor),) * 2, Image.Resampling.BICUBIC)
        return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))

    return change


CHANGES = {
    "JPEG 90": jpeg(90),
    "JPEG 50": jpeg(50),
    "crop 1 %": crop(0.01),
    "crop 5 %": crop(0.05),
    "turn 2 deg": rotate(2),
    "turn 8 deg": rotate(8),
    "blur 2x": scale(2),
    "blur 4x": scale(4),
}


def read(path: Path) -> Picture:
    """An image as uint8 RGB."""
    return np.asarray(Image.open(path).convert("RGB"))


def table(rows: pd.DataFrame, digits: int = 3) -> str:
    """A data frame as a Markdown table."""
    head = [rows.index.name or "", *map(str, rows.columns)]
    lines = [" | ".join(head), " | ".join(["---", *["---:"] * len(rows.columns)])]
    for name, values in rows.iterrows():
        cells = [
            value if isinstance(value, str) else "" if pd.isna(value) else f"{value:.{digits}f}" for value in values
        ]
        lines.append(" | ".join([str(name), *cells]))
    return "\n".join(f"| {line} |" for line in lines)


def view(observer: Observer, frame: Picture) -> View:
    """A frame as metrics see it."""
    clip = Clip.from_image(np.ascontiguousarray(frame))
    return View(lambda: clip, lambda: observer.observe(clip))


def means(records: pd.DataFrame) -> pd.DataFrame:
    """Means over cases by metric and method, with the cases that have a value."""
    cases = records.groupby(["metric", "method", "case"])["value"].mean()  # frames first, then cases
    grouped = cases.groupby(["metric", "method"])
    cells = grouped.mean().map("{:.3f}".format) + " (" + grouped.count().astype(str) + ")"
    return cells.unstack("method")[["copy-identity", "warp", "copy-driving"]].rename_axis("metric")


def case_values(records: pd.DataFrame, method: str) -> pd.DataFrame:
    """One row per case, one column per metric."""
    own = records[(records.method == method) & records.status.eq("ok")]
    return own.pivot_table(index="case", columns="metric", values="value")


def correlations(values: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of the columns that vary."""
    values = values.loc[:, values.std() > 1e-9].dropna()
    values.columns = [name.partition("/")[0] for name in values.columns]
    rho = np.atleast_2d(spearmanr(values.to_numpy()).statistic)
    short = [f"{number}" for number in range(1, len(values.columns) + 1)]
    names = [f"{number} {name}" for number, name in zip(short, values.columns, strict=True)]
    return pd.DataFrame(rho, index=pd.Index(names, name=f"{len(values)} cases"), columns=short)


def agreement(portraits: list[Picture]) -> pd.DataFrame:
    """Mean distance of landmarks to dlib's after alignment, in percent of dlib's inter-ocular distance."""
    dlib = BACKENDS.get("dlib")({})
    rows: dict[str, list[np.ndarray]] = {"mediapipe": [], "pocket (embedded)": []}
    found = {"mediapipe": 0, "pocket (embedded)": 0}
    readers = {"mediapipe": BACKENDS.get("mediapipe")({}), "pocket (embedded)": BACKENDS.get("pocket")({})}
    both = 0
    for frame in portraits:
        faces = dlib.detect([frame])[0]
        if not faces:
            continue
        both += 1
        theirs = dlib.landmarks([frame], faces[:1])[0]
        for name, reader in readers.items():
            own = reader.detect([frame])[0]
            if own:
                ours = reader.landmarks([frame], own[:1])[0]
                moved = apply(umeyama(ours, theirs), ours)
                rows[name].append(np.linalg.norm(moved - theirs, axis=1) / np.linalg.norm(theirs[36] - theirs[45]))
                found[name] += 1
    columns = {f"{name} ({found[name]} of {both})": 100 * np.mean(values, axis=0) for name, values in rows.items()}
    parts = {
        part: {name: values[list(points)].mean() for name, values in columns.items()} for part, points in PARTS.items()
    }
    return pd.DataFrame(parts).T.rename_axis("points")


def noise(drivers: list[Picture], observer: Observer) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean score of each perturbed driver against itself; and the single values, one row per driver and change."""
    views = [view(observer, frame) for frame in drivers]
    single = []
    for change, function in CHANGES.items():
        for own, frame in zip(views, drivers, strict=True):
            scene = Scene(SuiteKind.CROSS_IMAGE, view(observer, function(frame)), own, own, None)
            single.append({"change": change} | {name: resolve(name)(scene).values[0] for name in FRAME_METRICS})
    values = pd.DataFrame(single)
    return values.groupby("change", sort=False).mean().T.rename_axis("metric"), values.drop(columns="change")


def runtimes(frames: list[Picture]) -> pd.DataFrame:
    """Median milliseconds of processor time per frame for each question to each backend, and for each metric."""
    rows: dict[str, float] = {}
    dlib = BACKENDS.get("dlib")({})
    mesh = BACKENDS.get("mediapipe")({})
    mesh.detect(frames[:1])

    def clock(name: str, work: Callable[[Picture], object]) -> None:
        spent = []
        for frame in frames:
            start = time.process_time()
            work(frame)
            spent.append(1e3 * (time.process_time() - start))
        rows[name] = float(np.median(spent))

    clock("mediapipe: everything it gives", mesh._run)
    faces = {id(frame): dlib.detect([frame])[0][:1] for frame in frames}
    frames = [frame for frame in frames if faces[id(frame)]]
    clock("dlib: detect", lambda frame: dlib.detect([frame]))
    clock("dlib: landmarks", lambda frame: dlib.landmarks([frame], faces[id(frame)]))
    observer = Observer([mesh, dlib])
    clock("dlib: identity", lambda frame: dlib.embed([frame], mesh_faces(observer, frame)))
    views = {id(frame): view(observer, frame) for frame in frames}
    for own in views.values():
        _ = own.clip, own.seen
    for name in FRAME_METRICS:
        metric = resolve(name)

        def score(frame: Picture, metric: Metric = metric) -> None:
            own = views[id(frame)]
            metric(Scene(SuiteKind.CROSS_IMAGE, own, own, own, None))

        clock(f"metric {name}", score)
    return pd.DataFrame({"ms": rows}).rename_axis("work")


def mesh_faces(observer: Observer, frame: Picture) -> list:
    """Faces with MediaPipe's landmarks."""
    backend = observer.backend_for(LANDMARKS)
    face = backend.detect([frame])[0][0]
    points = backend.landmarks([frame], [face])[0]
    return [type(face)(face.box, face.score, face.points, points)]


def work(run: Path) -> str:
    """What a run of one suite took: time by stage, and how many frames were shown to the face models."""
    records = pd.DataFrame(line for path in sorted((run / "records").glob("*.jsonl")) for line in read_lines(path))
    records = records.drop_duplicates("key", keep="last")
    seconds = records.groupby("stage")["seconds"].sum()
    seen = records[records.stage.eq("observe")]
    shown = pd.DataFrame(list(seen.calls)).sum()
    parts = [f"{stage} {seconds[stage] / 60:.1f} min" for stage in ("generate", "observe", "score")]
    models = [f"{name} {int(shown[f'{name}.{part}'])}" for name, part in LOOKS.items() if f"{name}.{part}" in shown]
    return (
        f"Time of one worker, beside other work: {', '.join(parts)}. Frames of inputs and outputs: "
        f"{int(seen.frames.sum())}; shown to a face model, since no equal one came before: {', '.join(models)}."
    )


def suite_sections(run: Path) -> list[str]:
    """A section for each suite of a run: means, what it took, and how metrics rank the cases of warp."""
    sections = []
    records = pd.read_parquet(run / "records.parquet")
    told = work(run) if records.suite.nunique() == 1 else ""
    for suite, own in records.groupby("suite"):
        cases = own.case.nunique()
        sections.append(
            "\n".join(
                [
                    f"\n## Measured: {suite}, {cases} cases\n",
                    "Means over cases (in brackets: cases with a value); copy-identity, copy-driving are the ends.\n",
                    table(means(own)),
                    *([f"\n{told}"] if told else []),
                    f"\nSpearman's rank correlation between metrics over the cases of warp on {suite}:\n",
                    table(correlations(case_values(own, "warp").dropna(axis=1, thresh=cases // 2)), 2),
                ]
            )
        )
    return sections


def renew_suites(path: Path, runs: list[Path]) -> None:
    """Write the sections of these runs' suites anew into an existing page, new ones before the perturbed drivers."""
    head, *parts = path.read_text().split("\n## Measured: ")
    sections = {part.partition("\n")[0].partition(",")[0]: part for part in parts}
    last = {name: sections.pop(name) for name in ("correlations over perturbed drivers", "time")}
    for section in (section for run in runs for section in suite_sections(run)):
        text = section.removeprefix("\n## Measured: ")
        sections[text.partition(",")[0]] = text + "\n"
    path.write_text("\n## Measured: ".join([head, *sections.values(), *last.values()]))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True, help="folder of public portraits and driving images")
    parser.add_argument("--run", type=Path, action="append", required=True, help="a finished run; the first has images")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("metrics_measured.md"))
    parser.add_argument("--suites-only", action="store_true", help="keep all of the page but the runs' suites")
    given = parser.parse_args()
    if given.suites_only:
        renew_suites(given.out, given.run)
        return
    outputs = given.run[0] / "outputs" / "public-cross-image"
    drivers = [read(folder / "copy-driving.png") for folder in sorted(outputs.glob("id01__*"))]
    people = sorted((given.portraits / "identities").iterdir()) + sorted((given.portraits / "driving_images").iterdir())
    portraits = []
    for path in people:
        image = Image.open(path).convert("RGB")
        image.thumbnail((512, 512))
        portraits.append(np.asarray(image))
    observer = Observer([BACKENDS.get("mediapipe")({}), BACKENDS.get("dlib")({})])
    floor, perturbed = noise(drivers, observer)
    parts = [
        "## Measured: landmarks against dlib's\n",
        "Mean distance after the similarity alignment of the AED metrics, in percent of dlib's outer inter-ocular "
        f"distance, over the {len(portraits)} public portraits and driving images (longest side 512) on which dlib "
        "finds a face; in brackets on how many of them the reader finds one. The embedded reader knows renders only.\n",
        table(agreement(portraits), 2),
        "\n## Measured: noise floor\n",
        f"Mean score of a perturbed driver against itself over the {len(drivers)} framed driving images of "
        "public-cross-image (512 px; MediaPipe's landmarks, dlib's identity). A perfect copy has 0 "
        "(sharpness_ratio 1): differences between methods below these are the detectors' own noise. Crop: that "
        "share cut off left and top, "
        "the rest enlarged; a turn moves roll by its angle, so apd_deg should say a third of it.\n",
        table(floor),
    ]
    parts += [section for run in given.run for section in suite_sections(run)]
    parts += [
        "\n## Measured: correlations over perturbed drivers\n",
        f"Spearman's rank correlation over {len(perturbed)} pairs (drivers and perturbations of the noise floor):\n",
        table(correlations(perturbed), 2),
        "\n## Measured: time\n",
        "Median processor time per 512 px frame on a busy two-core machine, one process; scores without the models:\n",
        table(runtimes(drivers), 1),
    ]
    given.out.write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
