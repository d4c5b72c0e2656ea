"""Evaluate denoisers on people of no suite, against the ideal output that only renders have.

``python -m portraitbench.methods.pocket.training.evaluate FACEKIT.npz --weights old.safetensors new.safetensors``

Prints one row per denoiser, under rows that say what the numbers can reach: a perfect generator that draws exactly what
the same coarse code says, the ideal output through the autoencoder, and the identity image as it is.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....core.files import atomic_path
from ....datasets.clip import Frame
from ....faces.alignment import apply, umeyama
from ....faces.backends.dlib import DlibBackend
from ....faces.backends.pocket import PocketBackend
from ....faces.base import Floats
from .. import unet
from ..sampling import Sampling
from .evaluation_cases import EvaluationCase, Sampler, render_cases
from .facekit import load_facekit
from .renderer import Renderer
from .sharpness import sharpness
from .suites import SIZE, Cast, Studio

FIRST = 4_000_000
"""Seed of the first person: nobody here is in a training set or in a suite, or served to choose settings."""
MOST = 100
"""Cases at most, since a cast's drivers begin this many seeds after its identities."""
SCALE = 512 / SIZE

Readers = Mapping[str, Any]
"""Face backends with landmarks, by name; ``pocket`` is always there."""


def aed(generated: Floats, target: Floats) -> float:
    """Aligned landmark distance in pixels at 512 of two sets of 68 points in pixels of the frame."""
    return SCALE * float(np.linalg.norm(apply(umeyama(generated, target), generated) - target, axis=1).mean())


def read_landmarks(backend: Any, frame: Frame) -> Floats | None:
    """The landmarks of a frame's face, None where the backend sees none."""
    faces = backend.detect([frame])[0]
    return backend.landmarks([frame], faces[:1])[0] if faces else None


def measure(frames: Sequence[Frame], cases: Sequence[EvaluationCase], readers: Readers) -> list[dict[str, float]]:
    """Compare pictures with the ideal outputs, case by case.

    Returns:
        ``aed NAME`` for each reader (NaN where it sees no face), ``psnr`` in dB, and of each of
        :func:`.sharpness.sharpness` the ratio to the ideal output.
    """
    rows = []
    for frame, case in zip(frames, cases, strict=True):
        marks = {name: (read_landmarks(own, frame), read_landmarks(own, case.ideal)) for name, own in readers.items()}
        row = {
            f"aed {name}": float("nan") if made is None or ideal is None else aed(made, ideal)
            for name, (made, ideal) in marks.items()
        }
        error = np.square(frame.astype(np.float64) - case.ideal).mean()
        row["psnr"] = float(10 * np.log10(255**2 / max(error, 1e-3)))
        where = marks["pocket"][1]
        if where is None:
            raise ValueError(f"{case.inputs.case_id}: the embedded reader sees no face in its ideal output")
        made_sharp, ideal_sharp = sharpness(frame, where), sharpness(case.ideal, where)
        rows.append(row | {name: value / ideal_sharp[name] for name, value in made_sharp.items()})
    return rows


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the cases that have a value; geometric ones of ratios, so that one sharp case does not pay for all."""
    out = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        ratio = name.startswith(("laplacian", "gradient"))
        out[name] = float(np.exp(np.mean(np.log(values))) if ratio else np.nanmean(values))
    return out


def table(results: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Markdown, one line per kind of picture."""
    names = list(next(iter(results.values()))[0])
    lines = ["| | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
    for label, rows in results.items():
        lines.append(f"| {label} | " + " | ".join(f"{value:.3f}" for value in summary(rows).values()) + " |")
    return "\n".join(lines)


def evaluate(
    cases: Sequence[EvaluationCase], weights: Sequence[Path], sampler: Sampler, readers: Readers, device: str
) -> dict[str, list[dict[str, float]]]:
    """Measure denoisers and what they can be held against, by name."""
    results = {
        "perfect generator, same code": measure([case.coarse for case in cases], cases, readers),
        "ideal through the autoencoder": measure([sampler.rebuilt(case.ideal) for case in cases], cases, readers),
        "identity image": measure([case.inputs.identity.frames[0] for case in cases], cases, readers),
    }
    for path in weights:
        results[str(path)] = measure(sampler.draw(unet.load_denoiser(path, device)), cases, readers)
    return results


def main() -> None:
    """Evaluate from the command line."""
    parser = argparse.ArgumentParser(description="Evaluate pocket's denoiser on people of no suite.")
    parser.add_argument("facekit", type=Path, help="ict_facekit.npz")
    parser.add_argument("--weights", type=Path, nargs="+", default=[unet.WEIGHTS], help="files of train_unet")
    parser.add_argument("--people", type=int, default=16, choices=range(1, MOST + 1), metavar="N", help="cases")
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first person")
    for field in fields(Sampling):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default, help="of the sampler")
    parser.add_argument("--dlib", action="store_true", help="also read landmarks with dlib")
    parser.add_argument("--csv", type=Path, help="write every case's numbers here")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cast = Cast(given.first)
    # Nothing is stored, so the studio's folder is never used.
    cases = render_cases(Studio(Renderer(load_facekit(given.facekit), SIZE), cast, Path()), cast, given.people)
    readers: dict[str, Any] = {"pocket": PocketBackend({}, device=given.device)}
    if given.dlib:
        readers["dlib"] = DlibBackend({"max_upsample": 2})
    sampling = Sampling(*(getattr(given, field.name) for field in fields(Sampling)))
    results = evaluate(cases, given.weights, Sampler(cases, given.device, sampling), readers, given.device)
    print(f"{given.people} cases, people from seed {given.first}; against the ideal output; AED in px of 512\n")
    print(table(results), flush=True)
    if given.csv is not None:
        write_cases(given.csv, results)


def write_cases(path: Path, results: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Write a csv with one line per kind of picture and case."""
    names = list(next(iter(results.values()))[0])
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "case", *names])
        for label, rows in results.items():
            writer.writerows([label, index, *row.values()] for index, row in enumerate(rows))


if __name__ == "__main__":
    main()
