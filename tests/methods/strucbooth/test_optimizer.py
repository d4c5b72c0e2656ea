"""The fused optimizer against AdamW as its paper writes it."""

from __future__ import annotations

import numpy as np
import torch

from portraitbench.methods.strucbooth.optimizer import make_optimizer

RATE, DECAY, BETAS, EPS = 1e-2, 1e-2, (0.9, 0.999), 1e-8


def by_hand(start, gradients):
    """Loshchilov and Hutter (2019), algorithm 2, with torch's default constants."""
    weight, first, second = start.copy(), 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
        corrected = first / (1 - BETAS[0] ** step), second / (1 - BETAS[1] ** step)
        weight = weight - RATE * DECAY * weight - RATE * corrected[0] / (np.sqrt(corrected[1]) + EPS)
    return weight


def test_steps_are_those_of_adamw():
    rng = np.random.default_rng(3)
    starts = [rng.normal(size=shape) for shape in ((4, 3), (2, 3, 3, 3))]
    gradients = [[rng.normal(size=start.shape) for _ in range(7)] for start in starts]
    parameters = [torch.nn.Parameter(torch.tensor(start, dtype=torch.float32)) for start in starts]
    optimizer = make_optimizer(parameters, RATE)
    for step in range(7):
        for parameter, own in zip(parameters, gradients, strict=True):
            parameter.grad = torch.tensor(own[step], dtype=torch.float32)
        optimizer.step()
    for parameter, start, own in zip(parameters, starts, gradients, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), by_hand(start, own), rtol=0, atol=2e-6)
