"""Runs that a test kills: started in process groups of their own, and compared with one that was left alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from report_files import report_files

TOYS = Path(__file__).with_name("toys.py")
METHODS = ["copy-driving", "toy:canvas=true,noise=true", "bad:how=slow", "bad:how=raise,only=*d1,as=broken"]
RECORDS = Path("runs", "killed", "records", "1-of-1.jsonl")
"""Of a run of :func:`arguments`, below the folder that it was started in."""


def arguments(suites: list[Path], methods: list[str]) -> list[str]:
    program = "from portraitbench.cli.app import main; main()"
    command = [sys.executable, "-c", program, "run", "--plugin", str(TOYS), "--faces", "toy", "--name", "killed"]
    for flag, values in {"--suite": suites, "--method": methods, "--cache": ["cache"], "--out": ["runs"]}.items():
        for value in values:
            command += [flag, str(value)]
    return command


def start(command: list[str], folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a run in a process group of its own, so that it can be killed with its workers."""
    folder.mkdir(exist_ok=True)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *more], cwd=folder, start_new_session=True, **pipes)


def complete(command: list[str], folder: Path, *more: str) -> Path:
    """Run to the end; returns the run folder."""
    process = start(command, folder, *more)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return folder / "runs" / "killed"


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def kill_at_work(process: subprocess.Popen[str], records: Path, delay: float) -> bool:
    """Kill the group some time after the run has written its next record; False when it had ended before."""
    before = size(records)
    while process.poll() is None and size(records) == before:
        time.sleep(0.002)
    time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return process.returncode == -signal.SIGKILL


def assert_same(killed: Path, whole: Path) -> None:
    expected, got = report_files(whole), report_files(killed)
    assert {path.rpartition(".")[2] for path in expected} == {"csv", "md", "png"}
    assert got.keys() == expected.keys()
    assert [name for name in expected if got[name] != expected[name]] == []
    lines = (killed / "records" / "1-of-1.jsonl").read_text().splitlines()
    counts = Counter((record["stage"], record["key"]) for record in map(json.loads, lines))
    assert set(counts.values()) == {1}
    outputs = [
        {path.relative_to(run): path.read_bytes() for path in run.rglob("outputs/**/*.mkv")} for run in (killed, whole)
    ]
    # Files that a kill left half written begin with a dot and are nobody's output.
    assert {name: data for name, data in outputs[0].items() if not name.name.startswith(".")} == outputs[1]
