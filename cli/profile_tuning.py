"""``bench profile tuning``: what one tuning step costs, a generator at its real size on random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ..core.errors import ConfigError
from ..core.files import human_size
from ..core.options import given_path
from ..reports.render.numbers import duration
from .case_progress import CaseProgress
from .profile_common import check_plain, machine, print_machine, print_table, write_found
from .terminal import make_console

if TYPE_CHECKING:
    from ..profiling.tuning_setting import Setting

_CAUTION = "The weights are random: time and memory are those of the real networks, losses and gradients mean nothing."
_IDENTITY = (
    "identity loss: the embedded identity network ({parameters:,} parameters) on one whole decoded frame; an ArcFace "
    "network is larger, the decoding is the same"
)


def tuning(
    generator: Annotated[
        str,
        typer.Option(
            "--generator",
            "-g",
            help="hellomeme or hunyuanportrait: of the real size. With -tiny behind it: the same code within seconds.",
        ),
    ] = "hellomeme",
    size: Annotated[
        int | None, typer.Option(help="Frame side in pixels. Default: 512, or the small networks' own.")
    ] = None,
    frames: Annotated[int, typer.Option(help="1: an image. 2 to 12, hunyuanportrait 25: a window of a clip.")] = 1,
    steps: Annotated[int, typer.Option(help="Timed steps of each arm.")] = 3,
    checkpointing: Annotated[
        bool,
        typer.Option(
            "--checkpointing", help="Compute activations of denoiser and decoder again instead of keeping them."
        ),
    ] = False,
    sampling: Annotated[
        bool, typer.Option("--sampling", help="Also time one whole sampling; takes minutes on a CPU.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    precision: Annotated[
        str, typer.Option(help="What the networks are held in: fp32, bf16 or fp16. Adapters stay in fp32.")
    ] = "fp32",
    seed: Annotated[int, typer.Option(help="Of random weights, conditions, latents and noise.")] = 0,
    note: Annotated[str, typer.Option(help="Kept in the file: what a reader should know of the machine.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write a JSON file.")] = None,
) -> None:
    """Time and memory of one tuning step, patch-wise and global, without and with identity loss, in one run."""
    out = given_path(out) if out else None
    check_plain(device, steps, out)
    import torch  # after what needs no torch has been checked

    from ..core.checkpoints import check_device
    from ..profiling.tuning_setting import Setting

    setting = Setting(generator, size, frames, precision, checkpointing, sampling, device, seed)
    setting.check()
    check_device(device, "profile tuning")
    console = make_console(markup=False)
    found = _measure(console, setting, steps)
    about = {
        "generator": generator,
        "size": setting.side,
        "frames": frames,
        **machine(torch.device(device)),
        "precision": precision,
        "checkpointing": checkpointing,
        "steps": steps,
        "seed": seed,
        "caution": _CAUTION,
        "note": note,
    }
    data = about | found
    _print(console, data)
    write_found(console, data, out)


def _measure(console: Console, setting: Setting, steps: int) -> dict[str, Any]:
    """Facts of the networks, and what their steps cost.

    Raises:
        ConfigError: When the device has not enough memory.
    """
    import torch

    from ..profiling import tuning as profile
    from ..profiling.tuning_arms import arms
    from ..profiling.tuning_subject import TuningSubject

    with _told_where_memory_ends(setting), CaseProgress(console) as progress:

        def tell(done: int, total: int) -> None:
            progress.step(done, total, {})

        progress.phase("model")
        subject = TuningSubject(setting)
        with subject.adapters() as lora:
            about = subject.about(lora)
            progress.phase("steps")
            ways = arms(subject, lora, setting.seed)
            costs = profile.measure_steps(ways, steps, torch.device(setting.device), tell)
        sampled = None
        if setting.samples:
            progress.phase("sampling")
            sampled = profile.measure_sampling(subject, setting.seed, tell)
    return about | profile.as_data(costs, sampled)


@contextmanager
def _told_where_memory_ends(setting: Setting) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"--device {setting.device}: not enough memory for --frames {setting.frames}, --size {setting.side}, "
            f"--precision {setting.precision}: try --checkpointing, --precision bf16, fewer frames or a smaller size"
        ) from error


def _print(console: Console, data: dict[str, Any]) -> None:
    kind = "an image" if data["frames"] == 1 else f"a window of {data['frames']} frames"
    again = ", checkpointing" if data["checkpointing"] else ""
    title = f"{data['generator']} ({data['weights']}), {kind}, {data['size']} px, {data['precision']}{again}: one step"
    arms = {arm["arm"]: arm for arm in data["arms"]}
    headers = ["decoding", "seconds", "of global", "processor s", "of global", "peak memory", "of global"]
    rows = []
    for name, arm in arms.items():
        whole = arms[name.replace("patch", "global")]  # the arm with the same losses
        row = [name]
        for key in ("median_seconds", "processor_seconds", "peak_bytes"):
            shown = human_size(arm[key]) if key == "peak_bytes" else f"{arm[key]:.3g}"
            row += [shown, f"{arm[key] / whole[key]:.0%}"]
        rows.append(row)
    print_table(console, title, headers, rows)
    clock = "processor" if data["device"].startswith("CPU") else "wall"
    parts = list(data["arms"][0]["parts"])
    split = [[name, *(f"{arm['parts'][part][clock]:.3g}" for part in parts)] for name, arm in arms.items()]
    print_table(console, f"where the {clock} seconds go", ["decoding", *parts], split)
    _print_lines(console, data)


def _print_lines(console: Console, data: dict[str, Any]) -> None:
    sizes = {name: human_size(size) for name, size in data["resident_bytes"].items()}
    whole = human_size(sum(data["resident_bytes"].values()))
    lora, full = data["lora"], data["full_seconds"]
    lines = [
        f"{data['full_steps']} steps at this rate: " + ", ".join(f"{arm} {duration(s)}" for arm, s in full.items()),
        f"of global: against global decoding with the same losses; times are medians of {data['steps']}",
        f"weights in memory: {whole}: " + ", ".join(f"{name} {size}" for name, size in sizes.items()),
        f"LoRA of rank {lora['rank']}: {lora['parameters']:,} parameters in {lora['modules']} modules",
        _IDENTITY.format(**data["identity_network"]),
    ]
    if sampled := data["sampling"]:
        lines.append(
            f"one sampling of {sampled['steps']} steps, guidance {sampled['guidance']:g}, loops {sampled['loops']}: "
            f"{duration(sampled['seconds'])}, processor {duration(sampled['processor_seconds'])}"
        )
    for line in lines:
        console.print(line)
    print_machine(console, data)
