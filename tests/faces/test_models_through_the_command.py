"""Face models that need weights, on random ones, through ``bench run`` on a real face."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from portraitbench.faces.networks.emonet import EmoNet


@pytest.fixture(scope="module")
def emonet_file(tmp_path_factory):
    torch.manual_seed(3)
    network = EmoNet(8)
    path = tmp_path_factory.mktemp("emonet") / "emonet_8.pth"
    torch.save(network.state_dict(), path)
    return path


def test_arcface_and_emonet_score_the_two_ends_of_the_scale(bench, pack, emonet_file, tmp_path):
    faces = [
        "dlib",
        f"insightface:pack={pack},random_weights=true",
        f"emonet:weights={emonet_file},random_weights=true",
    ]
    flags = [part for face in faces for part in ("--faces", face)]
    where = ["--cache", tmp_path / "cache", "--out", tmp_path, "--name", "run"]
    chosen = ["--suite", "demo-video", "--case", "ann__*", "--method", "copy-identity", "--method", "copy-driving"]
    outcome = bench("run", *chosen, *flags, *where)
    assert outcome.code == 0, outcome.err
    assert "random weights, not a measurement" in outcome.out
    table = pd.read_csv(tmp_path / "run" / "report" / "demo-video.csv").set_index(["metric", "method"])
    means = table["mean"]
    assert means["id_sim/1", "copy-identity"] == pytest.approx(1.0, abs=1e-6)
    assert means["id_sim/1", "copy-driving"] < 1 - 1e-6
    assert means["aed_lmk_px512/1", "copy-driving"] == pytest.approx(0.0, abs=1e-9)
    # The driver's own series agrees with itself; that of a still picture does not move, which counts as frozen.
    assert means["emo_sim/1", "copy-driving"] == pytest.approx(1.0, abs=1e-6)
    assert means["emo_sim/1", "copy-identity"] == 0.0
    stamps = table["grade"].groupby(level="metric").first()
    assert stamps["id_sim/1"] == stamps["emo_sim/1"] == "random weights, not a measurement"
    assert stamps["id_dlib_l2/1"] == "real"
