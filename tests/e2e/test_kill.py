"""A run that is killed again and again, at any moment, ends in the same report as one that was left alone."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from report_files import report_files

TOYS = Path(__file__).parents[1] / "toys.py"
METHODS = ["copy-driving", "toy:canvas=true,noise=true", "bad:how=slow", "bad:how=raise,only=*d1,as=broken"]


@pytest.fixture
def command(make_suite, tmp_path):
    """The arguments of a run of eleven cases; all paths are relative, so that reports of two folders are comparable."""
    suites = [
        make_suite(tmp_path / "suites", "cross-video", identities=2, drivings=4, name="cross"),
        make_suite(tmp_path / "suites", "self-video", drivings=3, name="self"),
    ]
    return arguments(suites, METHODS)


@pytest.fixture
def short_command(make_suite, tmp_path):
    """The arguments of a run of three cases."""
    return arguments([make_suite(tmp_path / "suites", "self-video")], METHODS[1:])


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


def kill_and_resume(command: list[str], tmp_path: Path, kills: int, seed: int, workers: int) -> None:
    """Kill the run ``kills`` times, each time within 0.15 s of the next finished job; then let it end."""
    rng = random.Random(seed)
    whole = complete(command, tmp_path / "whole")
    records = tmp_path / "killed" / "runs" / "killed" / "records" / "1-of-1.jsonl"
    done = 0
    while done < kills:
        process = start(command, tmp_path / "killed", "--workers", str(workers))
        done += kill_at_work(process, records, rng.uniform(0, 0.15))
        assert process.returncode != 0, "the run ended before it was killed often enough: give it more work"
    assert_same(complete(command, tmp_path / "killed", "--workers", str(workers)), whole)


def test_killed_twice(short_command, tmp_path):
    kill_and_resume(short_command, tmp_path, kills=2, seed=5, workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_twenty_times(command, tmp_path, workers):
    kill_and_resume(command, tmp_path, kills=20, seed=workers, workers=workers)


@pytest.mark.slow
def test_killed_before_anything_is_written(command, tmp_path):
    """While the program starts, plans, and writes its first files."""
    whole = complete(command, tmp_path / "whole")
    for delay in (0.2, 0.5, 0.8, 0.9, 1.0, 1.1, 1.2):
        process = start(command, tmp_path / "killed")
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert_same(complete(command, tmp_path / "killed"), whole)


@pytest.mark.slow
def test_workers_end_when_the_main_process_is_killed(command, tmp_path):
    process = start(command, tmp_path / "killed", "--workers", "2")
    records = tmp_path / "killed" / "runs" / "killed" / "records" / "1-of-1.jsonl"
    while not size(records):
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    process.communicate()
    assert_same(complete(command, tmp_path / "killed"), complete(command, tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_interrupted_by_the_user(command, tmp_path, workers):
    """Control-C reaches the whole group, workers that are just starting as well; it is answered with one line."""
    process = start(command, tmp_path / "killed", "--workers", str(workers))
    records = tmp_path / "killed" / "runs" / "killed" / "records" / "1-of-1.jsonl"
    while not size(records):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("bench: stopped; what is finished is kept, the same command goes on from there\n")
    assert "KeyboardInterrupt" not in errors
    assert_same(complete(command, tmp_path / "killed"), complete(command, tmp_path / "whole"))
