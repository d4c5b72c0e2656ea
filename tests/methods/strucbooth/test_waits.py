"""How often a tuning waits for its device: counted in operations, since there is no graphics card here."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from safetensors import safe_open
from waits import Waits

from portraitbench.faces.alignment import ARCFACE_SIZE
from portraitbench.faces.networks.arcface import DifferentiableArcFace
from portraitbench.methods.phases import COSTS
from portraitbench.methods.strucbooth import tuner as tuner_module
from portraitbench.methods.strucbooth.config import StrucBoothConfig
from portraitbench.methods.strucbooth.objective import TuningObjective, read
from portraitbench.methods.strucbooth.targets import prepare
from portraitbench.methods.strucbooth.tuner import StrucBooth

FAST = {"steps": 10, "regions": "mouth", "lora_targets": r".*to_q", "learning_rate": 1e-2}


def test_the_counter_sees_what_waits():
    with Waits() as waits:
        values = torch.tensor([1.0, 2.0])
        assert values.sum() > 2
        _ = values[[0, 1]]
        _ = values[values > 1]
    assert waits.counts == {"lift_fresh": 2, "_local_scalar_dense": 1, "mask": 1}


@pytest.mark.parametrize("frames", [1, 5])
def test_a_step_waits_for_the_device_where_its_losses_are_read_and_nowhere_else(
    tiny, context, case, monkeypatch, frames
):
    generator, inputs = tiny(), case(frames)
    conditions = generator.condition(inputs)
    config = StrucBooth({"segment": 3}, context).config_for(generator)
    embedder = context.observer.backends[0].embedder
    guide = prepare(generator, conditions, inputs, config, context.observer, embedder=embedder)
    parameter = generator.denoiser.conv_in.weight.requires_grad_(True)
    own = TuningObjective(generator, conditions, guide, config, 3)
    own.add_gradients([parameter])  # constants are made once
    draw = own.draw()  # what is drawn, is drawn on the processor
    monkeypatch.setattr(own, "draw", lambda: draw)
    chosen = generator.select(conditions, draw.frames)  # the toy takes rows by a list
    monkeypatch.setattr(generator, "select", lambda given, rows: chosen)
    with Waits() as waits:
        losses = own.add_gradients([parameter])
    found = next(read([losses]))
    assert set(found) == {"ldm", "gradient", "identity"}
    assert +waits.counts == Counter()


def test_frames_are_selected_anew_when_a_step_looks_at_others_and_only_then(tiny, context, case, monkeypatch):
    generator, inputs = tiny(), case(5)
    conditions = generator.condition(inputs)
    config = StrucBooth({"segment": 2}, context).config_for(generator)
    embedder = context.observer.backends[0].embedder
    guide = prepare(generator, conditions, inputs, config, context.observer, embedder=embedder)
    parameter = generator.denoiser.conv_in.weight.requires_grad_(True)
    own, select, asked, looked = TuningObjective(generator, conditions, guide, config, 3), generator.select, [], []
    monkeypatch.setattr(generator, "select", lambda given, frames: asked.append(frames) or select(given, frames))
    draw = own.draw

    def noted():
        drawn = draw()
        looked.append([guide.frames[row] for row in drawn.frames])
        return drawn

    monkeypatch.setattr(own, "draw", noted)
    for _ in range(12):
        own.add_gradients([parameter])
    changes = [frames for frames, before in zip(looked, [None, *looked], strict=False) if frames != before]
    assert asked == changes
    assert 1 < len(changes) < 12


@pytest.mark.parametrize("accumulate", [1, 2])
def test_losses_read_every_few_steps_are_those_of_every_step(tiny, context, case, monkeypatch, accumulate):
    root, told = context.cache, []
    context.progress = lambda *step: told.append(step)
    options = FAST | {"accumulate": accumulate, "snapshots": "6", "reuse": True}
    reads = []
    monkeypatch.setattr(tuner_module, "read", lambda draws: reads.append(len(draws)) or read(draws))

    def tuned(every, cache):
        monkeypatch.setattr(tuner_module, "_READ_EVERY", {"cpu": every})
        monkeypatch.setattr(context, "cache", cache)
        told.clear()
        reads.clear()
        generator, inputs = tiny(), case(frames=3)
        with StrucBooth(options, context).tune(generator, generator.condition(inputs), inputs) as own:
            detail = {name: value for name, value in own.detail.items() if not name.startswith(COSTS)}
        return detail, list(told), list(reads)

    one = tuned(1, root / "one")
    many = tuned(4, root / "many")
    assert many[:2] == one[:2]
    assert one[2] == [accumulate] * 10
    # After 4 steps, at the snapshot of step 6, after 8, and at the end.
    assert many[2] == [accumulate * steps for steps in (4, 2, 2, 2)]
    files = [[content(path) for path in sorted((root / name).rglob("*.safetensors"))] for name in ("one", "many")]
    assert len(files[0]) == 2
    assert files[0] == files[1]


def content(path):
    """Metadata and weights of a file; the former stand in it in any order."""
    with safe_open(path, framework="np") as file:
        return file.metadata(), {name: file.get_tensor(name).tolist() for name in file.keys()}  # noqa: SIM118


def test_an_identity_network_reads_no_pixel_of_frames_that_are_trained_on():
    network = DifferentiableArcFace.__new__(DifferentiableArcFace)
    torch.nn.Module.__init__(network)
    network.mean, network.std, network.network = 0.0, 1.0, torch.nn.Flatten()
    frames = torch.full((1, 3, ARCFACE_SIZE, ARCFACE_SIZE), 3.0)
    with pytest.raises(ValueError, match=r"frames must be in \[-1, 1\]"):
        network(frames, [np.eye(3)])
    with Waits() as waits:
        network((frames / 4).requires_grad_(), [np.eye(3)])
    assert waits.counts["_local_scalar_dense"] == 0


def test_on_a_card_losses_are_read_every_tenth_step_and_elsewhere_at_every_step():
    assert tuner_module._READ_EVERY == {"cuda": 10}
    assert StrucBoothConfig().steps in StrucBoothConfig().kept_steps  # the last step is always read
