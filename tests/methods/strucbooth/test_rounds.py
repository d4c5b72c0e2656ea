"""Rounds beyond the first: what they start from, and that one round is what it always was."""

from __future__ import annotations

import numpy as np
import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.methods.strucbooth import tuner as tuner_module
from portraitbench.methods.strucbooth.tuner import StrucBooth

OPTIONS = {"steps": 3, "learning_rate": 1e-2, "regions": "mouth", "identity_weight": 0, "window": 0.6}


def tuned(context, generator, inputs, **options):
    """Weights, detail and frames of a tuning."""
    with StrucBooth({**OPTIONS, **options}, context).tune(generator, generator.condition(inputs), inputs) as made:
        sampled = made.sample(generator.condition(inputs), seed=inputs.seed)
        return made._lora.state(), sampled.detail, sampled.clip.frames


def test_a_second_round_starts_from_what_the_first_one_makes(tiny, context, case, monkeypatch):
    generator, inputs = tiny("epsilon"), case()
    _, _, first = tuned(context, generator, inputs)
    starts, prepare = [], tuner_module.prepare

    def watched(*args, base=None, **kwargs):
        starts.append(base)
        return prepare(*args, base=base, **kwargs)

    monkeypatch.setattr(tuner_module, "prepare", watched)
    before = generator.probe()
    weights, detail, second = tuned(context, generator, inputs, rounds=2)
    assert starts[0] is None
    assert [np.array_equal(start.clip.frames, first) for start in starts[1:]] == [True]
    assert detail["tuned_steps"] == 6
    assert generator.probe() == before
    alone, _, _ = tuned(context, generator, inputs)
    assert any(not np.array_equal(weights[name], alone[name]) for name in alone)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("also", [{"reuse": True}, {"snapshots": "1+2"}])
def test_kept_weights_belong_to_one_round(also, tiny, context, case):
    with pytest.raises(ConfigError, match="rounds: weights between steps are kept of a single round only: rounds=1"):
        tuned(context, tiny("epsilon"), case(), rounds=2, **also)
