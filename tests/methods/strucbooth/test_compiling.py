"""Compiled denoisers: the code that a run's first case compiles serves those that follow, and changes no result."""

from __future__ import annotations

import pytest
import torch

from portraitbench.methods.strucbooth.tuner import StrucBooth

FAST = {"steps": 3, "learning_rate": 1e-2, "regions": "mouth", "identity_weight": 0}


@pytest.fixture
def compiled(monkeypatch):
    """Graphs that were handed to the compiler; they run as they are, so that none takes long."""
    graphs, plain = [], torch.compile

    def backend(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", lambda call: plain(call, backend=backend))
    yield graphs
    torch._dynamo.reset()


def test_the_second_case_of_a_run_compiles_nothing_and_gets_its_own_result(tiny, context, case, compiled):
    generator = tiny()

    def weights(seed, **options):
        inputs = case(seed=seed)
        conditions = generator.condition(inputs)
        base = generator.sample(conditions, seed=inputs.seed)
        with StrucBooth(FAST | options, context).tune(generator, conditions, inputs, base=base) as tuned:
            return tuned._lora.state()

    expected = [weights(seed) for seed in (11, 12)]
    assert compiled == []
    for seed, own in zip((11, 12), expected, strict=True):
        found = weights(seed, compile=True)
        assert found.keys() == own.keys()
        for name, weight in own.items():
            torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-6, msg=name)
        assert len(compiled) == 1
    assert any(not torch.equal(expected[0][name], expected[1][name]) for name in expected[0])
