"""A clip is tuned from the output that was kept of it, to the last bit as if it were sampled once more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from portraitbench.harness.stages.base_output import BaseOutput, save_state
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned_method import TunedMethod


def part(folder, made):
    """What a sampling left, written and read as a run does it."""
    from pathlib import Path

    state = BaseOutput(None, None, save_state(folder, Path("outputs/one"), made.state)).state
    from safetensors.torch import load_file

    return replace(made, state=load_file(folder / state["path"]))


def tuned(make_generator, case, base, **options):
    generator = make_generator(**options)
    sampled = []
    original = generator.sample
    generator.sample = lambda *a, **k: sampled.append("on_step" in k) or original(*a, **k)
    tuner = StrucBooth({"steps": 1, "learning_rate": 1e-2}, make_generator.context)
    return TunedMethod(generator, tuner).animate(case, base=base), sampled


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"fresh_pads": False}], ids=str)
def test_a_clip_tuned_from_its_kept_output_is_the_same_to_the_last_bit(make_generator, make_inputs, tmp_path, options):
    case = make_inputs(3)
    base = make_generator(**options).animate(case)
    assert base.state.keys() == {"latents", "keyframes", "keyframe_rows"}
    once, sampled = tuned(make_generator, case, part(tmp_path, base), **options)
    assert sampled == [True]
    twice, sampled = tuned(make_generator, case, None, **options)
    assert sampled == [False, True]
    assert np.array_equal(once.clip.frames, twice.clip.frames)
    assert [once.detail["base_shared"], twice.detail["base_shared"]] == [1, 0]
    assert not once.state  # a tuned sampling leaves nothing for others
    losses = [name for name in once.detail if name.endswith("_last")]
    assert losses
    assert [once.detail[name] for name in losses] == [twice.detail[name] for name in losses]


def test_conditions_are_as_the_first_sampling_left_them(make_generator, make_inputs):
    generator, case = make_generator(), make_inputs(2)
    left = generator.condition(case)
    base = generator.sample(left, seed=case.seed)
    fresh = generator.condition(case)
    assert generator.resume(fresh, base)
    assert torch.equal(fresh.latents, left.latents)
    assert fresh.pads.keys() == left.pads.keys() == {0, 1}
    for row, maps in left.pads.items():
        assert all(torch.equal(a, b) for a, b in zip(maps.up, fresh.pads[row].up, strict=True))
    without = replace(base, state={})
    assert not generator.resume(generator.condition(case), without)


def test_an_image_needs_its_frame_alone(make_generator, make_inputs):
    generator, case = make_generator(), make_inputs(1)
    base = generator.animate(case)
    assert base.state == {}
    assert generator.resume(generator.condition(case), base)
