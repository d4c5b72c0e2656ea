from __future__ import annotations

import csv

import numpy as np
import pytest

from portraitbench.core.errors import AssetError, ConfigError
from portraitbench.datasets.assets import AssetStore
from portraitbench.datasets.catalog import open_suite
from portraitbench.datasets.export_suite import export_suite
from portraitbench.datasets.framing import frame_window
from portraitbench.datasets.media import probe, read_clip


def _rows(folder):
    with (folder / "cases.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["cross-image", "cross-video", "self-video"])
def test_what_is_exported_is_what_is_measured(tmp_path, make_suite, kind):
    manifest = make_suite(tmp_path / "suite", kind, identities=2, drivings=2)
    opened, store = open_suite(manifest, tmp_path / "cache"), AssetStore(tmp_path / "cache")
    assert export_suite(store, opened, tmp_path / "out") == len(opened.suite.cases())
    rows = {row["case"]: row for row in _rows(tmp_path / "out")}
    assert set(rows) == {case.id for case in opened.suite.cases()}
    for case in opened.suite.cases():
        row = rows[case.id]
        for role, window in (("identity", case.identity), ("driving", case.driving)):
            path = store.require(opened.suite, window.asset, opened.folder)
            expected = frame_window(opened.suite, window, path)
            written = read_clip(tmp_path / "out" / row[role])
            assert np.array_equal(written.frames, expected.frames)
            assert expected.is_image or written.fps == expected.fps
        assert int(row["frames"]) == case.driving.frames
        assert row["result"] == f"{case.id}.{'png' if kind == 'cross-image' else 'mkv'}"


def test_results_under_the_names_of_the_table_are_found(tmp_path, make_suite, bench):
    manifest = make_suite(tmp_path / "suite", "cross-video")
    assert bench("data", "export", manifest, "-o", tmp_path / "out", "--case", "*__d1", "--mp4").code == 0
    (row,) = _rows(tmp_path / "out")
    assert probe(tmp_path / "out" / row["driving_mp4"]).frames == 6
    results = tmp_path / "mine"
    results.mkdir()
    (tmp_path / "out" / row["driving"]).rename(results / row["result"])
    plan = bench("run", "-s", manifest, "--outputs", f"mine={results}", "--dry-run", "-f", "pocket")
    assert plan.code == 0
    assert "1 of 3 cases have a result" in plan.out
    assert "as many frames as the driving" in plan.out
    assert "without a result: i0__d0, i0__d2" in plan.out


def test_a_folder_in_use_and_changed_files_are_refused_before_anything_is_written(tmp_path, make_suite):
    opened = open_suite(make_suite(tmp_path / "suite"), tmp_path / "cache")
    store = AssetStore(tmp_path / "cache")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="not empty"):
        export_suite(store, opened, tmp_path / "out")
    next((tmp_path / "suite").glob("d1.*")).write_bytes(b"other")
    with pytest.raises(AssetError, match="has changed"):
        export_suite(store, opened, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
