"""Disks, folders and caches that cannot be used: one line, and what was finished stays finished."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import sqlite3
from pathlib import Path

import pytest

from portraitbench.harness.store import Store
from portraitbench.reports.records_frame import tidy

METHODS = ["-m", "copy-driving", "-m", "toy"]


@pytest.mark.parametrize("flag", ["--out", "--cache"])
@pytest.mark.parametrize("place", ["file", "below a file", "/proc"])
def test_a_folder_that_cannot_be_written_is_named(refused, where, suite, tmp_path, flag, place):
    (tmp_path / "file").write_text("x")
    folder = {"file": tmp_path / "file", "below a file": tmp_path / "file" / "runs", "/proc": "/proc/runs"}[place]
    line = refused("run", "-s", suite, *METHODS, *where, flag, folder)
    assert str(folder) in line
    assert re.search("choose another folder|another folder with --cache", line), line


def test_a_demo_suite_that_cannot_be_made_is_one_line(refused, tmp_path):
    (tmp_path / "file").write_text("x")
    assert str(tmp_path / "file") in refused("run", "-s", "demo-image", "--cache", tmp_path / "file", "--out", tmp_path)


@pytest.mark.parametrize("where_full", ["write", "fsync", "replace"])
def test_a_full_disk_stops_the_run_and_loses_nothing(bench, refused, where, suite, tmp_path, monkeypatch, where_full):
    """The disk fills up after a few records; with space again, the same command ends the run."""
    real, left = getattr(os, where_full), 8

    def filling(*arguments, **keywords):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")
        return real(*arguments, **keywords)

    arguments = ["run", "-s", suite, *METHODS, *where]
    monkeypatch.setattr(os, where_full, filling)
    line = refused(*arguments)
    assert re.search(r"cannot write .*No space left on device \(free space or choose another folder", line), line
    monkeypatch.undo()
    store = Store(tmp_path / "runs" / "tiny")
    store.load()
    kept = dict(store.records)
    assert kept
    assert bench(*arguments).code == 0
    store.load()
    assert {key: store.records[key] for key in kept} == kept
    assert set(tidy(tmp_path / "runs" / "tiny")["status"]) == {"ok"}


def test_a_file_size_limit_stops_the_run_and_loses_nothing(bench, bench_process, where, suite, tmp_path):
    """The real thing, from the operating system: no file may grow beyond 3000 bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    arguments = ["run", "-s", suite, "-m", "copy-driving", *where[:4], "--out", tmp_path / "runs"]
    outcome = bench_process(*arguments, "--cache", tmp_path / "cache", preexec_fn=limit)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1
    assert "File too large" in outcome.err or "disk" in outcome.err
    assert bench(*arguments, "--cache", tmp_path / "other").code == 0
    assert set(tidy(tmp_path / "runs" / "tiny")["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("records.parquet", errno.EDQUOT),
        ("records.parquet", errno.ENOSPC),
        ("cost.csv", errno.EDQUOT),
        ("index.md", errno.EDQUOT),
        ("index.html", errno.ENOSPC),
        ("tiny.csv", errno.ENOSPC),
        ("tiny.png", errno.EDQUOT),
        ("run.json", errno.EDQUOT),
    ],
)
def test_a_disk_that_fills_up_at_the_tables_keeps_the_old_ones(finished, refused, bench, monkeypatch, name, number):
    """Network disks tell of a quota when a file is flushed; what stood there stays until it can be replaced."""
    folder, arguments = finished
    before = contents(folder)
    real, (stem, _, suffix) = os.fsync, name.rpartition(".")

    def flush(handle):
        opened = Path(f"/proc/self/fd/{handle}").readlink().name
        if opened.startswith(f".{stem}.") and opened.endswith(f".{suffix}"):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", flush)
    for command in [arguments] if name == "run.json" else [arguments, ["report", folder]]:
        line = refused(*command)
        assert os.strerror(number) in line
        assert "free space or choose another folder" in line
    assert not [path for path in folder.rglob(".*") if path.suffix == f".{suffix}"], "no half-written file is left"
    assert {key: value for key, value in contents(folder).items() if key.endswith(name)} == {
        key: value for key, value in before.items() if key.endswith(name)
    }
    monkeypatch.undo()
    assert bench(*arguments).code == 0
    assert contents(folder) == before


def contents(folder):
    """Digests of the files of a run that do not say when they were made."""
    files = [folder / "records.parquet", *sorted((folder / "report").glob("tiny*")), folder / "report" / "index.md"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_file_size_limit_hits_the_parquet_file(finished, bench_process):
    """The real thing again, where another library writes."""
    folder, _ = finished
    before = (folder / "records.parquet").read_bytes()

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 1, len(before) - 1))

    outcome = bench_process("report", folder, preexec_fn=limit)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert re.search(r"cannot write .*records\.parquet: .*[Ff]ile too large", outcome.err), outcome.err
    assert (folder / "records.parquet").read_bytes() == before
    assert not list(folder.glob(".records.*"))


def test_a_full_feature_cache_is_one_line(refused, where, suite, tmp_path, monkeypatch):
    real = sqlite3.connect

    def small(*arguments, **keywords):
        database = real(*arguments, **keywords)
        database.execute("PRAGMA max_page_count = 3")
        return database

    monkeypatch.setattr(sqlite3, "connect", small)
    assert re.search(r"feature cache .*full", refused("run", "-s", suite, *METHODS, *where))


@pytest.mark.parametrize("content", [b"", b"not a database, certainly", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_feature_cache_is_named_or_made_anew(bench, where, suite, tmp_path, content):
    path = tmp_path / "cache" / "features.sqlite"
    path.parent.mkdir()
    path.write_bytes(content)
    outcome = bench("run", "-s", suite, *METHODS, *where)
    if content:
        assert outcome.code == 2
        assert re.fullmatch(rf"bench: feature cache {path}: .*may be deleted.*\n", outcome.err)
    else:
        assert outcome.code == 0


def test_a_feature_cache_with_spoiled_values_is_named(finished, refused, tmp_path):
    _, arguments = finished
    with sqlite3.connect(tmp_path / "cache" / "features.sqlite") as database:
        database.execute("UPDATE features SET value = X'00112233'")
    database.close()
    line = refused(*arguments, "--name", "other")
    assert re.search(r"feature cache .*features\.sqlite", line)


@pytest.mark.parametrize(
    "name", ["records", "records/1-of-1.jsonl", "outputs", "logs", "run.json", "plan.jsonl", "report"]
)
def test_a_file_or_folder_in_the_way_is_named(bench, where, suite, tmp_path, name):
    """A file where a folder belongs, and the other way round."""
    path = tmp_path / "runs" / "tiny" / name
    if path.suffix:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True)
        path.write_text("in the way")
    outcome = bench("run", "-s", suite, *where, "-m", "bad:how=raise", "-m", "toy")
    assert outcome.code == 2
    assert outcome.err.startswith("bench: ")
    assert len(outcome.err.splitlines()) == 1
    assert str(path.name) in outcome.err or str(path) in outcome.err
