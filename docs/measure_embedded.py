"""Measure what is said of the embedded generator: ``invoke embedded-figures`` (docs/embedded.md, docs/pocket.png).

Runs `bench run` itself and every control on the embedded image suite, read by the embedded face model and by dlib. The
same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from PIL import Image

import portraitbench as pb
from portraitbench.reports.contact_sheet import CELL, FOOTER, HEADER
from portraitbench.reports.picture_style import GAP

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
ROWS, COLUMNS = 5, 5
"""Cases in the picture, and columns: identity, driver, pocket, with StrucBooth, ideal output."""


def bench(*words: str) -> None:
    """Run the command in this environment."""
    subprocess.run([str(Path(sys.executable).with_name("bench")), *words], check=True)  # noqa: S603 - our own words


def make_runs(folder: Path, controls: Path, *, full: bool, few: int) -> dict[str, Path]:
    """The run that `bench run` makes, the ends of the scale, and few cases of the controls that have to be tuned."""
    bench("run", "--out", str(folder), "--name", "default", *(["--full"] if full else []))
    image = ["-s", "pocket-image", "--out", str(folder), "--workers", "2"]
    ends = ["-m", "copy-identity", "-m", "copy-driving", "--outputs", f"coarse={controls / 'coarse'}"]
    bench("run", *image, *ends, "--name", "ends", *(["--full"] if full else []))
    tuned = ["strucbooth", "strucbooth:gradient_weight=0,identity_weight=0,as=pgt"]
    tuned += [f"strucbooth:guides={controls / 'neutral'},as=neutral"]
    words = [part for method in tuned for part in ("-m", method)]
    bench("run", *image, "-b", BASE, *words, "-m", "ideal", "--limit", str(few), "--name", "controls")
    names = {"The default run": "default", "Ends of the scale": "ends", "Controls that are tuned too": "controls"}
    return {heading: folder / name for heading, name in names.items()}


def read_again(run: Path, reader: str) -> Path:
    """A copy of a run whose outputs another face model has read."""
    copy = run.with_name(f"{run.name}-{reader}")
    if not copy.is_dir():
        shutil.copytree(run, copy)
    bench("score", str(copy), "-f", reader)
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
    parser.add_argument("--few", type=int, default=8, help="cases with the controls that have to be tuned")
    given = parser.parse_args()
    runs = make_runs(given.folder, given.controls, full=given.full, few=given.few)
    lines = ["# Pocket and StrucBooth in figures", "", "<!-- written by `invoke embedded-figures` -->"]
    for heading, run in runs.items():
        lines += ["", f"## {heading}"]
        for title, reader in READERS.items():
            lines += table(run if reader == BASE else read_again(run, reader), title)
    PAGE.write_text("\n".join(lines) + "\n")
    with Image.open(given.folder / "default" / "report" / "pocket-image.png") as sheet:
        sheet.crop((0, 0, COLUMNS * (CELL + GAP) + GAP, HEADER + ROWS * (CELL + FOOTER + GAP))).save(
            PICTURE, optimize=True
        )


if __name__ == "__main__":
    main()
