"""Cases that fail end in typed errors, and whatever happens the generator is itself again."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from portraitbench.core.errors import ConfigError, DivergedError, NoFaceError, Status
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.observer import Observer
from portraitbench.methods.base import MethodContext
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned_method import TunedMethod

FAST = {"steps": 2, "regions": "mouth", "lora_targets": r".*to_q"}


def test_frames_without_a_face_are_left_out_and_a_case_without_any_fails(tiny, context, case):
    generator, inputs = tiny(), case(frames=3)
    frames = inputs.driving.frames.copy()
    frames[1] = 0
    holed = type(inputs)("one", inputs.identity, Clip(frames), inputs.seed)
    tuner = StrucBooth(FAST | {"steps": 4, "segment": 1}, context)
    with tuner.tune(generator, generator.condition(holed), holed) as tuned:
        assert tuned.detail["patches"] == 2
    before = generator.probe()
    black = type(inputs)("one", inputs.identity, Clip(np.zeros_like(frames)), inputs.seed)
    with pytest.raises(NoFaceError, match="driving clip"):
        tuner.tune(generator, generator.condition(black), black).__enter__()
    faceless = type(inputs)("one", Clip(np.zeros_like(frames[:1])), inputs.driving, inputs.seed)
    with pytest.raises(NoFaceError, match="identity image"):
        tuner.tune(generator, generator.condition(faceless), faceless).__enter__()
    assert generator.probe() == before


@pytest.mark.parametrize("after", [0, 1])
def test_a_tuning_that_runs_away_is_a_typed_failure(tiny, context, case, after):
    generator, inputs = tiny(nan_from=after), case()
    before = generator.probe()
    with pytest.raises(DivergedError, match=f"step {after + 1}") as failed:
        StrucBooth(FAST, context).tune(generator, generator.condition(inputs), inputs).__enter__()
    assert failed.value.status is Status.DIVERGED
    assert generator.probe() == before


def test_weights_that_the_last_step_spoils_are_divergence(tiny, context, case, monkeypatch):
    generator, inputs = tiny(), case()
    denoise = generator.denoise

    def spoils(*given):
        prediction = denoise(*given)
        prediction.register_hook(lambda gradient: gradient * float("nan"))
        return prediction

    monkeypatch.setattr(generator, "denoise", spoils)
    with pytest.raises(DivergedError, match="not finite after the last step"):
        StrucBooth(FAST | {"steps": 1}, context).tune(generator, generator.condition(inputs), inputs).__enter__()


def test_a_loss_far_above_its_target_is_divergence(tiny, context, case):
    generator, inputs = tiny(), case()
    options = FAST | {"steps": 30, "learning_rate": 50.0, "lora_targets": ".*(conv1|conv2|conv_out)", "divergence": 20}
    with pytest.raises(DivergedError, match=r"loss is|not finite"):
        StrucBooth(options, context).tune(generator, generator.condition(inputs), inputs).__enter__()


def test_an_exception_inside_the_block_leaves_the_generator_as_it_was(tiny, context, case):
    generator, inputs = tiny(), case()
    before, conditions = generator.probe(), generator.condition(inputs)
    modules = [id(part) for part in generator.denoiser.modules()]
    with pytest.raises(KeyError), StrucBooth(FAST, context).tune(generator, conditions, inputs):
        raise KeyError("inside")
    assert generator.probe() == before
    assert [id(part) for part in generator.denoiser.modules()] == modules


@pytest.mark.parametrize("cases", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_many_cases_leave_no_memory_and_no_change(tiny, context, case, cases):
    generator = tiny(steps=1)
    method = TunedMethod(generator, StrucBooth(FAST | {"steps": 1, "window": 1.0, "identity_weight": 0}, context))
    before, many = generator.probe(), [case(seed=seed) for seed in range(4)]

    def tensors():
        gc.collect()
        return sum(issubclass(type(one), (torch.Tensor, torch.nn.Module)) for one in gc.get_objects())

    for inputs in many:  # the observer remembers these pictures
        method.animate(inputs)
    held = tensors()
    for index in range(cases):
        method.animate(many[index % 4])
    assert tensors() == held
    assert generator.probe() == before


def test_layers_or_faces_that_are_not_there_are_refused(tiny, context, case, tmp_path):
    generator, inputs = tiny(), case()

    def refused(options, own=context):
        with pytest.raises(ConfigError) as error:
            StrucBooth(options, own).tune(generator, generator.condition(inputs), inputs).__enter__()
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "no_such_layer" in refused(FAST | {"lora_targets": "no_such_layer"})
    assert "missing.onnx" in refused(FAST | {"identity_model": tmp_path / "missing.onnx"})

    class Blind:
        """Detects, but finds no landmarks and lends no embedder."""

        def __init__(self, inner):
            self.info, self.detect = inner.info, inner.detect

    class Plain(Blind):
        def __init__(self, inner):
            super().__init__(inner)
            self.landmarks = inner.landmarks

    for kind, words in ((Blind, "landmarks"), (Plain, "identity_weight=0")):
        observer = Observer([kind(BACKENDS.get("tiny")({}))])
        assert words in refused(FAST, MethodContext(lambda: observer, device="cpu", cache=tmp_path))  # noqa: B023
