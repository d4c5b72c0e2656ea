"""Measure what is said of the embedded generator: ``invoke embedded-figures`` (docs/embedded.md, docs/pocket.png).

Runs `bench run` itself, every control and the paper's ablations on the embedded image suite, read by the embedded face
model and by dlib, and compares the sharpness of eyes and mouths. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import portraitbench as pb
from portraitbench.datasets.clip import Frame
from portraitbench.datasets.media import read_output
from portraitbench.faces.backends.pocket import PocketBackend
from portraitbench.methods.pocket.training.sharpness import sharpness
from portraitbench.reports.contact_sheet import CELL, FOOTER, HEADER
from portraitbench.reports.picture_style import GAP
from portraitbench.reports.run_data import read_run

PAGE = Path(__file__).with_name("embedded.md")
PICTURE = Path(__file__).with_name("pocket.png")
BASE = "pocket"
METRICS = {
    "aed_lmk_px512": "AED to the driver",
    "aed_lmk_target_px512": "AED to the ideal output",
    "id_pocket_cos": "identity, cosine",
    "id_dlib_l2": "identity, dlib's distance",
    "psnr_mask": "PSNR of the face, dB",
}
"""Metrics of the tables, by the beginning of their ids."""
READERS = {"embedded": BASE, "dlib": "dlib"}
NAMES = {
    f"{BASE}+strucbooth": "**+ StrucBooth**",
    f"{BASE}+pgt": "+ PGT only",
    f"{BASE}+neutral": "+ neutral driver",
    "coarse": "perfect generator, same code",
    "ideal": "ideal output",
}
SHARPNESS = (
    "Variance of the Laplacian and mean gradient energy in the box of the eyes and in that of the mouth. Both rise "
    "with noise, contrast and teeth as well."
)
IDEAL = "ideal"
ABLATIONS = {"losses": "", "steps": "0,10,20,30,60"}
"""Sweeps and their values."""
ROWS, COLUMNS = 5, 5
"""Cases in the picture, and columns: identity, driver, pocket, with StrucBooth, ideal output."""


def bench(*words: str) -> None:
    """Run the command in this environment."""
    subprocess.run([str(Path(sys.executable).with_name("bench")), *words], check=True)  # noqa: S603 - our own words


def make_runs(folder: Path, controls: Path, *, full: bool, few: int) -> dict[str, Path]:
    """The run that `bench run` makes, the ends of the scale, and fewer cases of whatever else has to be tuned."""
    bench("run", "--out", str(folder), "--name", "default", *(["--full"] if full else []))
    image = ["-s", "pocket-image", "--out", str(folder), "--workers", "2"]
    ends = ["-m", "copy-identity", "-m", "copy-driving", "--outputs", f"coarse={controls / 'coarse'}"]
    bench("run", *image, *ends, "--name", "ends", *(["--full"] if full else []))
    fewer = [*image, "--limit", str(few), "-b", BASE]
    tuned = ["strucbooth", "strucbooth:gradient_weight=0,identity_weight=0,as=pgt"]
    tuned += [f"strucbooth:guides={controls / 'neutral'},as=neutral"]
    bench("run", *fewer, *(part for method in tuned for part in ("-m", method)), "-m", IDEAL, "--name", "controls")
    for sweep, values in ABLATIONS.items():
        bench("ablate", sweep, *fewer, *(["--values", values] if values else []), "--name", f"ablate-{sweep}")
    titles = {
        "default": "The default run",
        "ends": "Ends of the scale",
        "controls": "Controls that are tuned too",
        **{f"ablate-{sweep}": f"Ablation: {sweep}" for sweep in ABLATIONS},
    }
    return {title: folder / name for name, title in titles.items()}


def pictures(run: Path) -> dict[str, dict[str, Frame]]:
    """The pictures of a run's image cases, by method and case."""
    data = read_run(run)
    found: dict[str, dict[str, Frame]] = {}
    for item in data.plan:
        record = data.store.records[("generate", item.key)]
        if item.suite == "pocket-image" and record["output"]:
            frame = read_output(run / record["output"]["path"]).frames[0]
            found.setdefault(item.method, {})[item.case] = frame
    return found


