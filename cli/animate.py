"""``bench animate``: one case, for people who want the picture."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from ..animating import AnimatedCase, animate
from ..core.errors import ConfigError
from ..core.options import first_problem, given_path
from ..datasets.export import check_ending
from ..datasets.manifest import Crop
from ..faces.base import Grade
from ..harness.component import component_spec
from ..harness.single_case import parse_regions
from ..reports.render.numbers import duration
from .case_progress import CaseProgress
from .flags import WHAT, WHERE, Given, takes_animate
from .terminal import make_console

_READ = {"baseline": "--baseline", "method": "--method"}
_CROPS = {"crop_identity": "--crop-identity", "crop_drive": "--crop-drive"}


@takes_animate
def animate_case(
    given: Given,
    identity: Annotated[Path, typer.Option("--identity", "-i", help="Whose face: an image.", rich_help_panel=WHAT)],
    drive: Annotated[
        Path,
        typer.Option("--drive", "-d", help="Whose expression and pose: an image or a clip.", rich_help_panel=WHAT),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="File to write. An image for a driving image: .png (lossless) or .jpg. A clip for a driving clip: "
            ".mkv (lossless, H.264 RGB) or .mp4 (for looking at: H.264, 4:2:0, high quality).",
            rich_help_panel=WHERE,
        ),
    ],
    strip: Annotated[
        Path | None,
        typer.Option(
            help="All pictures side by side, a .png. Default: beside --out, ending in .strip.png",
            rich_help_panel=WHERE,
        ),
    ] = None,
    no_tune: Annotated[
        bool, typer.Option("--no-tune", help="Only the generator's own output.", rich_help_panel=WHAT)
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there already.", rich_help_panel=WHERE)
    ] = False,
) -> None:
    """Animate one identity image with one driving image or clip, tuned for this case, and show all side by side."""
    identity, drive, out = (given_path(path) for path in (identity, drive, out))
    check_ending(out)
    named = [path for path in (out, strip, given.get("save_lora")) if path is not None]
    strip = given_path(strip) if strip else out.with_suffix(".strip.png")
    if no_tune and "method" in given:
        raise ConfigError("--no-tune and --method: give one of them")
    fields = _fields(given) | ({"method": None} if no_tune else {})
    console = make_console(markup=False)
    force = force or _may_replace([path for path in map(given_path, named) if path.exists()])
    with CaseProgress(console) as progress:
        done = animate(identity, drive, out=out, strip=strip, progress=progress, force=force, **fields)
    _print_summary(console, done, progress.seconds, [out, strip, fields.get("save_lora")])


def _may_replace(existing: Sequence[Path]) -> bool:
    """Ask before files are lost; where nobody can be asked they are not."""
    if not existing or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return typer.confirm(f"replace {', '.join(map(str, existing))}?")


def _fields(given: Given) -> dict[str, Any]:
    """The fields of :class:`..animating.AnimateConfig`; what is malformed is told with its flag.

    Raises:
        ConfigError: In one line that starts with the flag.
    """
    fields = dict(given)
    fields |= {name: component_spec(fields[name], flag) for name, flag in _READ.items() if name in fields}
    fields |= {name: _crop(flag, fields[name]) for name, flag in _CROPS.items() if name in fields}
    if "faces" in fields:
        fields["faces"] = [component_spec(text, "--faces") for text in fields["faces"]]
    if "regions" in fields:
        fields["regions"] = parse_regions(fields["regions"])
    return fields


def _crop(flag: str, text: str) -> Crop:
    numbers = text.split(",")
    if len(numbers) != 3:
        raise ConfigError(f"{flag} {text!r}: write X,Y,SIDE, like 120,0,480")
    try:
        return Crop.model_validate(dict(zip(("x", "y", "side"), numbers, strict=True)))
    except ValidationError as error:
        field, message = first_problem(error)
        raise ConfigError(f"{flag} {text!r}: {field}: {message}") from error


def _print_summary(
    console: Console, done: AnimatedCase, seconds: Mapping[str, float], written: Sequence[Path | None]
) -> None:
    detail = done.detail
    steps = f"{detail['tuned_steps']} steps, " if "tuned_steps" in detail else ""
    losses = [
        f", {name} {float(value):.3g} -> {float(detail[f'{name}_last']):.3g}"
        for name, value in ((key.removesuffix("_first"), own) for key, own in detail.items() if key.endswith("_first"))
    ]
    console.print(f"{steps}{duration(sum(seconds.values()))}{''.join(losses)}")
    if done.grade is not Grade.REAL:
        console.print(f"{done.labels[0]}: {done.grade}", style="bold yellow")
    if done.face_grades:
        console.print(f"face models: {'; '.join(done.face_grades)}", style="bold yellow")
    console.print(f"written: {', '.join(str(path) for path in written if path is not None)}")
