"""Parameterizations against their closed forms and against diffusers' schedulers."""

from __future__ import annotations

import diffusers
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.methods.diffusion import EDM, Epsilon, Flow, VPrediction, scaled_linear

STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PATHS = {
    "epsilon": Epsilon(scaled_linear()),
    "v": VPrediction(scaled_linear()),
    "flow": Flow(shift=3.0),
    "edm": EDM(),
    "edm-v": EDM(sigma_data=1.0, sign=-1, training=(1.0, 1.6), levels=(0.002, 700.0)),
}


def draw(seed=0, frames=3):
    random = torch.Generator().manual_seed(seed)
    return (torch.randn((frames, 4, 5, 6), generator=random) for _ in range(2))


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.02, 0.98), seed=st.integers(0, 1000))
def test_the_target_gives_back_clean_latents(path, share, seed):
    clean, noise = draw(seed)
    t = path.times(torch.tensor([share]))
    noisy = path.add_noise(clean, noise, t)
    # float32 loses what the noise outweighs: the tolerance follows the noise-to-signal ratio.
    alpha, sigma = path.coefficients(t)
    tolerance = 1e-5 * max(1.0, float(sigma / alpha))
    torch.testing.assert_close(path.x0(noisy, path.target(clean, noise, t), t), clean, rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_wrong_prediction_gives_another_x0(path):
    clean, noise = draw()
    t = path.times(torch.tensor([0.5]))
    noisy = path.add_noise(clean, noise, t)
    wrong = path.x0(noisy, path.target(clean, noise, t) + 0.1, t)
    assert (wrong - clean).abs().min() > 1e-3


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_each_frame_may_have_its_own_time(path):
    clean, noise = draw()
    t = path.times(torch.tensor([0.2, 0.5, 0.8]))
    together = path.add_noise(clean, noise, t)
    alone = torch.cat([path.add_noise(clean[i : i + 1], noise[i : i + 1], t[i : i + 1]) for i in range(3)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_noise_grows_with_the_share_and_sampling_goes_back(path):
    shares = path.log_snr(path.times(torch.linspace(0.01, 0.99, 50)))
    assert (shares.diff() < 0).all()
    times = path.sampling_times(25)
    assert len(times) == 26
    assert (path.log_snr(times[:-1]).diff() > 0).all()
    alpha, sigma = path.coefficients(times[-1:])
    assert (float(alpha), float(sigma)) == (1.0, 0.0)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_sampling_with_a_model_that_knows_the_answer_ends_there(path):
    clean, noise = draw()
    times = path.sampling_times(10)
    latents = path.add_noise(clean, noise, times[:1])
    for t, t_next in zip(times[:-1].split(1), times[1:].split(1), strict=True):
        latents = path.step(latents, path.target(clean, noise, t), t, t_next)
    torch.testing.assert_close(latents, clean, rtol=1e-3, atol=2e-3)


def test_log_snr_of_flow_and_edm_in_closed_form():
    t = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(Flow().log_snr(t), 2 * torch.log((1 - t) / t))
    torch.testing.assert_close(EDM().log_snr(t), -2 * torch.log(t))


def test_ddpm_of_diffusers_adds_the_same_noise_and_has_the_same_v():
    theirs = diffusers.DDPMScheduler(**STABLE_DIFFUSION)
    clean, noise = draw()
    for index in (0, 1, 499, 999):
        t = torch.tensor([index])
        for path in (PATHS["epsilon"], PATHS["v"]):
            torch.testing.assert_close(
                path.add_noise(clean, noise, t), theirs.add_noise(clean, noise, t.expand(3)), rtol=1e-4, atol=1e-5
            )
        torch.testing.assert_close(
            PATHS["v"].target(clean, noise, t), theirs.get_velocity(clean, noise, t.expand(3)), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("spacing", "offset"), [("trailing", 0), ("leading", 1)])
def test_ddim_of_diffusers_takes_the_same_steps(kind, spacing, offset):
    theirs = diffusers.DDIMScheduler(
        **STABLE_DIFFUSION,
        prediction_type=kind,
        timestep_spacing=spacing,
        steps_offset=offset,
        clip_sample=False,
        set_alpha_to_one=True,
    )
    theirs.set_timesteps(25)
    path = (Epsilon if kind == "epsilon" else VPrediction)(scaled_linear(), spacing, offset)
    times = path.sampling_times(25)
    assert times[:-1].tolist() == theirs.timesteps.tolist()
    noisy, prediction = draw()
    for index in (0, 12, 24):
        step = theirs.step(prediction, int(times[index]), noisy)
        t, t_next = times[index : index + 1], times[index + 1 : index + 2]
        torch.testing.assert_close(path.x0(noisy, prediction, t), step.pred_original_sample, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(path.step(noisy, prediction, t, t_next), step.prev_sample, rtol=1e-4, atol=1e-4)


def test_flow_matching_of_diffusers_has_the_same_path_and_steps():
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    path = Flow(shift=3.0)
    times = path.sampling_times(8)
    # Pipelines give the unshifted sigmas, from 1 to 1 / steps; the scheduler shifts them.
    theirs.set_timesteps(sigmas=(torch.arange(8, 0, -1) / 8).tolist())
    torch.testing.assert_close(path.model_time(times[:-1]), theirs.timesteps)
    clean, noise = draw(frames=1)
    for index in (0, 3, 7):
        noisy = theirs.scale_noise(clean, theirs.timesteps[index : index + 1], noise)
        t, t_next = times[index : index + 1], times[index + 1 : index + 2]
        torch.testing.assert_close(path.add_noise(clean, noise, t), noisy)
        theirs._step_index = index
        stepped = theirs.step(path.target(clean, noise, t), theirs.timesteps[index], noisy).prev_sample
        torch.testing.assert_close(path.step(noisy, noise - clean, t, t_next), stepped, rtol=1e-5, atol=1e-5)
        theirs._step_index = None


@pytest.mark.parametrize(("kind", "sign"), [("epsilon", 1), ("v_prediction", -1)])
def test_edm_of_diffusers_preconditions_and_steps_alike(kind, sign):
    theirs = diffusers.EDMEulerScheduler(prediction_type=kind)
    theirs.set_timesteps(18)
    path = EDM(sigma_data=0.5, sign=sign)
    times = path.sampling_times(18)
    torch.testing.assert_close(times, theirs.sigmas.float(), rtol=1e-4, atol=1e-6)
    noisy, prediction = draw()
    for index in (0, 9, 17):
        t, t_next, sigma = times[index : index + 1], times[index + 1 : index + 2], theirs.sigmas[index]
        torch.testing.assert_close(path.model_input(noisy, t), theirs.precondition_inputs(noisy, sigma))
        torch.testing.assert_close(path.model_time(t)[0], theirs.precondition_noise(sigma), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(
            path.x0(noisy, prediction, t), theirs.precondition_outputs(noisy, prediction, sigma), rtol=1e-4, atol=1e-5
        )
        theirs._step_index, theirs.is_scale_input_called = index, True
        stepped = theirs.step(prediction, theirs.timesteps[index], noisy).prev_sample
        torch.testing.assert_close(path.step(noisy, prediction, t, t_next), stepped, rtol=1e-4, atol=1e-4)


def test_edm_with_unit_data_and_v_is_stable_video_diffusion():
    theirs = diffusers.EulerDiscreteScheduler(
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type="continuous",
    )
    theirs.set_timesteps(25)
    path = PATHS["edm-v"]
    times = path.sampling_times(25)
    torch.testing.assert_close(times, theirs.sigmas, rtol=1e-3, atol=1e-5)
    noisy, prediction = draw()
    scaled = theirs.scale_model_input(noisy, theirs.timesteps[0])
    torch.testing.assert_close(path.model_input(noisy, times[:1]), scaled, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(path.model_time(times[:1]), theirs.timesteps[:1].float(), rtol=1e-4, atol=1e-5)
    step = theirs.step(prediction, theirs.timesteps[0], noisy)
    torch.testing.assert_close(path.x0(noisy, prediction, times[:1]), step.pred_original_sample, rtol=1e-3, atol=1e-2)


def test_edm_target_has_unit_variance():
    """Karras et al. 2022, appendix B.6: the effective training target is scaled to one at every noise level."""
    path, random = EDM(sigma_data=0.5), torch.Generator().manual_seed(2)
    clean = 0.5 * torch.randn((1, 4, 200, 200), generator=random)
    noise = torch.randn(clean.shape, generator=random)
    for level in (0.01, 0.5, 20.0):
        assert float(path.target(clean, noise, torch.tensor([level])).std()) == pytest.approx(1, abs=0.02)


def test_edm_training_levels_are_log_normal():
    levels = EDM().times(torch.rand(20000, generator=torch.Generator().manual_seed(0))).log()
    assert float(levels.mean()) == pytest.approx(-1.2, abs=0.03)
    assert float(levels.std()) == pytest.approx(1.2, abs=0.03)
    assert EDM().times(torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0.002, 80.0])


def test_discrete_training_times_reach_both_ends():
    path = PATHS["epsilon"]
    assert path.times(torch.tensor([0.0, 0.4999, 0.99999, 1.0])).tolist() == [0, 499, 999, 999]
