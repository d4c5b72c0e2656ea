"""Disks, folders and caches that cannot be used: one line, and what was finished stays finished."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import sqlite3

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
