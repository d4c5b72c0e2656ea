"""Makes ``docs/showcase`` (``invoke showcase``): a default run and ablations, with tables, figures, pages, pictures.

Everything comes from the commands in :data:`COMMANDS`, which anyone can give. Runs that are there already go on where
they were stopped. Pictures of pages need Chromium with its driver and Selenium, the PDF needs pdflatex, its picture
pdftoppm; what is absent is named and left out.
"""

from __future__ import annotations

import base64
import json
import math
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from portraitbench.reports.render.numbers import duration

ROOT = Path(__file__).resolve().parent.parent
WORK, FOLDER = Path("build/showcase"), Path("docs/showcase")
SWEEPS = {
    "losses": "",
    "decoding": "",
    "steps": " --values 0,10,20,30,60",
    "weights": " --values 0,50,100,200",
    "window": "",
}
"""Ablations, with what differs from their own values: the default run takes 30 steps."""
COMMANDS = {
    "default": f"bench run --out {WORK} --name default",
    **{
        sweep: f"bench ablate {sweep}{values} -s pocket-image --limit 4 -w 2 --out {WORK} --name {sweep}"
        for sweep, values in SWEEPS.items()
    },
    "page": f"bench report {WORK}/default --single-file",
    "ablation page": f"bench report {WORK}/weights --single-file",
    "paper": f"bench paper {' '.join(f'{WORK}/{run}' for run in ('default', *SWEEPS))} -o {WORK}/paper",
    "pdf": "pdflatex -interaction=nonstopmode -halt-on-error paper.tex",
}
SECONDS = "seconds.json"
"""In the working folder: the longest that each command took; one that went on from an earlier one took less."""
PAGES = {"report.html": "default", "ablation.html": "weights"}
"""Single-file pages that are kept, with their runs."""
SCREENS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
PLACES = {"top": "header", "plots": "#plots", "cases": "#gallery"}
"""Parts of the page that are pictured, by the element at the top of the screen."""
HEIGHT = 844
PDF_PAGES, PDF_SHOWN = "paper-page{}.webp", 3
"""Pictures of the PDF: the first pages, which hold the tables."""
TABLES = {
    "table1": "default",
    "table2a": "losses",
    "table2b": "decoding",
    "table2c": "steps",
    "ablation_weights": "weights",
    "ablation_window": "window",
}
"""Tables in the paper's order, with the runs that they are of."""
FIGURES = {"front_": SWEEPS, "ablation_": SWEEPS, "table2b_": ("decoding",), "table2c_": ("steps",)}
"""Beginnings of figures of ablations; all others are of the default run."""


def make() -> None:
    """Run the commands, and note how long each took."""
    (ROOT / WORK).mkdir(parents=True, exist_ok=True)
    for name, command in COMMANDS.items():
        program = command.split()[0]
        if name == "pdf" and shutil.which(program) is None:
            print("no pdflatex: paper.pdf is left out")
            continue
        print(f"$ {command}", flush=True)
        folder = ROOT / WORK / "paper" if name == "pdf" else ROOT  # TeX looks for what is included where it starts
        began = time.monotonic()
        subprocess.run(_words(command), check=True, cwd=folder)  # noqa: S603 - the commands above
        told = taken()
        told[name] = max(told.get(name, 0.0), round(time.monotonic() - began, 1))
        (ROOT / WORK / SECONDS).write_text(json.dumps(told, indent=1), encoding="utf-8")


def taken() -> dict[str, float]:
    """Seconds by command, as far as they were given."""
    path = ROOT / WORK / SECONDS
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def keep() -> None:
    """Keep what is small of what the commands made, and photograph pages and figures."""
    shutil.rmtree(ROOT / FOLDER, ignore_errors=True)
    for name in ("screens", "figures"):
        (ROOT / FOLDER / name).mkdir(parents=True)
    for name, run in PAGES.items():
        text = (ROOT / WORK / run / "report" / "single.html").read_text(encoding="utf-8")
        # What a kernel is called says nothing of the numbers, and names somebody's machine.
        (ROOT / FOLDER / name).write_text(text.replace(platform.platform(), platform.system()), encoding="utf-8")
    keep_tables()
    pictures, figures = take_pictures()
    (ROOT / FOLDER / "README.md").write_text(page(figures, pictures), encoding="utf-8")
    size = sum(path.stat().st_size for path in (ROOT / FOLDER).rglob("*") if path.is_file())
    print(f"{FOLDER}: {size / 2**20:.1f} MiB")


def keep_tables() -> None:
    """Copy the paper's tables, and picture the pages of its PDF with tables where the tools are there."""
    made = ROOT / WORK / "paper"
    for path in (path for name in TABLES for path in made.glob(f"{name}*")):
        if path.suffix in (".md", ".csv", ".tex"):
            shutil.copy(path, ROOT / FOLDER)
    if not (made / "paper.pdf").exists() or shutil.which("pdftoppm") is None:
        print("no paper.pdf, or no pdftoppm: its pictures are left out")
        return
    for old in made.glob("page-*.png"):
        old.unlink()
    subprocess.run(["pdftoppm", "-r", "90", "-png", "paper.pdf", "page"], check=True, cwd=made)  # noqa: S607
    for number, path in enumerate(sorted(made.glob("page-*.png"))[:PDF_SHOWN], start=1):
        Image.open(path).save(ROOT / FOLDER / "figures" / PDF_PAGES.format(number), quality=80)


def captions() -> dict[Path, str]:
    """The paper's figures and plots with their captions, in its order."""
    text = (ROOT / WORK / "paper" / "paper.md").read_text(encoding="utf-8")
    found = re.findall(r"^!\[(.*)\]\((.*)\.svg\)$", text, re.MULTILINE)
    return {ROOT / WORK / "paper" / f"{name}.svg": caption for caption, name in found}


