"""How often a step of HelloMeme or HunyuanPortrait waits for its device: counted, since there is no graphics card."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from waits import DEVICE, Crossings, Waits, on_device

from portraitbench.methods.hellomeme import schedule
from portraitbench.methods.hellomeme.samplers import CaseSampler
from portraitbench.profiling.tuning_arms import TuningArm
from portraitbench.profiling.tuning_setting import Setting
from portraitbench.profiling.tuning_subject import TuningSubject

KINDS = pytest.mark.parametrize(
    ("kind", "frames"), [("hellomeme-tiny", 1), ("hellomeme-tiny", 3), ("hunyuanportrait-tiny", 3)]
)


def subject_of(kind, frames):
    return TuningSubject(Setting(kind, None, frames, samples=True))


def one_draw(case, monkeypatch):
    """What is drawn, is drawn on the processor, and does not wait."""
    draw = case.draw()
    monkeypatch.setattr(case, "draw", lambda: draw)
    return draw


@KINDS
def test_no_step_of_a_tuning_reads_a_number_or_sends_a_constant(kind, frames, monkeypatch):
    subject = subject_of(kind, frames)
    with subject.adapters() as lora:
        arm = TuningArm(subject, lora, "patch", identity=True, seed=0)
        one_draw(arm.case, monkeypatch)
        arm.case.add_gradients(lora.parameters)  # what is made once
        for _ in range(2):
            with Waits() as waits:
                arm.case.add_gradients(lora.parameters)
            assert +waits.counts == Counter()


class Attentions(TorchDispatchMode):
    """Counts attention by fused kernels, and softmaxes, which whoever computes attention by hand needs."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).removeprefix("aten._")
        self.counts.update(kind for kind in ("scaled_dot_product_flash", "softmax") if name.startswith(kind))
        return func(*args, **(kwargs or {}))


@KINDS
def test_no_attention_of_a_step_keeps_its_weights(kind, frames):
    subject = subject_of(kind, frames)
    with subject.adapters() as lora:
        arm = TuningArm(subject, lora, "global", identity=False, seed=0)
        with Attentions() as found:
            arm.case.add_gradients(lora.parameters)
    assert found.counts["softmax"] == 0
    assert found.counts["scaled_dot_product_flash"] > 10


def move(subject, lora):
    """Networks, adapters and guides to DEVICE; conditions that grow with a clip stay where they are."""
    networks = subject.generator._networks
    for module in (*networks.modules().values(), subject._embedder):
        nn.Module.to(module, DEVICE)
    subject.generator.place, conditions = DEVICE, subject.conditions
    if hasattr(conditions, "text"):
        conditions.text, conditions.reference, conditions.idle = map(
            on_device, (conditions.text, conditions.reference, conditions.idle)
        )
    subject.latents, subject.patches = on_device(subject.latents), on_device(subject.patches)
    return [parameter for parameter in subject.generator.denoiser.parameters() if parameter.requires_grad]


@pytest.mark.parametrize(
    ("kind", "frames", "sent"),
    [
        ("hellomeme-tiny", 1, 8),
        pytest.param("hellomeme-tiny", 3, 16, marks=pytest.mark.slow),
        pytest.param("hunyuanportrait-tiny", 3, 3, marks=pytest.mark.slow),
    ],
)
def test_steps_that_look_at_the_same_frames_send_and_bring_nothing(kind, frames, sent, monkeypatch):
    subject = subject_of(kind, frames)
    with subject.adapters() as lora:
        parameters = move(subject, lora)
        assert len(parameters) == len(lora.parameters)
        arm = TuningArm(subject, lora, "patch", identity=True, seed=0)
        draw = one_draw(arm.case, monkeypatch)
        assert draw.noise.device == DEVICE
        arm.case.add_gradients(parameters)  # what is made once
        with Crossings() as same:
            losses = arm.case.add_gradients(parameters)
            assert losses.scalars.device == DEVICE
        arm.case._selection = None  # as if they looked at others
        with Crossings() as others:
            arm.case.add_gradients(parameters)
        assert (same.there, same.back) == (0, 0)
        assert (others.there, others.back) == (sent, 0)


def crossings_of_sampling(kind, frames, steps):
    subject = subject_of(kind, frames)
    own, networks = subject.generator, subject.generator._networks
    with subject.adapters() as lora:
        move(subject, lora)
        own._options = own._options.model_copy(update={"steps": steps})
        with torch.no_grad(), Crossings() as crossings:
            if kind.startswith("hellomeme"):
                conditions = subject.conditions
                noise = torch.zeros(frames, 4, conditions.cells, conditions.cells)
                sampling = schedule.Sampling("euler", steps, 1.5, torch.Generator().manual_seed(0))
                pads = {
                    row: conditions.control.apply(lambda maps, row=row: maps[row : row + 1, None].repeat(2, 1, 1, 1, 1))
                    for row in (0, frames - 1)
                }
                sampler = CaseSampler(networks, conditions, sampling, pads)
                (sampler.sample_image if frames == 1 else sampler.sample_clip)(noise)
            else:
                own._sample(subject.conditions, 0, lambda *_: None)
    return crossings


@KINDS
def test_a_sampling_waits_for_its_prediction_once_a_step(kind, frames):
    """And sends a number of tensors that does not grow with the steps before."""
    two, four, six = (crossings_of_sampling(kind, frames, steps) for steps in (2, 4, 6))
    assert (two.back, four.back, six.back) == (2, 4, 6)
    assert six.there - four.there == four.there - two.there
