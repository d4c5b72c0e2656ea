"""Real numbers on real faces with nothing but installed packages: no network, no folder of weights."""

from __future__ import annotations

import socket

import pandas as pd
import pytest


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No connection can be opened, and the home folder is empty."""
    for package in ("mediapipe", "dlib"):
        pytest.importorskip(package)

    def refuse(*args, **kwargs):
        raise AssertionError("something wants the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    (tmp_path / "home").mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def scored(bench, shared, tmp_path, suite, *options):
    """Means over cases by method (rows) and metric."""
    cache = ("--cache", tmp_path / "cache")
    assert bench("data", "fetch", suite, "--from", shared / "portraits", *cache).code == 0
    faces = ("-f", "mediapipe", "-f", "dlib", "-m", "copy-identity", "-m", "copy-driving")
    done = bench("run", "-s", suite, *faces, *options, *cache, "--out", tmp_path / "runs", "--name", "own")
    assert done.code == 0, done.err
    records = pd.read_parquet(tmp_path / "runs" / "own" / "records.parquet")
    assert set(records.grade) == {"real"}
    undefined = set(records[records.status != "ok"].metric)
    assert undefined <= {"gaze_deg/1", "blink_f1/1"}  # eyes that are closed, clips without a blink
    return records.pivot_table(index="method", columns="metric", values="value")


def test_images(offline, bench, shared, tmp_path):
    means = scored(bench, shared, tmp_path, "public-cross-image", "--limit", 2)
    ends = means.loc["copy-driving"], means.loc["copy-identity"]
    for metric in ("aed_lmk_px512/1", "aed_blendshape52_l1/1", "apd_deg/1", "gaze_deg/1"):
        assert ends[0][metric] == pytest.approx(0, abs=1e-9)
        assert ends[1][metric] > 0.01
    assert ends[0]["id_dlib_l2/1"] > 0.6
    assert ends[1]["id_dlib_l2/1"] == 0


@pytest.mark.slow
def test_clips(offline, bench, shared, tmp_path):
    means = scored(bench, shared, tmp_path, "public-cross-video", "--limit", 1)
    copied, still = means.loc["copy-driving"], means.loc["copy-identity"]
    assert copied["expression_ccc/1"] == pytest.approx(1)
    assert still["expression_ccc/1"] == 0
    assert still["jitter_lmk/1"] == 1
    for metric in ("aed_lmk_px512/1", "aed_blendshape52_delta_l1/1", "apd_deg/1", "gaze_deg/1", "jitter_lmk/1"):
        assert copied[metric] == pytest.approx(0, abs=1e-9)
        assert still[metric] > 0.005
    assert copied["id_dlib_l2/1"] > 0.6
