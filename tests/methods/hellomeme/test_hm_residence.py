"""Networks that a denoising or tuning step does not need are on the device only while they are asked."""

from __future__ import annotations

import hm_native as native
import pytest
import torch
from torch import nn

from portraitbench.methods.hellomeme.dry_run import random_networks
from portraitbench.methods.hellomeme.inputs import Control
from portraitbench.methods.hellomeme.networks import RESIDENTS, REST, VISITORS, Networks
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned_method import TunedMethod

DEVICE = torch.device("cpu", 0)
"""Another name for the CPU, so that being brought there can be told from resting."""


@pytest.fixture
def watched(monkeypatch):
    """Networks that work on DEVICE, and where each of them was sent last."""
    networks = random_networks("x1", Control.CNTRL2)
    where, names = {}, {id(module): name for name, module in networks.modules().items()}
    plain = nn.Module.to

    def to(module, *args, **kwargs):
        if id(module) in names:
            where[names[id(module)]] = torch.device(args[0] if args else kwargs["device"])
        return plain(module, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "to", to)
    monkeypatch.setattr(Networks, "device", property(lambda self: DEVICE))
    networks.settle("cpu:0", torch.float32)
    return networks, where


def spy(monkeypatch, networks, where):
    """Note where all networks are whenever one of them works."""
    seen = {}

    def note(name):
        seen.setdefault(name, []).append(dict(where))

    for name, module in networks.modules().items():
        if name == "encoder":
            monkeypatch.setattr(module, "encode", _telling(module.encode, note, name))
        elif name == "decoder":
            monkeypatch.setattr(module, "decode", _telling(module.decode, note, name))
        else:
            module.register_forward_pre_hook(lambda *_, name=name: note(name))
    return seen


def _telling(call, note, name):
    def told(*args, **kwargs):
        note(name)
        return call(*args, **kwargs)

    return told


@pytest.mark.parametrize("frames", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_encoders_are_away_while_a_case_is_tuned(watched, make_generator, make_inputs, monkeypatch, frames):
    networks, where = watched
    assert {name for name, place in where.items() if place == REST} > set(VISITORS) & networks.modules().keys()
    seen = spy(monkeypatch, networks, where)
    generator = make_generator(steps=1)
    generator.__dict__["_networks"] = networks
    tuner = StrucBooth({"steps": 1, "learning_rate": 1e-2}, make_generator.context)
    TunedMethod(generator, tuner).animate(make_inputs(frames))
    for name, moments in seen.items():
        assert all(places[name] == DEVICE for places in moments), name
    assert {"helper", "control", "expression", "encoder", "denoiser", "decoder"} <= seen.keys()
    # The denoiser of images and its decoder need none of the visitors.
    alone = [*(seen["denoiser"] if frames == 1 else []), *seen["decoder"]]
    assert all(places[name] == REST for places in alone for name in VISITORS if name in places)
    assert all(where[name] == REST for name in VISITORS if name in where)


def test_blocks_may_nest_and_an_error_sends_all_home(watched):
    networks, where = watched

    def fail():
        with networks.on_device("helper", "encoder"):
            with networks.on_device("helper", "vision"):  # vision is not there in this kind of control
                assert where["helper"] == DEVICE
            assert where["helper"] == where["encoder"] == DEVICE
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert where["helper"] == where["encoder"] == REST


def test_networks_that_are_kept_move_once_and_the_others_as_ever(watched):
    networks, where = watched
    networks.keep(["helper", "encoder", "vision"])  # vision is not there in this kind of control
    assert where["helper"] == where["encoder"] == DEVICE
    where.clear()
    with networks.on_device("helper", "control"):
        assert where == {"control": DEVICE}
        networks.encode(torch.zeros(1, 3, 64, 64))
    assert where == {"control": REST}


@pytest.mark.parametrize("frames", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_pictures_are_the_same_whoever_stays(watched, make_generator, make_inputs, frames):
    networks, where = watched
    tuner = StrucBooth({"steps": 1, "learning_rate": 1e-2}, make_generator.context)

    def made():
        generator = make_generator(steps=1)
        generator.__dict__["_networks"] = networks
        return TunedMethod(generator, tuner).animate(make_inputs(frames)).clip.frames

    moved = made()
    networks.keep(RESIDENTS)
    where.clear()
    assert (made() == moved).all()
    assert not set(where) & set(RESIDENTS)


class OnDevice(torch.Tensor):
    """A tensor on DEVICE: whatever is computed from it is there too, until it is brought home."""

    def cpu(self):
        with torch._C.DisableTorchFunctionSubclass():
            return self.as_subclass(torch.Tensor)


@pytest.fixture
def marked(monkeypatch):
    """Tensors that are brought to DEVICE can be told from those in main memory."""
    plain = torch.Tensor.to

    def to(tensor, *args, **kwargs):
        wanted = args[0] if args else kwargs.get("device")
        moved = plain(tensor, *args, **kwargs)
        if not isinstance(wanted, torch.device | str) or isinstance(tensor, nn.Parameter):
            return moved
        with torch._C.DisableTorchFunctionSubclass():
            return moved.as_subclass(OnDevice if torch.device(wanted) == DEVICE else torch.Tensor)

    monkeypatch.setattr(torch.Tensor, "to", to)


def test_what_grows_with_a_clip_stays_in_main_memory(watched, marked, make_generator, make_inputs):
    networks, _ = watched
    generator, case = make_generator(steps=1), make_inputs(3)
    generator.__dict__["_networks"] = networks
    conditions = generator.condition(case)
    assert isinstance(conditions.text, OnDevice)
    assert isinstance(conditions.reference.up[0], OnDevice)
    assert isinstance(networks.control(*control_question(networks)).up[0], OnDevice)
    generator.sample(conditions, seed=1)
    given = generator.select(conditions, [0, 1]).given
    growing = [conditions.control, *conditions.pads.values(), *conditions.row_pads]
    assert len(growing) == 1 + 2 + 3
    assert {type(one) for maps in growing for one in (*maps.down, *maps.up)} == {torch.Tensor}
    assert {type(one) for one in (conditions.latents, *conditions.keyframes.values())} == {torch.Tensor}
    needed = [given.control, given.pads, given.reference]
    assert all(isinstance(one, OnDevice) for maps in needed for one in (*maps.down, *maps.up))
    assert [len(maps.up[0]) for maps in needed] == [1, 1, 1]  # the half with conditions alone


def control_question(networks):
    """Something to ask the control network, on DEVICE."""
    code = torch.zeros(1, native.CODES[-1]).to(DEVICE)
    return torch.zeros(1, 3, 128, 128).to(DEVICE), networks.control.code_tokens(code)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_memory_of_the_encoders_is_given_back():
    networks = random_networks("x1", Control.CNTRL2)
    networks.settle("cuda", torch.float32)
    before = torch.cuda.memory_allocated()
    with networks.on_device(*VISITORS):
        assert torch.cuda.memory_allocated() > before
    assert torch.cuda.memory_allocated() == before
