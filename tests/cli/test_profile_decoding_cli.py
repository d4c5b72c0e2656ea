"""``bench profile decoding``: what it prints and writes, and what it refuses in one line."""

from __future__ import annotations

import json

import pytest


def test_table_and_file(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    out = tmp_path / "found.json"
    done = bench("profile", "decoding", "--size", 64, "--steps", 1, "--halo", "1,0", "--note", "idle", "--out", out)
    assert done.code == 0, done.err
    for text in ("patch", "global", "naive patch", "packaged, trained", "the six patches cover", f"written: {out}"):
        assert text in done.out.replace("\n", " ") or text in done.out.replace("\n", "")
    assert "\x1b" not in done.out
    data = json.loads(out.read_text())
    assert [arm["arm"] for arm in data["arms"]] == ["patch+halo=1", "patch", "global", "naive patch"]
    assert "tiled: not measured, the decoder of pocket has no tiled decoding" in done.out
    assert all(len(arm["seconds"]) == 1 and arm["peak_bytes"] > 0 for arm in data["arms"])
    assert [row["halo"] for row in data["halos"]] == [1, 0]
    assert data["halos"][0]["gray_levels"] < data["halos"][1]["gray_levels"]
    assert data["device"].startswith("CPU, ")
    assert (data["size"], data["tile"], data["seed"], data["precision"]) == (64, 0, 0, "fp32")
    assert data["weights"] == "packaged, trained"
    assert (data["caution"], data["note"]) == ("", "idle")
    assert {"torch", "threads", "latent_shape", "frame_covered"} <= data.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--generator", "sdxl"], "--generator 'sdxl': must be one of pocket, sd15"),
        (["--precision", "int8"], "--precision 'int8': must be one of fp32, bf16, fp16"),
        (["--halo", "0,x"], "--halo '0,x': write different whole numbers from 0"),
        (["--halo=-1"], "--halo '-1': write"),
        (["--halo", "1,1"], "--halo '1,1': write different"),
        (["--steps", "0"], "--steps 0: must be 1 or more"),
        (["--size", "0"], "--size 0: must be 32 to 2048"),
        (["--size", "999999"], "--size 999999: must be 32 to 2048"),
        (["--size", "66"], "--size 66: must be a multiple of 4"),
        (["--device", "cuda:77"], "torch has no device 'cuda:77' here"),
        (["--device", "cuda:x"], "--device 'cuda:x': write cpu, cuda, cuda:1 or mps"),
        (["--device", "tpu"], "--device 'tpu': write"),
        (["--out", "found.csv"], "--out found.csv: must end in .json"),
        (["--out", "nowhere/found.json"], "there is no folder nowhere"),
    ],
)
def test_refused_in_one_line(bench, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = bench("profile", "decoding", *arguments)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_random_weights_say_so(bench, tmp_path):
    out = tmp_path / "found.json"
    done = bench("profile", "decoding", "-g", "sd15", "--size", 64, "--steps", 1, "--halo", "0", "--out", out)
    assert done.code == 0, done.err
    assert "The weights are random" in done.out
    assert "random" in json.loads(out.read_text())["weights"]
