"""Tunings shared through the cache: the weights are those of a tuning of its own, whatever lies in the cache."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from portraitbench.core.errors import DivergedError
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.observer import Observer
from portraitbench.methods.base import Inputs, MethodContext
from portraitbench.methods.phases import COSTS
from portraitbench.methods.strucbooth.tuner import StrucBooth

FAST = {"regions": "mouth", "lora_targets": r".*to_q", "learning_rate": 1e-2}


def tuned(context, generator, inputs, **options):
    """The weights at the end of a tuning, its detail, and the picture."""
    tuner = StrucBooth(FAST | {"snapshots": options["steps"]} | options, context)
    conditions = generator.condition(inputs)
    with tuner.tune(generator, conditions, inputs) as own:
        picture = own.sample(conditions, seed=inputs.seed).clip.frames
        return own.snapshots[options["steps"]], dict(own.detail), picture


def files(context):
    return sorted((context.cache / "tunings").rglob("*.safetensors"))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def results(detail):
    """What is not a wall time."""
    return {name: value for name, value in detail.items() if not name.startswith(COSTS)}


def without(detail, *names):
    return {key: value for key, value in detail.items() if key not in names}


@pytest.mark.parametrize("kind", ["epsilon", "flow"])
def test_a_row_takes_from_a_longer_tuning_exactly_what_its_own_would_give(kind, tiny, context, case):
    generator, inputs = tiny(kind), case(frames=2)
    own = {steps: tuned(context, generator, inputs, steps=steps) for steps in (1, 2, 4)}
    assert not files(context)  # off unless asked for
    assert not same(own[1][0], own[2][0])
    calls = generator.denoised
    long = tuned(context, generator, inputs, steps=4, snapshots="1+2+4", reuse=True)
    assert [path.name for path in files(context)] == [f"step-00000{step}.safetensors" for step in (1, 2, 4)]
    assert generator.denoised == calls + 4
    assert long[1]["tuning_reused"] == 0
    for steps in (1, 2, 4):
        weights, detail, picture = tuned(context, generator, inputs, steps=steps, reuse=True)
        assert generator.denoised == calls + 4  # not a step more
        assert same(weights, own[steps][0])
        assert np.array_equal(picture, own[steps][2])
        assert detail["tuning_reused"] == 1
        assert results(without(detail, "tuning_reused")) == results(own[steps][1])
        assert len(json.loads(detail["ldm_trace"])) == steps


def test_a_snapshot_that_is_missing_is_computed(tiny, context, case):
    generator, inputs = tiny(), case()
    tuned(context, generator, inputs, steps=3, snapshots="1+3", reuse=True)
    own = tuned(context, generator, inputs, steps=2)[0]
    found = tuned(context, generator, inputs, steps=2, reuse=True)
    assert same(found[0], own)
    assert found[1]["tuning_reused"] == 0
    assert tuned(context, generator, inputs, steps=2, reuse=True)[1]["tuning_reused"] == 1


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def foreign(path):
    save_file({"weight": torch.ones(2)}, path)


def other_step(path):
    """Whole and sealed, but of another number of steps."""
    shutil.copy(path.with_name("step-000001.safetensors"), path)


def test_a_generator_whose_samplings_build_on_the_first_is_told_before_a_reused_tuning(tiny, context, case):
    """The tuner has no need of the first sampling then; the generator may have, and without adapters."""
    generator, inputs, told = tiny(), case(), []
    generator.prime = lambda conditions, *, seed: told.append((conditions, seed, lora_layers(generator.denoiser)))
    tuner = StrucBooth(FAST | {"steps": 1, "reuse": True}, context)
    conditions = generator.condition(inputs)
    base = generator.sample(conditions, seed=inputs.seed)
    for known, expected in ((None, []), (None, [(conditions, inputs.seed, 0)]), (base, [])):
        with tuner.tune(generator, conditions, inputs, base=known):
            assert lora_layers(generator.denoiser) > 0
        assert told == expected
        told.clear()


def lora_layers(module):
    return sum("lora_A" in name for name, _ in module.named_modules())


@pytest.mark.parametrize("harm", [cut, flip, empty, foreign, other_step])
def test_a_damaged_or_stale_file_is_tuned_again_and_mended(harm, tiny, context, case):
    generator, inputs = tiny(), case()
    right = tuned(context, generator, inputs, steps=2, snapshots="1+2", reuse=True)[0]
    path = files(context)[1]
    harm(path)
    again = tuned(context, generator, inputs, steps=2, reuse=True)
    assert same(again[0], right)
    assert again[1]["tuning_reused"] == 0
    repaired = tuned(context, generator, inputs, steps=2, reuse=True)
    assert repaired[1]["tuning_reused"] == 1
    assert same(repaired[0], right)
    assert [one for one in path.parent.iterdir() if one.suffix != ".safetensors"] == []


def test_a_file_moved_from_another_case_is_not_taken(tiny, context, case):
    generator = tiny()
    tuned(context, generator, case(seed=1), steps=1, reuse=True)
    other = files(context)[0]
    right = tuned(context, generator, case(seed=2), steps=1, reuse=True)[0]
    own = next(path for path in files(context) if path != other)
    shutil.copy(other, own)
    again = tuned(context, generator, case(seed=2), steps=1, reuse=True)
    assert again[1]["tuning_reused"] == 0
    assert same(again[0], right)


DECISIVE = [
    {"gradient_weight": 0.5},
    {"identity_weight": 0},
    {"learning_rate": 2e-2},
    {"rank": 2},
    {"decoding": "global"},
    {"timesteps": "0.5+1.0"},
    {"lora_targets": r".*to_k"},
]


def test_whatever_decides_the_weights_leads_to_a_tuning_of_its_own(tiny, context, case):
    generator, inputs = tiny(), case()
    clip = inputs.driving
    pixel = clip.frames.copy()
    pixel[0, 0, 0, 0] ^= 1

    def reused(own=generator, given=inputs, where=context, **options):
        return tuned(where, own, given, steps=1, reuse=True, **options)[1]["tuning_reused"]

    assert reused() == 0
    assert reused(window=0.8) == 1  # decides the sampling only
    assert reused(trace=3) == 1
    for options in DECISIVE:
        assert reused(**options) == 0, options
    assert reused(own=tiny(steps=4)) == 0  # another revision of the generator
    assert reused(own=tiny("v")) == 0
    assert reused(given=Inputs("one", inputs.identity, inputs.driving, inputs.seed + 1)) == 0
    assert reused(given=Inputs("two", inputs.identity, inputs.driving, inputs.seed)) == 0
    assert reused(given=Inputs("one", inputs.identity, Clip(pixel, clip.fps), inputs.seed)) == 0
    assert reused(given=Inputs("one", Clip(pixel, clip.fps), inputs.driving, inputs.seed)) == 0
    assert reused(given=Inputs("one", inputs.identity, Clip(clip.frames, clip.fps * 2), inputs.seed)) == 0
    face = BACKENDS.get("tiny")({})
    face.info = type(face.info)("tiny", "2", "none", "ours", "cpu", face.info.grade)
    newer = MethodContext(lambda: Observer([face]), device="cpu", cache=context.cache)
    assert reused(where=newer) == 0
    assert reused() == 1


def test_regions_driven_by_other_clips_have_tunings_of_their_own(tiny, context, case):
    generator, inputs = tiny(), case()
    tuner = StrucBooth(FAST | {"steps": 1, "reuse": True}, context)
    reused = []
    for guides in ({}, {"mouth": case(seed=4).driving}, {"mouth": case(seed=5).driving}, {}):
        given = replace(inputs, guides=guides)
        with tuner.tune(generator, generator.condition(given), given) as own:
            reused.append(own.detail["tuning_reused"])
    assert reused == [0, 0, 0, 1]


def test_a_tuning_that_breaks_off_leaves_its_earlier_snapshots(tiny, context, case):
    """As a kill does: what was written is whole and right, what was not is tuned again."""
    inputs = case()
    right = tuned(context, tiny(), inputs, steps=2)[0]
    generator, calls = tiny(), []
    denoise = generator.denoise

    def breaks(*given):
        calls.append(1)
        return denoise(*given) * (float("nan") if len(calls) == 4 else 1.0)

    generator.denoise = breaks
    with pytest.raises(DivergedError):
        tuned(context, generator, inputs, steps=5, snapshots="2+5", reuse=True)
    assert [path.name for path in files(context)] == ["step-000002.safetensors"]
    weights, detail, _ = tuned(context, tiny(), inputs, steps=2, reuse=True)
    assert detail["tuning_reused"] == 1
    assert same(weights, right)
    with safe_open(files(context)[0], framework="pt") as file:
        assert len(json.loads(file.metadata()["about"])["losses"]["ldm"]) == 2
