"""Networks that only prepare a case are on the device while they are asked, in one move each, or stay there."""

from __future__ import annotations

import hp_native as native
import pytest
import torch
from torch import nn

from portraitbench.methods.hunyuanportrait.networks import OF_MOTION, RESIDENTS, VISITORS, Networks

DEVICE, REST = torch.device("cpu", 0), torch.device("cpu")
"""Two names of the CPU, so that being brought to the device can be told from resting."""


@pytest.fixture
def watched(monkeypatch):
    """Networks that work on DEVICE, and every move of each."""
    networks = native.networks()
    moves, names = [], {id(module): name for name, module in networks.modules().items()}
    plain = nn.Module.to

    def to(module, *args, **kwargs):
        if id(module) in names and isinstance(args[0], torch.device | str):
            moves.append((names[id(module)], torch.device(args[0])))
        return plain(module, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "to", to)
    monkeypatch.setattr(Networks, "device", property(lambda self: DEVICE))
    return networks, moves


def prepare(networks):
    """As conditions are computed: chunks of motion, then the rest."""
    chunk = native.draw(1, 2, 3, 256, 256).sigmoid()
    with networks.on_device(*OF_MOTION):
        for head in (3, 4):
            networks.motion_tokens(chunk, chunk, head, 5)
    return networks.appearance_tokens(
        native.draw(2, 1, 3, 224, 224), networks.embed_identity(native.draw(3, 1, 3, 112, 112).sigmoid())
    )


def test_each_comes_and_goes_once_in_a_case(watched):
    networks, moves = watched
    prepare(networks)
    assert sorted(moves, key=str) == sorted([(name, place) for name in VISITORS for place in (DEVICE, REST)], key=str)
    last = dict(moves)
    assert set(last.values()) == {REST}


def test_those_that_are_kept_move_no_more_and_say_the_same(watched):
    networks, moves = watched
    moved = prepare(networks)
    networks.keep(RESIDENTS)
    moves.clear()
    assert torch.equal(prepare(networks), moved)
    assert moves == []


def test_an_error_sends_all_home(watched):
    networks, moves = watched

    def fail():
        with networks.on_device("identity"), networks.on_device("identity", "refiner"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert moves == [("identity", DEVICE), ("refiner", DEVICE), ("refiner", REST), ("identity", REST)]


def test_the_codec_encodes_in_float32_alone_also_where_blocks_nest():
    networks = native.networks()
    networks.codec.to(torch.bfloat16)
    with networks.encoding():
        with networks.encoding():
            pass
        assert networks.codec.encoder.conv_in.weight.dtype == networks.codec.quant_conv.weight.dtype == torch.float32
        assert networks.codec.decoder.conv_in.weight.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in networks.codec.parameters()} == {torch.bfloat16}