def sharpness_table(runs: list[Path]) -> Iterator[str]:
    """How sharp eyes and mouths are, as a share of the ideal output's: geometric means over the cases."""
    made = {method: frames for run in runs for method, frames in pictures(run).items()}
    ideal, reader = made.pop(IDEAL), PocketBackend({}, device="cpu")
    faces = {case: reader.landmarks([frame], reader.detect([frame])[0][:1])[0] for case, frame in ideal.items()}
    of_ideal = {case: sharpness(frame, faces[case]) for case, frame in ideal.items()}
    names = next(iter(of_ideal.values()))
    yield f"\n{len(ideal)} cases:\n"
    yield "| | " + " | ".join(name.replace("_", ", ") for name in names) + " |"
    yield "| --- |" + " ---: |" * len(names)
    for method, frames in made.items():
        own = {case: sharpness(frame, faces[case]) for case, frame in frames.items() if case in faces}
        ratios = [np.exp(np.mean([np.log(own[case][name] / of_ideal[case][name]) for case in own])) for name in names]
        yield f"| {NAMES.get(method, method)} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |"


def read_again(run: Path, reader: str) -> Path:
    """A copy of a run whose outputs another face model has read."""
    copy = run.with_name(f"{run.name}-{reader}")
    if not copy.is_dir():
        shutil.copytree(run, copy)
    bench("score", str(copy), "-f", reader, "--workers", "2")
    return copy


def table(run: Path, reader: str) -> Iterator[str]:
    """Lines of a Markdown table: a metric's row for every method."""
    opened = pb.load(run)
    summary, comparison = opened.summary(), opened.comparison()
    summary, comparison = (part[part["suite"] == "pocket-image"] for part in (summary, comparison))
    compared = comparison.set_index(["method", "metric"])
    yield f"\n{summary['cases'].max()} cases, read by {reader}:\n"
    yield "| metric | method | mean | difference from pocket | better in | verdict |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for begin, title in METRICS.items():
        rows = summary[summary["metric"].str.partition("/")[0].str.startswith(begin)]
        for row in rows.drop_duplicates(["method"]).to_dict("records"):
            key = (row["method"], row["metric"])
            cells = _compared(compared.loc[key]) if key in compared.index else ["", "", ""]
            name = NAMES.get(row["method"], row["method"])
            yield f"| {title} | {name} | {row['mean']:.3f} | " + " | ".join(cells) + " |"


def _compared(row: pd.Series) -> list[str]:
    interval = "" if pd.isna(row["low"]) else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    corrected = "" if pd.isna(row["p_holm"]) else f", p {row['p_holm']:.3f} after correction"
    return [f"{row['delta']:+.3f}{interval}", f"{row['win_rate']:.0%}", f"{row['verdict']}{corrected}"]


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description="Measure what is said of the embedded generator.")
    parser.add_argument("controls", type=Path, help="folder that `training.suites --controls` wrote")
    parser.add_argument("--folder", type=Path, default=Path("runs/embedded"), help="where the runs go")
    parser.add_argument("--full", action="store_true", help="all cases instead of a first look's")
    parser.add_argument("--few", type=int, default=24, help="cases of the controls and ablations that have to be tuned")
    given = parser.parse_args()
    runs = make_runs(given.folder, given.controls, full=given.full, few=given.few)
    command = f"invoke embedded-figures --facekit FILE{' --full' if given.full else ''}"
    lines = ["# Pocket and StrucBooth in figures", "", f"Written by `{command}`; see `docs/measure_embedded.py`."]
    for heading, run in runs.items():
        lines += ["", f"## {heading}"]
        for title, reader in READERS.items():
            lines += table(run if reader == BASE else read_again(run, reader), title)
    lines += ["", "## Sharpness, as a share of the ideal output's", "", SHARPNESS]
    lines += sharpness_table([given.folder / "default", given.folder / "ends"])
    PAGE.write_text("\n".join(lines) + "\n")
    with Image.open(given.folder / "default" / "report" / "pocket-image.png") as sheet:
        sheet.crop((0, 0, COLUMNS * (CELL + GAP) + GAP, HEADER + ROWS * (CELL + FOOTER + GAP))).save(
            PICTURE, optimize=True
        )


if __name__ == "__main__":
    main()
