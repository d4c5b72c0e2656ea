"""``bench profile decoding``: what patch-wise decoding saves, and what it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..core.errors import ConfigError
from ..core.files import human_size
from ..core.options import given_path
from .case_progress import CaseProgress
from .profile_common import check_choice, check_plain, machine, print_machine, print_table, write_found
from .terminal import make_console

_SMALLEST, _LARGEST = 32, 2048
TIMED = 2
"""So many of the halos are arms of their own."""
_RANDOM = (
    "The weights are random: time and memory are those of the real decoder, the differences against halo are not. "
    "How far a trained decoder's patch is from its frame has to be measured on its own weights."
)


def decoding(
    generator: Annotated[
        str,
        typer.Option(
            "--generator",
            "-g",
            help="pocket: the embedded decoder. sd15: one of Stable Diffusion 1.5's size with random weights.",
        ),
    ] = "pocket",
    size: Annotated[
        int | None, typer.Option(help="Frame side in pixels. Default: 128 for pocket, 512 for sd15")
    ] = None,
    steps: Annotated[int, typer.Option(help="Timed steps of each arm.")] = 5,
    halo: Annotated[
        str, typer.Option(help="Latent cells around each patch, joined by commas; the first two are timed.")
    ] = "0,1,2,4",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, or bf16 or fp16 under autocast.")] = "fp32",
    seed: Annotated[int, typer.Option(help="Of random weights and latents.")] = 0,
    note: Annotated[str, typer.Option(help="Kept in the file: what a reader should know of the machine.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write a JSON file.")] = None,
) -> None:
    """Time and memory of the pixel part of one tuning step: patch-wise against global decoding, in one run."""
    halos = _halos(halo)
    out = given_path(out) if out else None
    check_plain(device, steps, out)
    if size is not None and not _SMALLEST <= size <= _LARGEST:
        raise ConfigError(f"--size {size}: must be {_SMALLEST} to {_LARGEST}")
    import torch  # after what needs no torch has been checked

    from ..core.checkpoints import check_device
    from ..profiling import decoders as profile_models
    from ..profiling import decoding as profile

    check_choice("--generator", generator, profile_models.BUILDERS)
    check_choice("--precision", precision, profile.PRECISIONS)
    check_device(device, "profile decoding")
    console, place = make_console(markup=False), torch.device(device)
    with CaseProgress(console) as progress:
        progress.phase("model")
        subject = profile_models.make_subject(generator, size or profile_models.SIZES[generator], place, seed)
        subject = profile.at_precision(subject, precision)
        ways = profile.arms(subject, halos[:TIMED])
        progress.phase("arms")
        costs = profile.measure_arms(ways, steps, place, lambda done, total: progress.step(done, total, {}))
        progress.phase("halos")
        differences = profile.measure_halos(subject, halos, lambda done, total: progress.step(done, total, {}))
    about = {
        "generator": generator,
        "size": size or profile_models.SIZES[generator],
        **machine(place),
        "precision": precision,
        "steps": steps,
        "seed": seed,
        "caution": _RANDOM if subject.weights.startswith("random") else "",
        "note": note,
    }
    data = about | profile.as_data(costs, differences, subject)
    _print(console, data)
    write_found(console, data, out)


def _halos(text: str) -> list[int]:
    try:
        halos = [int(part) for part in text.split(",")]
    except ValueError:
        halos = []
    if not halos or min(halos) < 0 or len(set(halos)) < len(halos):
        raise ConfigError(f"--halo {text!r}: write different whole numbers from 0, like 0,1,2,4")
    return halos


def _print(console: Console, data: dict[str, Any]) -> None:
    title = f"{data['generator']} ({data['weights']}), {data['size']} px, {data['precision']}"
    whole = next(arm for arm in data["arms"] if arm["arm"] == "global")
    print_table(
        console,
        f"{title}: one step",
        [
            "decoding",
            "seconds",
            "of global",
            "processor s",
            "of global",
            "peak memory",
            "of global",
            "cosine of gradient",
        ],
        [
            [
                arm["arm"],
                f"{arm['median_seconds']:.3g}",
                f"{arm['median_seconds'] / whole['median_seconds']:.0%}",
                f"{arm['processor_seconds']:.3g}",
                f"{arm['processor_seconds'] / whole['processor_seconds']:.0%}",
                human_size(arm["peak_bytes"]),
                f"{arm['peak_bytes'] / whole['peak_bytes']:.0%}",
                f"{arm['cosine_to_global']:.4f}",
            ]
            for arm in data["arms"]
        ],
    )
    print_table(
        console,
        f"patches decoded alone against the whole frame ({data['weights']})",
        ["halo", "gray levels", "extra 1-cos", "cells decoded"],
        [
            [str(row["halo"]), f"{row['gray_levels']:.3f}", f"{row['extra_distance']:.4f}", f"{row['decoded']:.0%}"]
            for row in data["halos"]
        ],
    )
    console.print(
        f"tiled: whole frames by diffusers' own tiles of {data['tile']} latent cells"
        if data["tile"]
        else f"tiled: not measured, the decoder of {data['generator']} has no tiled decoding"
    )
    console.print(
        f"the six patches cover {data['frame_covered']:.0%} of the frame; times are medians of {data['steps']}"
    )
    print_machine(console, data)
