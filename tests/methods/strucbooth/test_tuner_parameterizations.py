"""The tuner on flow matching and EDM as on epsilon and v: its x0 is diffusers' own, and it imports none of them."""

from __future__ import annotations

import ast
from pathlib import Path

import diffusers
import pytest
import torch

from portraitbench.methods.strucbooth import objective as case_module
from portraitbench.methods.strucbooth.targets import prepare
from portraitbench.methods.strucbooth.tuner import StrucBooth

FOLDER = Path(case_module.__file__).parent
ALLOWED = {"base", "guides", "lora", "phases", "recompute", "strucbooth", "outputs", "sweeps", "tiling"}
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def ddim(prediction_type):
    def x0(noisy, prediction, t):
        theirs = diffusers.DDIMScheduler(**BETAS, prediction_type=prediction_type, clip_sample=False)
        theirs.set_timesteps(1000)
        return theirs.step(prediction, int(t), noisy).pred_original_sample

    return x0


def flow(noisy, prediction, t):
    """One Euler step of diffusers from t to the end of the path, where the data is."""
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    theirs.set_timesteps(sigmas=t.tolist())
    return theirs.step(prediction, theirs.timesteps[0], noisy).prev_sample


def edm(noisy, prediction, t):
    theirs = diffusers.EDMEulerScheduler(sigma_data=1.0, prediction_type="v_prediction")
    return theirs.precondition_outputs(noisy, prediction, t[0])


THEIRS = {"epsilon": ddim("epsilon"), "v": ddim("v_prediction"), "flow": flow, "edm": edm}


@pytest.mark.parametrize("kind", THEIRS)
def test_x0_that_the_pixel_losses_see_is_that_of_diffusers(kind, tiny, context, case, monkeypatch):
    generator, inputs = tiny(kind), case()
    conditions = generator.condition(inputs)
    config = StrucBooth({"identity_weight": 0, "timesteps": "0.1+0.8"}, context).config_for(generator)
    guide = prepare(generator, conditions, inputs, config, context.observer)
    denoise, pull_back, seen = generator.denoise, case_module.pull_back, []

    def spy_denoise(noisy, t, given):
        prediction = denoise(noisy, t, given)
        seen.append((noisy.detach().clone(), prediction.detach().clone(), t.clone()))
        return prediction

    def spy_pull_back(x0, terms):
        seen.append(x0.detach().clone())
        return pull_back(x0, terms)

    monkeypatch.setattr(generator, "denoise", spy_denoise)
    monkeypatch.setattr(case_module, "pull_back", spy_pull_back)
    own = case_module.TuningObjective(generator, conditions, guide, config, 3)
    for _ in range(3):
        own.backward([next(generator.denoiser.parameters())])
    assert len(seen) == 6
    for (noisy, prediction, t), x0 in zip(seen[::2], seen[1::2], strict=True):
        torch.testing.assert_close(x0, THEIRS[kind](noisy, prediction, t), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(x0, guide.latents, atol=1e-2)  # a random network does not know the answer


def test_its_modules_import_no_parameterization_and_no_generator():
    methods = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith(("diffusers", "portraitbench")) for alias in node.names), path
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                assert not module.startswith(("diffusers", "portraitbench")), path
                if node.level == 2:  # relative to the methods
                    methods.add(module.partition(".")[0])
    assert {"base", "lora"} <= methods <= ALLOWED
