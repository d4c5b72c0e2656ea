"""A run that is killed again and again, at any moment, ends in the same report as one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from killing import METHODS, RECORDS, arguments, assert_same, complete, kill_at_work, size, start


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


def kill_and_resume(command: list[str], tmp_path: Path, kills: int, seed: int, workers: int) -> None:
    """Kill the run ``kills`` times, each time within 0.15 s of the next finished job; then let it end."""
    rng = random.Random(seed)
    whole = complete(command, tmp_path / "whole")
    records = tmp_path / "killed" / RECORDS
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
    records = tmp_path / "killed" / RECORDS
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
    records = tmp_path / "killed" / RECORDS
    while not size(records):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("bench: stopped; what is finished is kept, the same command goes on from there\n")
    assert "KeyboardInterrupt" not in errors
    assert_same(complete(command, tmp_path / "killed"), complete(command, tmp_path / "whole"))
