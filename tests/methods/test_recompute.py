"""Recomputed activations give the same gradients, and nobody asks for the state of random numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from portraitbench.methods.recompute import recompute


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4))


def gradients(network, call):
    given = torch.linspace(-1, 1, 8).reshape(2, 4).requires_grad_()
    network.zero_grad()
    call(network, given).square().sum().backward()
    return [given.grad, *(weight.grad.clone() for weight in network.parameters())]


def test_gradients_are_the_same_and_the_activations_are_made_twice(network):
    calls = []
    network[0].register_forward_hook(lambda *_: calls.append(1))
    plain = gradients(network, lambda module, given: module(given))
    assert len(calls) == 1
    again = gradients(network, recompute)
    assert len(calls) == 3
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))


def test_the_state_of_random_numbers_is_not_read(network, monkeypatch):
    monkeypatch.setattr(torch, "get_rng_state", lambda: pytest.fail("the state of random numbers was read"))
    gradients(network, recompute)
