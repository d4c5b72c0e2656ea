"""Standard output that closes, fills up or takes ASCII only; no terminal, no home, no temporary folder."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portraitbench.cli.streams import _settled
from portraitbench.reports.records_frame import tidy

TOYS = Path(__file__).parents[1] / "toys.py"
PROGRAM = [sys.executable, "-c", "from portraitbench.cli.app import main; main()"]


@pytest.fixture
def arguments(tmp_path, make_suite):
    suite = make_suite(tmp_path / "suite")
    folders = ["--out", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    return ["run", "-s", str(suite), "-m", "copy-driving", "--plugin", str(TOYS), "--faces", "toy", *folders]


def environment(**changes):
    """The environment without what could decide the outcome; None takes a variable away."""
    changes = {"PYTHONUNBUFFERED": None, "PYTHONIOENCODING": None, "COLUMNS": None} | changes
    kept = {name: value for name, value in os.environ.items() if name not in changes}
    return kept | {name: value for name, value in changes.items() if value is not None}


def test_a_reader_that_leaves_does_not_end_the_run(arguments, tmp_path):
    """As with ``bench run ... | head -1``, but certain: the reader is gone before the first line is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, *arguments], stdout=writing, stderr=subprocess.PIPE, env=environment())
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert set(tidy(tmp_path / "runs" / "tiny")["status"]) == {"ok"}
    assert (tmp_path / "runs" / "tiny" / "report" / "index.md").is_file()


@pytest.mark.parametrize("unbuffered", [False, True])
def test_what_nobody_reads_is_dropped_and_what_is_read_is_whole(unbuffered):
    reading, writing = os.pipe()
    binary = os.fdopen(writing, "wb", 0 if unbuffered else -1)
    before = io.TextIOWrapper(binary, "ascii", "strict", write_through=unbuffered)
    stream = _settled(before, "standard output")
    print("first ↓", file=stream, flush=True)
    assert os.read(reading, 100) == b"first ?\n"
    os.close(reading)
    print("second", file=stream, flush=True)
    print("third", file=stream, flush=True)
    stream.close()
    before.close()


def test_closed_streams_are_nobody_elses(tmp_path):
    """With all three closed the next file opened would be number 0, 1 or 2, and take what libraries print."""
    program = (
        "import os; from portraitbench.cli.streams import settle_streams; settle_streams();"
        f"print('lost'); os.write(1, b'lost'); os.write(2, b'lost'); f = open({str(tmp_path / 'f')!r}, 'w');"
        "print(f.fileno(), file=f)"
    )
    command = f'exec {sys.executable} -c "{program}" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], env=environment()).returncode == 0
    assert int((tmp_path / "f").read_text()) > 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, "methods", "list"], stdout=full, stderr=subprocess.PIPE, env=environment())
        assert done.returncode == 2
        assert done.stderr.startswith(b"bench: cannot write standard output: No space left on device (")
        assert done.stderr.count(b"\n") == 1
        silent = subprocess.run([*PROGRAM, "run", "-m", "nosuch"], stdout=full, stderr=full, env=environment())
        assert silent.returncode == 2


HOMELESS = {"HOME": None, "XDG_CACHE_HOME": None, "USER": None, "LOGNAME": None, "PYTHONIOENCODING": "ascii:strict"}
SHUT = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), "/proc/nobody")
CLEARED = dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"))
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb", "NO_COLOR": "1"}


@pytest.mark.parametrize(
    "changes", [HOMELESS, SHUT | CLEARED | C_LOCALE], ids=["no home, ASCII", "nothing writable, C"]
)
def test_a_run_in_a_strange_environment(arguments, tmp_path, changes):
    done = subprocess.run(
        [*PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, env=environment(**changes)
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"report: " in done.stdout
    assert "↓" in (tmp_path / "runs" / "tiny" / "report" / "index.md").read_text(encoding="utf-8")
