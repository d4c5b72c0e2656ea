from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers")

from portraitbench.faces.networks.pocket import load_pocket_face
from portraitbench.methods.pocket.autoencoder import load_autoencoder
from portraitbench.methods.pocket.training import readings
from portraitbench.methods.pocket.training.dataset import RenderedSet, SetConfig
from portraitbench.methods.pocket.training.readings import encode_set, kept, read_set
from portraitbench.methods.pocket.training.train_autoencoder import to_tensor


@pytest.fixture
def data(shipped):
    """Four people of two pictures each, the second in a scene of its own."""
    frames = shipped[0].reshape(4, 2, *shipped[0].shape[1:])
    nothing = np.zeros((4, 2, 1), np.float32)
    return RenderedSet(SetConfig(people=4, frames=2, varied=1), frames, *[nothing] * 5)


def test_readings_are_those_of_each_picture(data, tmp_path):
    """Of persons 1 and 3, their first pictures: what the face network says of that picture alone."""
    network = load_pocket_face()
    found = read_set(tmp_path, data, network, slice(1, None, 2))
    for row, person in enumerate((1, 3)):
        with torch.no_grad():
            alone = network(to_tensor(data.frames[person, :1]))
        for tensor, own in zip(found, (alone.landmarks, alone.code, alone.pose), strict=True):
            assert tensor.shape[:2] == (2, 1)
            assert torch.allclose(tensor[row], own, atol=1e-4)


def test_latents_are_those_of_each_picture(data, tmp_path):
    network = load_autoencoder()
    found = encode_set(tmp_path, data, network, slice(None))
    with torch.no_grad():
        alone = network.encode(to_tensor(data.frames[:, 0]))
    assert found.shape == (4, 1, 8, 32, 32)
    assert torch.allclose(found[:, 0].float(), alone, atol=5e-3)


def test_what_was_read_once_is_not_read_again(data, tmp_path):
    """The second time the pictures are others, and nobody notices: nobody looks."""
    network = load_autoencoder()
    first = encode_set(tmp_path, data, network, slice(2))
    black = replace(data, frames=np.zeros_like(data.frames))
    assert torch.equal(encode_set(tmp_path, black, network, slice(2)), first)
    assert torch.equal(encode_set(tmp_path, black, network, slice(0, -2, 1)), first)
    assert not torch.equal(encode_set(tmp_path, black, network, slice(2, None)), first)


def test_other_weights_and_other_sets_read_anew(tmp_path):
    weights = tmp_path / "face.safetensors"
    values = []
    for content, first in ((b"one", 0), (b"two", 0), (b"one", 0), (b"one", 1)):
        weights.write_bytes(content)
        made = {"a": torch.tensor(float(len(values)))}
        config = SetConfig(people=3, first=first)
        values.append(float(kept(tmp_path, config, weights, slice(None), lambda made=made: made)["a"]))
    assert values == [0, 1, 0, 3]


def test_a_reading_cut_short_leaves_nothing(data, tmp_path, monkeypatch):
    def cut(values, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(readings, "save_file", cut)
    with pytest.raises(KeyboardInterrupt):
        encode_set(tmp_path, data, load_autoencoder(), slice(None))
    assert not list(tmp_path.iterdir())
