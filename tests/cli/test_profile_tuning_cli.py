"""``bench profile tuning``: what it prints and writes, and what it refuses in one line."""

from __future__ import annotations

import json

import pytest
import torch


def test_table_and_file(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    out = tmp_path / "found.json"
    given = ["-g", "hellomeme-tiny", "--size", 64, "--steps", 1, "--precision", "bf16", "--checkpointing"]
    done = bench("profile", "tuning", *given, "--note", "idle", "--out", out)
    assert done.code == 0, done.err
    for text in (
        "hellomeme-tiny (random weights, seed 0), an image, 64 px, bf16, checkpointing: one step",
        "global + identity",
        "where the processor seconds go",
        "800 steps at this rate: patch ",
        "weights in memory: ",
        "identity loss: the embedded identity network",
        "The weights are random",
        f"written: {out}",
    ):
        assert text in done.out
    assert "\x1b" not in done.out
    data = json.loads(out.read_text())
    assert [arm["arm"] for arm in data["arms"]] == ["patch", "global", "patch + identity", "global + identity"]
    assert all(len(arm["seconds"]) == 1 and arm["peak_bytes"] > 0 for arm in data["arms"])
    assert data["device"].startswith("CPU, ")
    assert (data["generator"], data["size"], data["frames"], data["precision"]) == ("hellomeme-tiny", 64, 1, "bf16")
    assert (data["checkpointing"], data["sampling"], data["note"], data["full_steps"]) == (True, None, "idle", 800)
    assert data["lora"]["rank"] == 8
    assert {"torch", "threads", "peak_bytes_means", "caution", "regions", "resident_bytes"} <= data.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--generator", "pocket"], "--generator 'pocket': must be one of hellomeme, hellomeme-tiny, "),
        (["--precision", "int8"], "--precision 'int8': must be one of fp32, bf16, fp16"),
        (["--steps", "0"], "--steps 0: must be 1 or more"),
        (["--size", "100"], "--size 100: must be a multiple of 64, 64 to 512"),
        (["--size", "0"], "--size 0: must be a multiple of 64"),
        (["--frames", "0"], "--frames 0: must be 1, an image, to 12"),
        (["--frames", "13"], "--frames 13: must be 1, an image, to 12"),
        (["--seed=-1"], "--seed -1: must be 0 to 4294967295"),
        (["--device", "cuda:77"], "torch has no device 'cuda:77' here"),
        (["--device", "tpu"], "--device 'tpu': write"),
        (["--out", "found.csv"], "--out found.csv: must end in .json"),
        (["--out", "nowhere/found.json"], "there is no folder nowhere"),
    ],
)
def test_refused_in_one_line(bench, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = bench("profile", "tuning", *arguments)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_too_little_device_memory_is_one_line(bench, monkeypatch):
    from portraitbench.profiling import tuning_subject as profile_tuning_subject

    def fail(setting):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(profile_tuning_subject, "TuningSubject", fail)
    done = bench("profile", "tuning", "-g", "hellomeme-tiny", "--frames", 12)
    assert done.code == 2
    assert "not enough memory for --frames 12, --size 128, --precision fp32: try --checkpointing" in done.err
    assert done.err.count("\n") == 1
