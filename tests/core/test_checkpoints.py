from __future__ import annotations

import os
import pickle

import pytest
import torch
from torch import nn

from portraitbench.core.checkpoints import check_device, load_state, load_strictly, need_file
from portraitbench.core.errors import ConfigError, WeightsError


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "net.pth"
    torch.save(network().state_dict(), path)
    return path


@pytest.mark.parametrize("wrap", ["plain", "module.", "state_dict"])
def test_tensors_arrive_whatever_the_wrapping(saved, tmp_path, wrap):
    state = torch.load(saved, weights_only=True)
    path = tmp_path / "wrapped.pth"
    if wrap == "module.":
        torch.save({f"module.{key}": value for key, value in state.items()}, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if wrap == "state_dict" else state, path)
    target = network()
    load_strictly(target, load_state(path, "owner"), path, "owner")
    assert all(torch.equal(value, state[key]) for key, value in target.state_dict().items())
    assert not any(module.training for module in target.modules())
    assert not any(parameter.requires_grad for parameter in target.parameters())


def test_code_in_a_checkpoint_never_runs(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    raw, zipped = tmp_path / "raw.pth", tmp_path / "zipped.pth"
    raw.write_bytes(pickle.dumps({"weight": Payload()}, protocol=2))
    torch.save({"weight": Payload()}, zipped)
    for path in (raw, zipped):
        with pytest.raises(WeightsError, match=rf"{path.name}.*never run"):
            load_state(path, "owner")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kept", [0, 1, 100, -10])
def test_a_checkpoint_cut_short_is_refused(saved, kept):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: kept if kept >= 0 else len(whole) + kept])
    with pytest.raises(WeightsError, match=r"net\.pth.*again") as caught:
        load_state(saved, "owner")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("junk", [b"not a checkpoint", b"<html>404</html>", b"\x80\x02}q\x00.", bytes(range(256)) * 8])
def test_junk_is_refused(tmp_path, junk):
    path = tmp_path / "junk.pth"
    path.write_bytes(junk)
    with pytest.raises(WeightsError, match=r"junk\.pth"):
        load_strictly(network(), load_state(path, "owner"), path, "owner")


@pytest.mark.parametrize("content", [[torch.ones(2)], {"a": torch.ones(2), "b": "text"}, torch.ones(2)], ids=str)
def test_other_contents_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="dict of tensors"):
        load_state(tmp_path / "x.pth", "owner")


def test_differences_are_counted_and_named(saved):
    state = load_state(saved, "owner")
    del state["0.bias"]
    state |= {"2.weight": torch.ones(1), "1.weight": torch.ones(3)}
    with pytest.raises(WeightsError) as caught:
        load_strictly(network(), state, saved, "face backend x")
    message = str(caught.value)
    assert message.startswith("face backend x: ")
    assert (
        "1 tensors missing ('0.bias'), 1 tensors unknown ('2.weight'), 1 tensors of another shape ('1.weight')"
        in message
    )


def test_checkpoints_from_before_batch_counters_load(saved):
    state = load_state(saved, "owner")
    del state["1.num_batches_tracked"]
    load_strictly(network(), state, saved, "owner")


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(WeightsError, match=r"x\.pth is missing: ask nicely"):
        need_file(tmp_path / "x.pth", "owner", "ask nicely")


def test_devices_are_checked(monkeypatch):
    check_device("cpu", "owner")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_device("cuda", "owner")
    check_device("cuda:0", "owner")
    for absent in ("cuda:1", "tpu"):
        with pytest.raises(ConfigError, match=absent):
            check_device(absent, "owner")
