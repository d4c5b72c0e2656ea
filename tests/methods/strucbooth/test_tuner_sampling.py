"""Sampling with what was tuned: for which steps the adapters are on, and the files they are saved to."""

from __future__ import annotations

import numpy as np
import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.methods.strucbooth.tuner import StrucBooth

KINDS = ["epsilon", "v", "flow", "edm"]
FAST = {"steps": 2, "regions": "mouth", "lora_targets": r".*to_q"}


@pytest.mark.parametrize("steps", [3, 25])
def test_adapters_are_on_for_the_first_two_fifths_of_sampling(tiny, context, case, steps):
    generator, inputs = tiny(steps=steps), case()
    conditions = generator.condition(inputs)
    with StrucBooth(FAST, context).tune(generator, conditions, inputs) as tuned:
        detail = tuned.sample(conditions, seed=1).detail
    assert (detail["sampling_steps"], detail["lora_steps"]) == (steps, {3: 1, 25: 10}[steps])


def test_adapters_are_on_again_after_sampling(tiny, context, case):
    generator, inputs = tiny(), case()
    before, conditions = generator.probe(), generator.condition(inputs)
    with StrucBooth(FAST | {"learning_rate": 0.1}, context).tune(generator, conditions, inputs) as tuned:
        on = generator.probe()
        tuned.sample(conditions, seed=1)
        assert generator.probe() == on != before


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_may_be_a_noise_level(kind, tiny, context, case):
    generator, inputs = tiny(kind, steps=9), case()
    conditions = generator.condition(inputs)
    path = generator.parameterization
    levels = path.log_snr(path.sampling_times(9)[:-1])
    options = FAST | {"window_log_snr": float(levels[3:5].mean())}
    with StrucBooth(options, context).tune(generator, conditions, inputs) as tuned:
        assert tuned.sample(conditions, seed=1).detail["lora_steps"] == 4


def test_the_window_may_be_given_as_noise_over_signal(tiny, context, case):
    generator, inputs = tiny("edm", steps=9), case()
    conditions, levels = generator.condition(inputs), generator.parameterization.sampling_times(9)
    options = FAST | {"window_sigma": float(levels[3:5].mean())}
    with StrucBooth(options, context).tune(generator, conditions, inputs) as tuned:
        assert tuned.sample(conditions, seed=1).detail["lora_steps"] == 4
    with pytest.raises(ConfigError, match="give one"):
        StrucBooth(options | {"window_log_snr": 0.0}, context)


def test_a_window_of_nothing_is_the_generator_itself(tiny, context, case):
    generator, inputs = tiny(), case()
    conditions = generator.condition(inputs)
    with StrucBooth(FAST | {"window": 0.0, "learning_rate": 1.0}, context).tune(generator, conditions, inputs) as tuned:
        off = tuned.sample(conditions, seed=3).clip.frames
    assert np.array_equal(off, generator.sample(conditions, seed=3).clip.frames)


def test_a_generator_that_does_not_tell_its_steps_is_found_out(tiny, context, case, monkeypatch):
    generator, inputs = tiny(), case()
    conditions, sample = generator.condition(inputs), generator.sample
    monkeypatch.setattr(generator, "sample", lambda conditions, *, seed, on_step=None: sample(conditions, seed=seed))
    with (
        pytest.raises(RuntimeError, match="on_step"),
        StrucBooth(FAST, context).tune(generator, conditions, inputs) as tuned,
    ):
        tuned.sample(conditions, seed=1)


def test_weights_are_saved_with_their_snapshots_and_diffusers_loads_them(tiny, context, case, tmp_path):
    generator, inputs = tiny(), case()
    options = FAST | {"steps": 3, "snapshots": "1+3", "save": str(tmp_path / "lora"), "learning_rate": 0.1}
    with StrucBooth(options, context).tune(generator, generator.condition(inputs), inputs):
        tuned = generator.probe()
    names = ["one.safetensors", "one.step-000001.safetensors", "one.step-000003.safetensors"]
    assert sorted(path.name for path in (tmp_path / "lora").iterdir()) == names
    other = tiny()
    assert other.probe() != tuned
    other.denoiser.load_lora_adapter(str(tmp_path / "lora"), weight_name=names[0], prefix="unet")
    assert other.probe() == tuned
