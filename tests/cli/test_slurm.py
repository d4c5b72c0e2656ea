"""``bench slurm``: the script that it writes, run by a stub of Slurm, ends in the report of one process."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from report_files import report_files

TOYS = Path(__file__).parents[1] / "toys.py"
STUB = """#!/bin/bash
# Does what sbatch promises: prints an id, and runs the script; an array's jobs in any order.
echo "$@" >> {calls}
script= ; array= ; args=()
for word in "$@"; do case "$word" in
  --array=1-*) array=${{word#--array=1-}} ;;
  --*) ;;
  *) if [ -z "$script" ]; then script=$word; else args+=("$word"); fi ;;
esac; done
export SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7
if [ -n "$array" ]; then
  for task in $(seq "$array" -1 1); do SLURM_ARRAY_TASK_ID=$task bash "$script" >> {log} 2>&1; done
else
  bash "$script" "${{args[@]}}" >> {log} 2>&1
fi
echo 7
"""


@pytest.fixture
def written(bench, make_suite, tmp_path):
    """A script for two shards, with the arguments of the run."""
    suite = make_suite(tmp_path / "suite", identities=2, drivings=2)
    run = ["--suite", suite, "--plugin", TOYS, "--faces", "toy", "-m", "copy-driving", "-m", "bad:how=raise,only=*d1"]
    script = tmp_path / "jobs" / "job.sh"
    more = ["--out", tmp_path / "sharded", "--cache", tmp_path / "a", "--name", "same", "--sbatch=--partition=long"]
    outcome = bench("slurm", *run, *more, "--shards", 2, "--gpus", 1, "-o", script)
    assert outcome.code == 0, outcome.err
    assert "4 cases in 2 shards, 2 each at most" in outcome.out
    return script, run


def test_the_script_run_by_slurm_ends_in_the_report_of_one_process(written, bench, tmp_path):
    script, run = written
    folder = tmp_path / "bin"
    folder.mkdir()
    calls, log = tmp_path / "calls", tmp_path / "log"
    (folder / "sbatch").write_text(STUB.format(calls=calls, log=log))
    (folder / "sbatch").chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    environment.pop("SLURM_JOB_ID", None)
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
    assert "shards: job 7, 1 to 2; report: job 7" in done.stdout
    assert calls.read_text().splitlines() == [
        f"--parsable --array=1-2 {script}",
        f"--parsable --dependency=afterany:7 {script} gather",
    ]
    assert bench("run", *run, "--out", tmp_path / "one", "--cache", tmp_path / "b", "--name", "same").code == 0
    sharded = tmp_path / "sharded" / "same"
    assert sorted(path.name for path in (sharded / "records").iterdir()) == ["1-of-2.jsonl", "2-of-2.jsonl"]
    assert report_files(sharded) == report_files(tmp_path / "one" / "same")


def test_what_slurm_reads_stands_before_the_first_command(written):
    script, _ = written
    head = script.read_text().partition("set -euo")[0]
    asked = re.findall(r"^#SBATCH (\S+)$", head, re.MULTILINE)
    assert {"--gpus-per-task=1", "--partition=long", "--requeue", "--time=24:00:00", "--signal=B:TERM@60"} <= set(asked)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    settings = yaml.safe_load(script.with_suffix(".yaml").read_text())
    assert all(Path(path).is_absolute() for path in (*settings["suites"], settings["out"], settings["cache"]))


def test_a_shard_that_is_told_to_stop_asks_to_be_requeued(written, tmp_path):
    script, _ = written
    folder = tmp_path / "bin"
    folder.mkdir()
    said = tmp_path / "said"
    (folder / "scontrol").write_text(f'#!/bin/bash\necho "$@" > {said}\n')
    fake = folder / "bench"
    fake.write_text("#!/bin/bash\ntrap 'exit 143' TERM\ntouch \"$0.started\"\nwhile :; do sleep 0.05; done\n")
    for path in folder.iterdir():
        path.chmod(0o755)
    text = re.sub(r"^\S+ run --config", f"{fake} run --config", script.read_text(), flags=re.MULTILINE)
    script.write_text(text)
    slurm = {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
    process = subprocess.Popen(["bash", script], env=os.environ | slurm | {"PATH": f"{folder}:{os.environ['PATH']}"})
    while not (folder / "bench.started").exists():
        assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert said.read_text() == "requeue 7_2\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-o", "job.txt"], "--script job.txt: must end in .sh"),
        (["-o", "job.sh", "--time", "soon"], "--time 'soon': write it as Slurm does"),
        (["-o", "job.sh", "--sbatch", "long"], "--sbatch 'long': write an option of sbatch"),
        (["-o", "job.sh", "-m", "no-such"], "unknown method 'no-such'"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(bench, tmp_path, monkeypatch, arguments, problem):
    monkeypatch.chdir(tmp_path)
    outcome = bench("slurm", *arguments)
    assert outcome.code == 2
    assert problem in outcome.err
    assert list(tmp_path.iterdir()) == []
