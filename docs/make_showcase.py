"""Makes ``docs/showcase`` (``invoke showcase``): a default run and an ablation, with tables, figures, pages, pictures.

Everything comes from the commands in :data:`COMMANDS`, which anyone can give. Runs that are there already go on where
they were stopped. Pictures of pages need Chromium with its driver and Selenium, the PDF needs pdflatex; what is absent
is named and left out.
"""

from __future__ import annotations

import base64
import math
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
WORK, FOLDER = Path("build/showcase"), Path("docs/showcase")
CASES = "--case pii1__pid1 --case pii1__pid7 --case pii3__pid8"
"""Of the ablation: the first three of four that --limit 4 spreads evenly over the suite; not chosen by result."""
COMMANDS = {
    "run": f"bench run --out {WORK} --name default",
    "ablation": f"bench ablate steps -s pocket-image {CASES} --out {WORK} --name steps",
    "page": f"bench report {WORK}/default --single-file",
    "ablation page": f"bench report {WORK}/steps --single-file",
    "paper": f"bench paper {WORK}/default -o {WORK}/paper",
    "ablation paper": f"bench paper {WORK}/steps -o {WORK}/ablation-paper",
    "pdf": "pdflatex -interaction=nonstopmode -halt-on-error paper.tex",
}
PAGES = {"report.html": "default", "ablation.html": "steps"}
"""Single-file pages that are kept, with their runs."""
SCREENS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
PLACES = {"top": "header", "plots": "#plots", "cases": "#gallery"}
"""Parts of the page that are pictured, by the element at the top of the screen."""
HEIGHT = 844
PDF_PAGE = "paper-page.webp"
PAPERS = ("paper", "ablation-paper")


def make() -> None:
    """Run the commands."""
    for name, command in COMMANDS.items():
        program = command.split()[0]
        if name == "pdf" and shutil.which(program) is None:
            print("no pdflatex: paper.pdf is left out")
            continue
        print(f"$ {command}", flush=True)
        folder = ROOT / WORK / "paper" if name == "pdf" else ROOT  # TeX looks for what is included where it starts
        subprocess.run(_words(command), check=True, cwd=folder)  # noqa: S603 - the commands above


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
    """Copy the paper's tables, and picture the first page of its PDF where the tools are there."""
    for folder in PAPERS:
        for path in (ROOT / WORK / folder).glob("table*"):
            if path.suffix in (".md", ".csv", ".tex"):
                shutil.copy(path, ROOT / FOLDER)
    made = ROOT / WORK / PAPERS[0]
    if (made / "paper.pdf").exists() and shutil.which("pdftoppm"):
        command = ["pdftoppm", "-r", "110", "-f", "1", "-l", "1", "-singlefile", "-png", "paper.pdf", "page"]
        subprocess.run(command, check=True, cwd=made)  # noqa: S603 - the command above
        Image.open(made / "page.png").save(ROOT / FOLDER / "figures" / PDF_PAGE, quality=80)


def captions() -> dict[Path, str]:
    """The papers' figures and plots with their captions, in the papers' order."""
    found = {}
    for folder in PAPERS:
        text = (ROOT / WORK / folder / "paper.md").read_text(encoding="utf-8")
        for caption, name in re.findall(r"^!\[(.*)\]\((.*)\.svg\)$", text, re.MULTILINE):
            found[ROOT / WORK / folder / f"{name}.svg"] = caption
    return found


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
    """The page that shows everything with its commands."""
    tables = [
        (ROOT / FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for name in ("table1", "table2c")
        if (ROOT / FOLDER / f"{name}.md").exists()
    ]
    commands = "\n".join(COMMANDS.values())
    parts = [
        "<!-- written by `invoke showcase`; change docs/make_showcase.py instead -->\n\n# What comes out\n",
        "A real default run on the embedded generator and a real, small ablation of steps; numbers are of renders, "
        "by embedded face models; the machine did other work besides, so times say little. "
        "All of it is made by `invoke showcase`, which gives these commands:\n",
        f"```\n{commands}\n```\n",
        f"## The page\n\n`{COMMANDS['page']}` writes [report.html](report.html), `{COMMANDS['ablation page']}` "
        "[ablation.html](ablation.html): one file each, to be opened from a disk.\n",
    ]
    for screen, width in SCREENS.items():
        own = [name for name in pictures if name.startswith("report-") and f"-{screen}-" in name]
        parts.append(f"At {width} px, light and dark:\n\n" + "\n".join(f"![{n}](screens/{n})" for n in own) + "\n")
    papers = f"`{COMMANDS['paper']}` and `{COMMANDS['ablation paper']}`"
    parts += [f"## Tables and figures\n\n{papers}; pictures of their SVG files:\n", *tables]
    if (ROOT / FOLDER / "figures" / PDF_PAGE).exists():
        parts.append(f"`{COMMANDS['pdf']}` there:\n\n![the compiled tables](figures/{PDF_PAGE})\n")
    parts += [f"![{name}](figures/{name}.webp)\n\n{caption}\n" for name, caption in figures.items()]
    return "\n".join(parts)


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
