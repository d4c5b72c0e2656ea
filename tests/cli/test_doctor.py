"""``bench doctor``: its sizes and free space are those of the operating system, its digests those of the files."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

UNITS = {unit: 1024**power for power, unit in enumerate(["B", "KiB", "MiB", "GiB", "TiB"])}


def size(number, unit):
    return float(number) * UNITS[unit]


def test_free_space_is_that_of_the_cache(bench, tmp_path):
    """Of the nearest folder that exists; other programs write meanwhile, so it is about the same."""
    told = bench("doctor", "--cache", tmp_path / "not" / "yet").out
    number, unit = re.search(rf"cache: {tmp_path}/not/yet \(writable, ([\d.]+) (\w+) free\)", told).groups()
    assert size(number, unit) == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)


def test_free_space_is_asked_of_the_system_for_the_cache_given(bench, tmp_path, monkeypatch):
    asked = []
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or usage(2**50, 0, 3.5 * 2**40))
    assert "(writable, 3.5 TiB free)" in bench("doctor", "--cache", tmp_path).out
    assert asked == [tmp_path]


def test_sizes_and_digests_are_those_of_the_files(bench, tmp_path):
    """Links, sparse files and all: what is said is what a program that reads the file would get."""
    weights = tmp_path / "pack"
    weights.mkdir()
    (tmp_path / "far.onnx").write_bytes(b"x" * 3_500_000)
    (weights / "det_10g.onnx").symlink_to(tmp_path / "far.onnx")
    with (weights / "w600k_r50.onnx").open("wb") as file:
        file.truncate(174_383_860)
    told = bench("doctor", "-f", f"insightface:pack={weights}").out
    for path in weights.iterdir():
        line = next(line for line in told.splitlines() if f"{path} (" in line)
        number, unit = re.search(r"\(([\d.]+) ([KMG]?i?B)[;)]", line).groups()
        assert f"{size(number, unit):.3g}" == f"{size(f'{path.stat().st_size / UNITS[unit]:.1f}', unit):.3g}"
    assert "damaged" in next(line for line in told.splitlines() if "det_10g.onnx (" in line)
    assert "3,500,000 bytes, the publisher's has 16,923,827" in told


def test_every_file_that_was_found_has_its_own_size_and_digest(bench):
    told = bench("doctor").out
    found = re.findall(r"^  found +(\S.*?) \(([\d.]+) (\w+); sha256 ([0-9a-f]{64})", told, re.MULTILINE)
    if not found:
        pytest.skip("no weights file is on this machine")
    for name, number, unit, digest in found:
        path = Path(name)
        assert number == f"{path.stat().st_size / UNITS[unit]:{'.0f' if unit == 'B' else '.1f'}}"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
