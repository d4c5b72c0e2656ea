"""Signals end a run in one line, and the same command then ends in the report of a run that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from report_files import report_files

WAITS = '''
import time
from pathlib import Path
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator


class Waits(Generator):
    """Waits at its second case until a file is there."""
    name = "waits"
    def animate(self, inputs):
        (Path(__file__).parent / f"began-{inputs.case_id}").touch()
        while not (Path(__file__).parent / "go").exists() and not inputs.case_id.endswith("d0"):
            time.sleep(0.02)
        return Animation(inputs.driving)


METHODS.add("waits", Waits)
'''


@pytest.fixture
def arguments(where, suite, tmp_path) -> list[str]:
    plugin = tmp_path / "waits.py"
    plugin.write_text(WAITS)
    flags = ["run", "-s", suite, "-m", "toy:noise=true", "-m", "waits", "--plugin", plugin, *where]
    return [str(flag) for flag in flags]


def begin(arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start the command in a process group of its own, and wait until it hangs at a case."""
    # A shell that starts the tests in the background has Control-C ignored, which its children inherit.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from portraitbench.cli.app import main; main()"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], start_new_session=True, **pipes)
    while process.poll() is None and not (folder / "began-i0__d1").exists():
        time.sleep(0.02)
    return process


def assert_resumes(bench, arguments: list[str], tmp_path: Path) -> None:
    """The same command goes on and reports what an undisturbed run in another folder reports."""
    (tmp_path / "go").touch()
    assert bench(*arguments).code == 0
    other = ["--out", str(tmp_path / "whole"), "--cache", str(tmp_path / "other-cache")]
    assert bench(*arguments, *other).code == 0
    assert report_files(tmp_path / "runs" / "tiny") == report_files(tmp_path / "whole" / "tiny")


@pytest.mark.parametrize(
    ("signals", "more", "code"),
    [
        pytest.param([signal.SIGTERM], [], 143, id="SIGTERM"),
        pytest.param([signal.SIGINT, signal.SIGINT, signal.SIGINT], ["--workers", "2"], 130, id="SIGINT-again"),
        pytest.param([signal.SIGINT, signal.SIGINT], [], 130, id="SIGINT-twice", marks=pytest.mark.slow),
        pytest.param([signal.SIGTERM], ["--workers", "2"], 143, id="SIGTERM-workers", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_told_to_end_says_one_line_and_goes_on_later(bench, arguments, tmp_path, signals, more, code):
    process = begin([*arguments, *more], tmp_path)
    for number in signals:
        os.killpg(process.pid, number)
        time.sleep(0.1)
    _, errors = process.communicate(timeout=60)
    assert errors == "bench: stopped; what is finished is kept, the same command goes on from there\n"
    assert process.returncode == code
    assert_resumes(bench, arguments, tmp_path)


def test_a_run_that_was_stopped_for_longer_than_its_time_limit_goes_on(bench, arguments, tmp_path):
    """Control-Z and fg, or a laptop that slept: no case is charged for it."""
    process = begin([*arguments, "--case-timeout", "2"], tmp_path)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(3)
    (tmp_path / "go").touch()
    os.killpg(process.pid, signal.SIGCONT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "without an output" not in output
    assert_resumes(bench, arguments, tmp_path)


def test_a_clock_that_goes_backwards_changes_nothing(bench, arguments, tmp_path, monkeypatch):
    (tmp_path / "go").touch()
    now = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    assert bench(*arguments, "--limit", "2").code == 0
    assert bench(*arguments).code == 0
    monkeypatch.undo()
    cost = (tmp_path / "runs" / "tiny" / "report" / "cost.csv").read_text()
    assert "-" not in [cell[:1] for line in cost.splitlines() for cell in line.split(",")]
    assert_resumes(bench, arguments, tmp_path)


def test_a_segmentation_fault_in_this_process_names_the_method_and_loses_nothing(bench, bench_process, where, suite):
    arguments = ["run", "-s", suite, "-m", "toy", "-m", "bad:how=segfault,only=*d1", *where]
    outcome = bench_process(*arguments)
    assert outcome.code == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in outcome.err
    assert "toys.py" in outcome.err
    mended = bench(*arguments, "--executor", "processes")
    assert mended.code == 0
    assert "1 crash" in mended.out
