"""What the tuner's settings do, whose go first, and which are refused."""

from __future__ import annotations

import pytest
import torch

from portraitbench.core.errors import ConfigError
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned_method import TunedMethod

FAST = {"steps": 2, "regions": "mouth", "lora_targets": r".*to_q"}


def weights(tuner, generator, inputs, step):
    with tuner.tune(generator, generator.condition(inputs), inputs) as tuned:
        return tuned.snapshots[step]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_seed_alone_decides_and_a_snapshot_is_a_shorter_tuning(tiny, context, case):
    generator, options = tiny(), FAST | {"steps": 4, "snapshots": "2+4"}
    inputs = case(frames=3)
    first = weights(StrucBooth(options, context), generator, inputs, 4)
    torch.rand(5)
    other = weights(StrucBooth(options, context), generator, case(seed=5), 4)
    assert same(first, weights(StrucBooth(options, context), generator, inputs, 4))
    assert not same(first, other)
    longer = weights(StrucBooth(options, context), generator, inputs, 2)
    assert same(longer, weights(StrucBooth(options | {"steps": 2, "snapshots": 2}, context), generator, inputs, 2))


CHANGES = [
    {"gradient_weight": 0},
    {"identity_weight": 0},
    {"ldm_weight": 0},
    {"gradient_weight": 0, "identity_weight": 0},
    {"decoding": "global"},
    {"halo": 1},
    {"boxes": "anchored"},
    {"weighting": "norm"},
    {"eps": 0.1},
    {"flat": 0.5},
    {"grow": 0.0},
    {"timesteps": "0.6+1.0"},
    {"accumulate": 2},
    {"segment": 1},
    {"frames": 1},
    {"rank": 2},
    {"learning_rate": 1e-2},
    {"precision": "bf16"},
    {"regions": "mouth+nose"},
]


def test_every_setting_changes_the_weights(tiny, context, case):
    generator, inputs = tiny("v"), case(frames=2)
    options = FAST | {"snapshots": 2}
    plain = weights(StrucBooth(options, context), generator, inputs, 2)
    idle = []
    for changed in CHANGES:
        own = weights(StrucBooth(options | changed, context), generator, inputs, 2)
        assert all(bool(weight.isfinite().all()) for weight in own.values())
        if same(own, plain):
            idle.append(changed)
    assert idle == []


def test_recomputing_activations_changes_nothing_but_memory(tiny, context, case):
    generator, inputs, options = tiny(), case(), FAST | {"snapshots": 2}
    plain = weights(StrucBooth(options, context), generator, inputs, 2)
    again = weights(StrucBooth(options | {"checkpointing": True}, context), generator, inputs, 2)
    assert plain.keys() == again.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-5, atol=1e-7)
    assert not generator.denoiser.is_gradient_checkpointing


def test_half_precision_is_for_the_networks_only(tiny, context, case, monkeypatch):
    generator, inputs = tiny("v"), case()
    seen = []

    def spy(name):
        own = getattr(generator, name)
        monkeypatch.setattr(
            generator, name, lambda *a: seen.append((name, torch.is_autocast_enabled("cpu"))) or own(*a)
        )

    spy("denoise")
    spy("decode")
    embedder = context.observer.backends[0].embedder
    embed = embedder.embed
    embedder.embed = lambda frames, landmarks: seen.append(("embed", frames.dtype)) or embed(frames, landmarks)
    weights(StrucBooth(FAST | {"precision": "bf16", "snapshots": 2}, context), generator, inputs, 2)
    assert {on for name, on in seen if name == "denoise"} == {True}
    assert ("decode", True) in seen
    assert {dtype for name, dtype in seen if name == "embed"} == {torch.float32}


def test_a_generator_in_half_precision_is_refused_in_one_line(tiny, context, case):
    """Small gradients are zero in fp16, and nothing scales the loss."""
    generator, inputs = tiny(), case()
    conditions = generator.condition(inputs)
    base = generator.sample(conditions, seed=inputs.seed)
    generator.denoiser.half()
    with (
        pytest.raises(ConfigError, match=r"precision=bf16 or fp32") as refused,
        StrucBooth(FAST, context).tune(generator, conditions, inputs, base=base),
    ):
        pass
    assert "\n" not in str(refused.value)


def test_compiling_is_asked_for_and_undone(tiny, context, case, monkeypatch):
    generator, inputs = tiny(), case()
    calls = []
    monkeypatch.setattr(torch, "compile", lambda call: calls.append(call) or call)
    weights(StrucBooth(FAST | {"compile": True, "snapshots": 2}, context), generator, inputs, 2)
    assert len(calls) == 1
    assert generator.denoiser._compiled_call_impl is None


def test_the_users_options_go_before_the_generators_before_the_papers(tiny, context):
    generator = tiny()
    assert StrucBooth({}, context).config_for(generator).steps == 3
    config = StrucBooth({"steps": 7}, context).config_for(generator)
    assert (config.steps, config.learning_rate, config.gradient_weight) == (7, 1e-3, 0.1)


def test_the_defaults_are_the_papers(context):
    own = StrucBooth({}, context)._own
    paper = {"steps": 800, "learning_rate": 2e-5, "rank": 8, "ldm_weight": 1.0, "gradient_weight": 0.1}
    paper |= {"identity_weight": 0.1, "window": 10 / 25, "timesteps": (0.0, 1.0), "grow_pixels": (5.0, 25.0)}
    assert {name: getattr(own, name) for name in paper} == paper
    assert (own.decoding, own.boxes, own.weighting, own.lora_targets) == ("patch", "tight", "uniform", None)


def test_the_revision_follows_options_and_the_generators_changes(tiny, context):
    revisions = {StrucBooth(options, context).revision for options in ({}, {"steps": 800}, {"steps": 9}, {"eps": 0.1})}
    assert len(revisions) == 4  # steps=800 said by the user goes before the generator's own, so it is another job
    assert StrucBooth({}, context).revision == StrucBooth({}, context).revision
    generator = tiny()
    first = TunedMethod(generator, StrucBooth({}, context)).revision
    generator.tuner_defaults = {"strucbooth": {"steps": 4}}
    assert TunedMethod(generator, StrucBooth({}, context)).revision != first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": "mouth+ear"}, "not ear"),
        ({"timesteps": "0.9+0.1"}, "timesteps"),
        ({"snapshots": "900"}, "snapshots"),
        ({"grow_pixels": "9+3"}, "grow_pixels"),
        ({"steps": -1}, "steps"),
        ({"rang": 3}, "rang"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(context, options, message):
    with pytest.raises(ConfigError, match=message) as refused:
        StrucBooth(options, context)
    assert "\n" not in str(refused.value)
