"""``bench animate``: one case, for people who want the picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from ..core.errors import ConfigError
from ..core.files import atomic_path
from ..core.options import first_problem
from ..datasets.clip import Clip
from ..datasets.export import check_ending, check_length, export
from ..datasets.manifest import Crop
from ..faces.base import Grade
from ..harness.animate import Animated, animate, check_method
from ..harness.component import component_spec
from ..harness.config import check_config
from ..harness.session import Session
from ..harness.single_case import CaseFiles, SingleCase, parse_regions, read_case
from ..methods.tuned_method import is_tuner_class
from ..reports.render.numbers import duration
from ..reports.strip import draw_strip
from .case_progress import CaseProgress
from .run import CacheOption, PluginOption

_FRAMES = 250
_CROP = "X,Y,SIDE: the square to take, in the file's pixels. Default: the largest centred one."


def animate_case(
    identity: Annotated[Path, typer.Option("--identity", "-i", help="Whose face: an image.")],
    drive: Annotated[Path, typer.Option("--drive", "-d", help="Whose expression and pose: an image or a clip.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="File to write. An image for a driving image: .png (lossless) or .jpg. A clip for a driving clip: "
            ".mkv (lossless, H.264 RGB) or .mp4 (for looking at: H.264, 4:2:0, high quality).",
        ),
    ],
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            "-r",
            help="NAME=FILE: this region takes its expression from another image or clip (PasteDrive); pose stays "
            "with the driving clip. eyes, brows, mouth, nose, or one eye or brow like left_eye (the person's own "
            "left). A clip that is too short holds its last frame. Repeatable.",
        ),
    ] = None,
    baseline: Annotated[str, typer.Option("--baseline", "-b", help="Generator: NAME or NAME:key=value,...")] = "pocket",
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="Tuner: NAME or NAME:key=value,... Default: strucbooth")
    ] = None,
    no_tune: Annotated[bool, typer.Option("--no-tune", help="Only the generator's own output.")] = False,
    faces: Annotated[list[str] | None, typer.Option("--faces", "-f", help="Face backend. Default: pocket")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same picture.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads of the numeric libraries.")] = 1,
    size: Annotated[
        int | None, typer.Option(min=16, max=4096, help="Canvas in pixels. Default: the generator's own, or 512.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(min=0.1, max=1000, help="Most frames a second; those between are left out.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Most frames of the driving clip, from its beginning.")] = _FRAMES,
    crop_identity: Annotated[str | None, typer.Option(help=_CROP)] = None,
    crop_drive: Annotated[str | None, typer.Option(help=_CROP)] = None,
    strip: Annotated[
        Path | None, typer.Option(help="All pictures side by side, a .png. Default: beside --out, ending in .strip.png")
    ] = None,
    save_lora: Annotated[Path | None, typer.Option(help="Also keep the tuned weights, a .safetensors file.")] = None,
    plugin: PluginOption = None,
    cache: CacheOption = None,
) -> None:
    """Animate one identity image with one driving image or clip, tuned for this case, and show all side by side."""
    check_ending(out)
    strip = strip or out.with_suffix(".strip.png")
    regions = parse_regions(region or [])
    inputs = {"--identity": identity, "--drive": drive, **{f"--region {name}": file for name, file in regions.items()}}
    _check_files(inputs, {"--out": out, "--strip": strip, "--save-lora": save_lora})
    crops = {"identity": _crop("--crop-identity", crop_identity), "driving": _crop("--crop-drive", crop_drive)}
    files = CaseFiles(
        identity,
        drive,
        regions,
        {name: crop for name, crop in crops.items() if crop},
        size,
        None if fps is None else Fraction(fps).limit_denominator(1001),
        frames,
    )
    session = _session(
        baseline,
        method,
        no_tune,
        {
            "faces": [component_spec(text, "--faces") for text in faces or ["pocket"]],
            "seed": seed,
            "device": device,
            "threads": threads,
            "plugins": plugin or [],
            "cache": cache,
        },
    )
    made_by = check_method(session, list(regions), save=save_lora is not None)
    case = read_case(files, made_by, seed)
    check_length(out, len(case.inputs.driving))
    console = Console(highlight=False, markup=False)
    if case.driving_frames > len(case.inputs.driving):
        console.print(
            f"the first {frames} of {case.driving_frames} driving frames are taken (--frames)", style="yellow"
        )
    with CaseProgress(console) as progress:
        session.progress = progress.step
        animated = animate(session, made_by, case, save=save_lora, tell=progress.phase)
    export(out, animated.result.clip)
    with atomic_path(strip) as temporary:
        draw_strip(_parts(case, animated, session.labels), len(case.inputs.driving)).save(temporary, format="PNG")
    _print_summary(console, session, animated, progress.seconds, [out, strip, save_lora])


def _session(baseline: str, method: str | None, no_tune: bool, fields: dict[str, Any]) -> Session:
    """A session of one generator, with a tuner on it unless there shall be none.

    Raises:
        ConfigError: When the flags do not fit together.
    """
    if no_tune and method is not None:
        raise ConfigError("--no-tune and --method: give one of them")
    methods = [] if no_tune else [component_spec(method or "strucbooth", "--method")]
    session = Session(
        check_config(fields | {"baseline": component_spec(baseline, "--baseline"), "methods": methods}, "flags")
    )
    for spec in methods:
        if not is_tuner_class(spec.name):
            raise ConfigError(f"--method {spec.name}: is no tuner: write --baseline {spec.name} --no-tune")
    return session


def _check_files(inputs: Mapping[str, Path], outputs: Mapping[str, Path | None]) -> None:
    """See that every output can be written where it shall go, before anything long begins.

    Raises:
        ConfigError: Naming the flag and the file.
    """
    taken = {path.resolve(): flag for flag, path in inputs.items()}
    endings = {"--strip": ".png", "--save-lora": ".safetensors"}
    for flag, path in outputs.items():
        if path is None:
            continue
        if flag in endings and path.suffix != endings[flag]:
            raise ConfigError(f"{flag} {path}: must end in {endings[flag]}")
        if not path.parent.is_dir():
            raise ConfigError(f"{flag} {path}: there is no folder {path.parent}: make it first")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise ConfigError(f"{flag} {path}: is a folder, or its folder cannot be written: choose another name")
        if other := taken.get(path.resolve()):
            raise ConfigError(f"{flag} {path}: is the file of {other} too: choose another name")
        taken[path.resolve()] = flag


def _crop(flag: str, text: str | None) -> Crop | None:
    if text is None:
        return None
    numbers = text.split(",")
    if len(numbers) != 3:
        raise ConfigError(f"{flag} {text!r}: write X,Y,SIDE, like 120,0,480")
    try:
        return Crop.model_validate(dict(zip(("x", "y", "side"), numbers, strict=True)))
    except ValidationError as error:
        field, message = first_problem(error)
        raise ConfigError(f"{flag} {text!r}: {field}: {message}") from error


def _parts(case: SingleCase, animated: Animated, labels: Sequence[str]) -> list[tuple[str, Clip]]:
    """What the strip shows, from what was given to what came out."""
    parts = [("identity", case.inputs.identity), ("driving", case.inputs.driving), *case.sources.items()]
    if animated.tuned is None:
        return [*parts, (labels[0], animated.base.clip)]
    tuned = labels[1].removeprefix(f"{labels[0]}+")
    return [*parts, (f"{labels[0]} (base)", animated.base.clip), (f"+ {tuned}", animated.tuned.clip)]


def _print_summary(
    console: Console,
    session: Session,
    animated: Animated,
    seconds: Mapping[str, float],
    written: Sequence[Path | None],
) -> None:
    detail = animated.result.detail
    steps = f"{detail['tuned_steps']} steps, " if "tuned_steps" in detail else ""
    losses = [
        f", {name} {float(value):.3g} -> {float(detail[f'{name}_last']):.3g}"
        for name, value in ((key.removesuffix("_first"), own) for key, own in detail.items() if key.endswith("_first"))
    ]
    console.print(f"{steps}{duration(sum(seconds.values()))}{''.join(losses)}", soft_wrap=True)
    grade = session.method(session.labels[0]).grade
    if grade is not Grade.REAL:
        console.print(f"{session.labels[0]}: {grade}", style="bold yellow")
    if animated.tuned is not None:
        grades = sorted({str(backend.info.grade) for backend in session.observer.backends} - {"real"})
        if grades:
            console.print(f"face models: {'; '.join(grades)}", style="bold yellow")
    console.print(f"written: {', '.join(str(path) for path in written if path is not None)}", soft_wrap=True)
