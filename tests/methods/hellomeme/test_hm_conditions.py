"""What is computed from a case once: maps of the control network, and of nothing; the reference's features."""

from __future__ import annotations

import pytest
import torch
from hm_case import inputs

from portraitbench.methods.hellomeme.conditions import read_features
from portraitbench.methods.hellomeme.dry_run_faces import dry_run_models
from portraitbench.methods.hellomeme.face_tools import OnnxTools
from portraitbench.methods.hellomeme.feature_maps import Maps
from portraitbench.methods.hellomeme.inputs import Control, FaceSettings
from portraitbench.methods.hellomeme.networks import CHUNK


def prepared(case, control=Control.CNTRL2):
    tools = OnnxTools(FaceSettings(control, side=128), dry_run_models(control))
    return tools.prepare(case.identity, case.driving)


@pytest.fixture
def given(make_inputs):
    """Ten frames: more than one chunk."""
    return prepared(make_inputs(10))


def test_nothing_is_a_black_heat_map_with_codes_of_zero(random_tiny, given):
    idle = random_tiny.idle_maps(given)
    net = random_tiny.control
    with torch.no_grad():
        tokens = net.code_tokens(torch.zeros(1, 548))
        black, gray = net(torch.full((1, 3, 128, 128), -1.0), tokens), net(torch.zeros(1, 3, 128, 128), tokens)
    assert all(torch.equal(own, other) for own, other in zip(idle.up, black.up, strict=True))
    assert not torch.allclose(idle.up[3], gray.up[3], rtol=1e-3)


def test_frames_are_encoded_one_by_one_whatever_the_chunks(random_tiny, given):
    assert len(given.condition) > CHUNK
    maps = random_tiny.control_maps(given)
    net = random_tiny.control
    with torch.no_grad():
        last = net(given.condition[9:], net.code_tokens(random_tiny.expression(given.expression_faces[9:])))
    for own, other in zip((*maps.down, *maps.up), (*last.down, *last.up), strict=True):
        assert len(own) == 10
        assert torch.allclose(own[9:], other, atol=1e-4 * float(other.abs().max()))


def test_what_is_the_same_for_all_cases_is_computed_once(make_inputs, monkeypatch):
    from portraitbench.methods.hellomeme import face_tools as module
    from portraitbench.methods.hellomeme.conditions import compute_conditions
    from portraitbench.methods.hellomeme.dry_run import random_networks

    networks, tools = (
        random_networks("x1", Control.CNTRL2),
        OnnxTools(FaceSettings(side=128), dry_run_models(Control.CNTRL2)),
    )
    asked, followed, words, follow = [], [], networks.words, module.follow_largest
    networks.words = lambda texts: asked.append(texts) or words(texts)
    monkeypatch.setattr(module, "follow_largest", lambda *given: followed.append(given[-1]) or follow(*given))

    def conditions(case):
        read = tools.prepare(case.identity, case.driving)
        return compute_conditions(networks, read, "a face", range(2), torch.Generator().manual_seed(0))

    case, other = make_inputs(2), make_inputs(3)  # of one identity, whose driving clips differ
    first, _ = conditions(case), conditions(other)
    again = conditions(case)
    assert len(asked) == 1
    assert followed == ["the identity image", "the driving clip", "the driving clip"]
    assert torch.equal(first.text, again.text)
    for one, same in zip((*first.control.up, *first.idle.up), (*again.control.up, *again.idle.up), strict=True):
        assert torch.equal(one, same)


def test_features_without_conditions_are_those_of_zeros(random_tiny):
    latents = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(0))
    text = random_tiny.words(["", "a face"])
    both = read_features(random_tiny, latents, text)
    alone = random_tiny.keyframes.features(torch.zeros_like(latents), text[:1])
    for own, other in zip((*both.down, *both.up), (*alone.down, *alone.up), strict=True):
        assert torch.allclose(own[:1], other, atol=1e-4 * float(other.abs().max()))
    assert len(both.down) == len(both.up) == 4


def test_a_drawn_reference_differs_from_the_mode_by_the_seed_alone(random_tiny):
    frames = inputs(1).reference
    mode = random_tiny.encode(frames)
    drawn = [random_tiny.encode(frames, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], mode)
    posterior = random_tiny.encoder.encode(frames).latent_dist
    assert torch.allclose(mode, posterior.mean * random_tiny.encoder.config.scaling_factor)


@pytest.mark.parametrize("control", list(Control))
def test_stand_ins_of_face_networks_are_read_by_the_real_tools(make_inputs, control):
    found = prepared(make_inputs(3), control)
    assert found.control is control
    assert found.canvas.frames.shape == (3, 128, 128, 3)
    assert found.held == ()
    assert float(found.condition.max()) == 1.0
    assert not torch.equal(found.condition[0], found.condition[2])  # the turn follows the driver
    codes = found.expression_faces if control is Control.CNTRL2 else found.coefficients
    assert not torch.equal(codes[0], codes[2])


def test_the_stand_in_face_is_found_where_it_was_put(make_inputs):
    """Detection, then three readings of crops cut by the points of the one before, stay with one face."""
    from portraitbench.methods.hellomeme.face.tracking import follow_largest

    models = dry_run_models(Control.CNTRL2)
    clip = list(make_inputs(3).driving)
    points = follow_largest(clip, models.detect, models.reader, "the clip").points
    assert (points.min(axis=(0, 1)) + points.max(axis=(0, 1))) / 2 == pytest.approx([120, 120])
    sizes = points.max(axis=1) - points.min(axis=1)
    assert sizes.max(axis=1) == pytest.approx(120)  # half of the frame


@pytest.mark.parametrize("with_pads", [False, True])
def test_the_half_with_conditions_is_the_second_and_needs_no_first(with_pads):
    from hm_clip import clip_conditions

    conditions = clip_conditions(5)
    conditions.reference = Maps((), (torch.tensor([1.0, 2.0])[:, None],))
    conditions.idle = Maps((), (torch.full((1, 4, 1, 1), -1.0),))
    pads = Maps((), (torch.tensor([3.0, 4.0])[:, None],)) if with_pads else None
    both = conditions.given([1, 3], pads, torch.device("cpu"))
    assert both.control.up[0][:, :, 0, 0, 0].tolist() == [[-1.0, -1.0], [1.0, 3.0]]
    conditions.idle = None  # it must not be asked for
    half = conditions.given([1, 3], pads, torch.device("cpu"), both=False)
    assert half.control.up[0][:, :, 0, 0, 0].tolist() == [[1.0, 3.0]]
    assert half.reference.up[0].tolist() == [[2.0]]
    assert half.pads.up[0].tolist() == [[4.0]] if with_pads else half.pads is None
