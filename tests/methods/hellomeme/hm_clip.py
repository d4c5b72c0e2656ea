"""Clips sampled with networks that answer in closed form and note what they are asked."""

from __future__ import annotations

import torch

from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.conditions import Conditions
from portraitbench.methods.hellomeme.feature_maps import Maps
from portraitbench.methods.hellomeme.samplers import CaseSampler
from portraitbench.methods.hellomeme.schedule import Sampling


class Recorder:
    """Networks whose features are the latents themselves, and which note what they are asked."""

    device = torch.device("cpu")

    def __init__(self):
        self.asked = []
        self.keyframes, self.clip = Asked(self, "keyframes"), Asked(self, "clip")


class Asked:
    def __init__(self, owner, name):
        self._owner, self._name = owner, name

    def __call__(self, latents, t, text, given):
        rows = given.control.up[0][1, :, 0, 0, 0].tolist()
        pads = None if given.pads is None else given.pads.up[0][1, :, 0, 0, 0].tolist()
        self._owner.asked.append((self._name, rows, pads, latents[1, :, 0, 0, 0].tolist()))
        return torch.zeros_like(latents)

    def features(self, latents, text):
        return Maps((), (latents,))


def clip_conditions(rows):
    control = torch.arange(float(rows))[:, None, None, None].expand(-1, 4, 1, 1)
    return Conditions(
        text=torch.zeros(2, 1, 1),
        reference=Maps((), ()),
        control=Maps((), (control,)),
        idle=Maps((), (control[:1],)),
        canvas=Clip(torch.zeros(rows, 8, 8, 3, dtype=torch.uint8).numpy()),
        shown=tuple(range(rows)),
        cells=1,
    )


def run_clip(rows, pads=None, steps=1):
    networks = Recorder()
    sampling = Sampling("dpm-sde", steps, 1.5, torch.Generator().manual_seed(0))
    sampler = CaseSampler(networks, clip_conditions(rows), sampling, pads)
    noise = torch.arange(float(rows + 13))[:, None, None, None].expand(-1, 4, 1, 1).clone()
    latents = sampler.sample_clip(noise)
    return networks.asked, sampler.pads, latents