def run_of(figure: str) -> str:
    """The run that a figure is of, by its name.

    >>> run_of("front_weights_pocket-image"), run_of("figure4_pocket-image_pocket+strucbooth")
    ('weights', 'default')
    """
    runs = next((runs for start, runs in FIGURES.items() if figure.startswith(start)), ())
    return next((run for run in runs if len(tuple(runs)) == 1 or f"_{run}_" in figure), "default")


def take_pictures() -> tuple[list[str], dict[str, str]]:
    """Photograph the kept pages at two widths, light and dark, and the figures.

    Returns:
        Names of the pages' pictures; names and captions of the figures that have one.
    """
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        print("no Chromium with its driver: pictures are left out")
        return [], {}
    names, figures = [], captions()
    with _browser(chromium, driver) as browser:
        for page_name in PAGES:
            for screen, width in SCREENS.items():
                for scheme in SCHEMES:
                    _emulate(browser, width, HEIGHT, scheme)
                    browser.get((ROOT / FOLDER / page_name).as_uri())
                    for place, element in PLACES.items():
                        name = f"{Path(page_name).stem}-{place}-{screen}-{scheme}.webp"
                        browser.execute_script(f"document.querySelector('{element}').scrollIntoView()")
                        _photograph(browser, ROOT / FOLDER / "screens" / name)
                        names.append(name)
        for path in figures:
            browser.get(path.as_uri())
            box = browser.execute_script("return document.documentElement.getBoundingClientRect().toJSON()")
            _emulate(browser, math.ceil(box["width"]), math.ceil(box["height"]), "light")
            _photograph(browser, ROOT / FOLDER / "figures" / f"{path.stem}.webp")
    return names, {path.stem: caption for path, caption in figures.items()}


def page(figures: Mapping[str, str], pictures: Sequence[str]) -> str:
    """The page that shows everything, each with its commands."""
    seconds = taken()
    whole = f" ({duration(sum(seconds.values()))} in all)" if seconds else ""
    parts = [
        "<!-- written by `invoke showcase`; change docs/make_showcase.py instead -->\n\n# What comes out\n",
        "A real default run on the embedded generator and real, small ablations; numbers are of renders, by embedded "
        f"face models. All of it is made by `invoke showcase`, which gives these commands{whole}; how long each took "
        f"stands behind it, on {os.cpu_count()} processor cores that may have done other work besides.\n",
        "```\n" + "\n".join(_timed(name, seconds) for name in COMMANDS) + "\n```\n",
        "## The page\n",
        _commands("default", "page", file="report.html"),
    ]
    for page_name, run in PAGES.items():
        stem = Path(page_name).stem
        if run != "default":
            parts.append(_commands(run, "ablation page", file=page_name))
        for screen, width in SCREENS.items():
            own = [name for name in pictures if name.startswith(f"{stem}-") and f"-{screen}-" in name]
            if own:
                shown = "\n".join(f"![{name}](screens/{name})" for name in own)
                parts.append(f"At {width} px, light and dark:\n\n{shown}\n")
    parts.append("## Tables\n")
    for name, run in TABLES.items():
        path = ROOT / FOLDER / f"{name}.md"
        if path.exists():
            parts += [_commands(run, "paper"), path.read_text(encoding="utf-8")]
    pages = sorted((ROOT / FOLDER / "figures").glob(PDF_PAGES.format("*")))
    if pages:
        shown = "\n".join(f"![a page of the compiled tables](figures/{path.name})" for path in pages)
        parts.append(f"`{COMMANDS['pdf']}` in `{WORK}/paper`:\n\n{shown}\n")
    parts.append("## Figures\n")
    latest = ""
    for name, caption in sorted(figures.items(), key=lambda figure: list(COMMANDS).index(run_of(figure[0]))):
        if (run := run_of(name)) != latest:
            parts.append(_commands(run, "paper"))
            latest = run
        parts.append(f"![{name}](figures/{name}.webp)\n\n{caption}\n")
    return "\n".join(parts)


def _commands(*names: str, file: str = "") -> str:
    """The line above what some commands made."""
    text = ", ".join(f"`{COMMANDS[name]}`" for name in names)
    return f"{text}{f', kept as [{file}]({file}): one file, to be opened from a disk' if file else ''}:\n"


def _timed(name: str, seconds: Mapping[str, float]) -> str:
    return COMMANDS[name] + (f"  # {duration(seconds[name])}" if name in seconds else "")


def _words(command: str) -> list[str]:
    """A command's words; programs of this environment go before those of the system."""
    program, *words = shlex.split(command)
    own = Path(sys.executable).with_name(program)
    return [str(own) if own.exists() else program, *words]


@contextmanager
def _browser(chromium: str, driver: str) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory() as profile:
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        for flag in ("--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}", *root):
            options.add_argument(flag)
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        try:
            yield browser
        finally:
            browser.quit()


def _emulate(browser: Any, width: int, height: int, scheme: str) -> None:
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width == SCREENS["phone"]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def _photograph(browser: Any, path: Path) -> None:
    """The screen, once pictures and clips on it have been decoded."""
    wait = """const done = arguments[0];
      const own = () => [...document.querySelectorAll('img, video')].filter((one) => {
        const box = one.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight; });
      const ready = (one) => (one.tagName === 'IMG' ? one.complete : one.readyState >= 2 && !one.seeking);
      const check = (left) => left < 1 || own().every(ready) ? setTimeout(done, 300)
        : setTimeout(() => check(left - 1), 50);
      setTimeout(() => check(200), 200);"""
    browser.execute_async_script(wait)
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 70})
    path.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    make()
    keep()
