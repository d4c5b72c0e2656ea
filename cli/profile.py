"""``bench profile decoding``: what patch-wise decoding saves, and what it changes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..core.errors import ConfigError
from ..core.files import human_size, write_text
from .case_progress import CaseProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(help="What single parts cost on this machine.", no_args_is_help=True)

_SMALLEST, _LARGEST = 32, 2048
_RANDOM = (
    "The weights are random: time and memory are those of the real decoder, the differences against halo are not. "
    "How far a trained decoder's patch is from its frame has to be measured on its own weights."
)
_MEMORY = {
    "cuda": "device memory of one step above model, latents and guides (torch.cuda.max_memory_allocated)",
    "other": "tensor storages alive at one time in one step, above model, latents and guides; without kernels' scratch",
}


@app.callback()
def _group() -> None:
    """What single parts cost on this machine."""


@app.command()
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
        str, typer.Option(help="Latent cells around each patch, joined by commas; the arms are timed with the first.")
    ] = "0,1,2,4",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, or bf16 or fp16 under autocast.")] = "fp32",
    seed: Annotated[int, typer.Option(help="Of random weights and latents.")] = 0,
    note: Annotated[str, typer.Option(help="Kept in the file: what a reader should know of the machine.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write a JSON file.")] = None,
) -> None:
    """Time and memory of the pixel part of one tuning step: patch-wise against global decoding, in one run."""
    halos = _halos(halo)
    _check_out(out)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise ConfigError(f"--device {device!r}: write cpu, cuda, cuda:1 or mps")
    if steps < 1:
        raise ConfigError(f"--steps {steps}: must be 1 or more")
    if size is not None and not _SMALLEST <= size <= _LARGEST:
        raise ConfigError(f"--size {size}: must be {_SMALLEST} to {_LARGEST}")
    import torch  # after what needs no torch has been checked

    from ..faces.checkpoints import check_device
    from ..harness import profile, profile_models
    from ..harness.provenance import device_name

    _check_choice("--generator", generator, profile_models.BUILDERS)
    _check_choice("--precision", precision, profile.PRECISIONS)
    check_device(device, "profile decoding")
    console, place = Console(highlight=False, markup=False), torch.device(device)
    with CaseProgress(console) as progress:
        progress.phase("model")
        subject = profile_models.make_subject(generator, size or profile_models.SIZES[generator], place, seed)
        decode = profile.decoding_at(subject, precision)
        ways = profile.arms(subject, decode, halos[0])
        progress.phase("arms")
        costs = profile.measure_arms(ways, steps, place, lambda done, total: progress.step(done, total, {}))
        progress.phase("halos")
        differences = profile.measure_halos(subject, decode, halos, lambda done, total: progress.step(done, total, {}))
    about = {
        "generator": generator,
        "size": size or profile_models.SIZES[generator],
        "device": device_name(place),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": precision,
        "steps": steps,
        "arms_halo": halos[0],
        "seed": seed,
        "peak_bytes_means": _MEMORY.get(place.type, _MEMORY["other"]),
        "caution": _RANDOM if subject.weights.startswith("random") else "",
        "note": note,
    }
    data = about | profile.as_data(costs, differences, subject)
    _print(console, data)
    if out is not None:
        write_text(out, json.dumps(data, indent=1) + "\n")
        console.print(f"written: {out}", soft_wrap=True)


def _halos(text: str) -> list[int]:
    try:
        halos = [int(part) for part in text.split(",")]
    except ValueError:
        halos = []
    if not halos or min(halos) < 0 or len(set(halos)) < len(halos):
        raise ConfigError(f"--halo {text!r}: write different whole numbers from 0, like 0,1,2,4")
    return halos


def _check_out(out: Path | None) -> None:
    """See that the file can be written before minutes are spent on it."""
    if out is None:
        return
    if out.suffix != ".json":
        raise ConfigError(f"--out {out}: must end in .json")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}: make it first")
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise ConfigError(f"--out {out}: is a folder, or its folder cannot be written: choose another name")


def _check_choice(flag: str, value: str, choices: Any) -> None:
    if value not in choices:
        raise ConfigError(f"{flag} {value!r}: must be one of {', '.join(choices)}")


def _print(console: Console, data: dict[str, Any]) -> None:
    title = f"{data['generator']} ({data['weights']}), {data['size']} px, {data['precision']}, halo {data['arms_halo']}"
    whole = next(arm for arm in data["arms"] if arm["arm"] == "global")
    _table(
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
    _table(
        console,
        f"patches decoded alone against the whole frame ({data['weights']})",
        ["halo", "gray levels", "extra 1-cos", "cells decoded"],
        [
            [str(row["halo"]), f"{row['gray_levels']:.3f}", f"{row['extra_distance']:.4f}", f"{row['decoded']:.0%}"]
            for row in data["halos"]
        ],
    )
    console.print(
        f"the six patches cover {data['frame_covered']:.0%} of the frame; times are medians of {data['steps']}"
    )
    console.print(f"{data['device']}; torch {data['torch']}", soft_wrap=True)
    console.print(f"peak memory: {data['peak_bytes_means']}", soft_wrap=True)
    if data["caution"]:
        console.print(data["caution"], style="yellow", soft_wrap=True)


def _table(console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = Table(title=title, title_justify="left")
    for index, header in enumerate(headers):
        shown.add_column(header, justify="right" if index else "left")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
