"""``bench slurm``: a run as a job array for Slurm, to be read and submitted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from .. import running
from ..core.errors import ConfigError
from ..core.files import write_text
from ..harness.slurm import Wanted, slurm_files
from ..harness.store import storing
from .flags import FLAGS, ConfigOption, Given, takes
from .terminal import make_console


@takes(*(name for name in FLAGS if name != "shard"))
def slurm(
    given: Given,
    script: Annotated[Path, typer.Option("--script", "-o", help="The script to write; its settings lie beside it.")],
    config: ConfigOption = None,
    shards: Annotated[
        int, typer.Option(min=1, max=10_000, help="Jobs of the array, each with its part of the cases.")
    ] = 8,
    time: Annotated[str, typer.Option(help="Time limit of a job, as Slurm writes it.")] = "24:00:00",
    cpus: Annotated[int, typer.Option(min=1, help="Processors of a job.")] = 1,
    gpus: Annotated[int, typer.Option(min=0, help="Graphics cards of a job.")] = 0,
    sbatch: Annotated[list[str] | None, typer.Option(help="A further option of sbatch, like --partition=long.")] = None,
) -> None:
    """Write a script that runs the same flags as a Slurm array, with one job behind it that writes the report."""
    if script.suffix != ".sh":
        raise ConfigError(f"--script {script}: must end in .sh")
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", time):
        raise ConfigError(f"--time {time!r}: write it as Slurm does, like 12:00:00 or 2-00:00:00")
    for option in sbatch or ():
        if not re.fullmatch(r"-\S.*", option):
            raise ConfigError(f"--sbatch {option!r}: write an option of sbatch, like --partition=long")
    planned = running.plan(config, **given)  # whatever does not fit is said here, and not by the first job
    session = running.session_for(config, given)
    files = slurm_files(session.config, Wanted(shards, time, cpus, gpus, more=tuple(sbatch or ())), script)
    for path, text in files.items():
        with storing(path):
            write_text(path, text)
    cases = len({(item.suite, item.case) for item in planned.items})
    console = make_console(markup=False)
    console.print(f"{cases} cases in {shards} shards, {-(-cases // shards)} each at most")
    console.print(f"written: {', '.join(map(str, files))}; read it, then: bash {script}")
