"""A run as a Slurm job array: one script that submits itself, does a shard, or gathers the report.

It is text for people: clusters differ in partitions, accounts, modules and what preemption does, and whoever submits
has to see what is submitted. A library that submits (submitit) pickles a function per job and takes a preempted job's
pickle up again; here a requeued shard is the same command given again, which goes on from its records.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .config import RunConfig

_SCRIPT = """\
#!/bin/bash
# {title}
# Written by `bench slurm`. Read it, change what your cluster wants, then submit it with:  bash {name}
# The same again goes on from what is finished. Needs a run folder that all nodes share.
#SBATCH --job-name={job}
#SBATCH --time={time}
#SBATCH --cpus-per-task={cpus}
{lines}#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@{grace}
#SBATCH --output={log}/%x-%A_%a.log
set -euo pipefail

if [ -z "${{SLURM_JOB_ID:-}}" ]; then  # not yet in a job: submit the shards, and behind them the gathering
  mkdir -p {log}
  array=$(sbatch --parsable --array=1-{shards} "$0")
  gather=$(sbatch --parsable --dependency="afterany:${{array%%;*}}" "$0" gather)
  echo "shards: job $array, 1 to {shards}; report: job $gather, in {folder}/report"
  exit
fi
if [ "${{1:-}}" = gather ]; then  # whatever became of the shards: what is missing stands in the report
  exec {bench} report {folder}
fi

# Slurm's signal to end, {grace} s before the time limit or at a preemption, stops bench with all finished work kept.
# A preempted job is requeued by Slurm itself; one that ran out of time asks for that here.
{bench} run --config {config} --shard "$SLURM_ARRAY_TASK_ID/{shards}" --no-report &
child=$!
trap 'kill -TERM $child 2>/dev/null' TERM
code=0
wait $child || code=$?
if kill -0 $child 2>/dev/null; then code=0; wait $child || code=$?; fi
if [ "$code" -eq 143 ]; then scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"; fi
exit "$code"
"""


@dataclass(frozen=True)
class Wanted:
    """What a shard's job asks Slurm for.

    Attributes:
        shards: Parts of the run, each a job of the array.
        time: Time limit of one, as Slurm writes it.
        cpus: Processors of one.
        gpus: Graphics cards of one.
        grace: Seconds before the limit at which it is told to stop.
        more: Further lines for ``#SBATCH``, such as ``--partition=long``.
    """

    shards: int
    time: str = "24:00:00"
    cpus: int = 1
    gpus: int = 0
    grace: int = 60
    more: tuple[str, ...] = ()


def slurm_files(config: RunConfig, wanted: Wanted, script: Path) -> dict[Path, str]:
    """The script, and the configuration that it gives to every shard.

    Args:
        config: Of the run.
        wanted: What a job asks for.
        script: Where the script will lie.

    Returns:
        Contents by path; nothing is written.
    """
    settings = script.absolute().with_suffix(".yaml")
    lines = [f"--gpus-per-task={wanted.gpus}"] if wanted.gpus else []
    text = _SCRIPT.format(
        title=f"{config.run_name}: {wanted.shards} shards",
        name=shlex.quote(str(script)),
        job=config.run_name,
        time=wanted.time,
        cpus=wanted.cpus,
        lines="".join(f"#SBATCH {line}\n" for line in [*lines, *wanted.more]),
        grace=wanted.grace,
        log=shlex.quote(str(config.folder.absolute() / "slurm")),
        shards=wanted.shards,
        folder=shlex.quote(str(config.folder.absolute())),
        bench=f"{shlex.quote(str(_bench()))}",
        config=shlex.quote(str(settings)),
    )
    return {script: text, settings: yaml.safe_dump(_fields(config), sort_keys=False, allow_unicode=True)}


def _fields(config: RunConfig) -> dict[str, Any]:
    """The configuration as a file's fields, its paths seen from any folder."""
    fields = config.model_dump(mode="json", exclude={"shard"}, exclude_defaults=True)
    fields["suites"] = [str(Path(name).absolute()) if Path(name).is_file() else name for name in config.suites]
    fields |= {"name": config.run_name, "out": str(config.out.absolute())}
    fields["plugins"] = [str(path.absolute()) for path in config.plugins]
    return fields | ({"cache": str(config.cache.absolute())} if config.cache else {})


def _bench() -> Path | str:
    """The command of the environment that writes the script."""
    beside = Path(sys.executable).with_name("bench")
    return beside if beside.is_file() else "bench"
