"""The tuner on tiny generators of every parameterization."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitbench.core.errors import ConfigError, DivergedError, NoFaceError, Status
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.observer import Observer
from portraitbench.methods.base import MethodContext
from portraitbench.methods.strucbooth import case as case_module
from portraitbench.methods.strucbooth.gradients import gradient_loss
from portraitbench.methods.strucbooth.guides import prepare
from portraitbench.methods.strucbooth.patches import PatchDecoder
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned import TunedMethod

KINDS = ["epsilon", "v", "flow", "edm"]
FAST = {"steps": 2, "regions": "mouth", "lora_targets": r".*to_q"}


def losses_on_a_grid(generator, conditions, guide, config):
    """Denoising and gradient loss over fixed noise and times."""
    path, latents = generator.parameterization, guide.latents
    decoder = PatchDecoder(generator.decode, generator.latent_stride)
    ldm, gradient = [], []
    with torch.no_grad():
        for index, share in enumerate((0.15, 0.35, 0.55, 0.75, 0.95)):
            t = path.times(torch.tensor([share]))
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(index))
            noisy = path.add_noise(latents, noise, t)
            prediction = generator.denoise(noisy, t, conditions)
            ldm.append((prediction - path.target(latents, noise, t)).square().mean())
            x0 = path.x0(noisy, prediction, t)
            gradient += [gradient_loss(decoder.alone(x0, p.cells), p.guide, config.eps) for p in guide.patches[0]]
    return float(torch.stack(ldm).mean()), float(torch.stack(gradient).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_both_losses_fall_and_the_generator_is_itself_again(kind, tiny, context, case):
    generator, inputs = tiny(kind), case()
    conditions, before = generator.condition(inputs), generator.probe()
    options = {"steps": 25, "learning_rate": 1e-2, "gradient_weight": 3, "identity_weight": 0, "snapshots": "0+25"}
    tuner = StrucBooth(options, context)
    config = tuner.config_for(generator)
    guide = prepare(generator, conditions, inputs, config, context.observer)
    plain = generator.sample(conditions, seed=inputs.seed).clip.frames
    with tuner.tune(generator, conditions, inputs) as tuned:
        found = {}
        for step in (0, 25):
            tuned.use(step)
            found[step] = losses_on_a_grid(generator, conditions, guide, config)
        sampled = tuned.sample(conditions, seed=inputs.seed)
    assert found[25][0] < 0.95 * found[0][0]
    assert found[25][1] < found[0][1] - 0.003
    assert not np.array_equal(sampled.clip.frames, plain)
    assert sampled.detail["tuned_steps"] == 25
    assert sampled.detail["patches"] == 6
    assert generator.probe() == before
    assert np.array_equal(generator.sample(conditions, seed=inputs.seed).clip.frames, plain)


def test_nothing_in_the_tuner_knows_a_parameterization_or_a_generator():
    folder = Path(case_module.__file__).parent
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.py")))
    assert len(text) > 20_000
    words = r"epsilon|edm|flow|velocity|v_pred|alphas|diffusers|unet|pocket|hellomeme|hunyuan|isinstance\(generator"
    assert re.findall(words, text, re.IGNORECASE) == []


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


def weights(tuner, generator, inputs, step):
    with tuner.tune(generator, generator.condition(inputs), inputs) as tuned:
        return tuned.snapshots[step]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_seed_alone_decides_and_a_snapshot_is_a_shorter_tuning(tiny, context, case):
    generator, options = tiny(), FAST | {"steps": 4, "snapshots": "2+4"}
    inputs = case(frames=3)
    first = weights(StrucBooth(options, context), generator, inputs, 4)
    torch.rand(5)
    other = weights(StrucBooth(options, context), generator, case(seed=5), 4)
    assert same(first, weights(StrucBooth(options, context), generator, inputs, 4))
    assert not same(first, other)
    longer = weights(StrucBooth(options, context), generator, inputs, 2)
    assert same(longer, weights(StrucBooth(options | {"steps": 2, "snapshots": 2}, context), generator, inputs, 2))


CHANGES = [
    {"gradient_weight": 0},
    {"identity_weight": 0},
    {"ldm_weight": 0},
    {"gradient_weight": 0, "identity_weight": 0},
    {"decoding": "global"},
    {"halo": 1},
    {"boxes": "anchored"},
    {"weighting": "norm"},
    {"eps": 0.1},
    {"flat": 0.5},
    {"grow": 0.0},
    {"timesteps": "0.6+1.0"},
    {"accumulate": 2},
    {"segment": 1},
    {"frames": 1},
    {"rank": 2},
    {"learning_rate": 1e-2},
    {"precision": "bf16"},
    {"regions": "mouth+nose"},
]


def test_every_setting_changes_the_weights(tiny, context, case):
    generator, inputs = tiny("v"), case(frames=2)
    options = FAST | {"snapshots": 2}
    plain = weights(StrucBooth(options, context), generator, inputs, 2)
    idle = []
    for changed in CHANGES:
        own = weights(StrucBooth(options | changed, context), generator, inputs, 2)
        assert all(bool(weight.isfinite().all()) for weight in own.values())
        if same(own, plain):
            idle.append(changed)
    assert idle == []


def test_a_stretch_of_a_clip_goes_with_its_own_conditions_patches_and_landmarks(tiny, context, case, monkeypatch):
    generator, inputs = tiny("flow"), case(frames=5)
    conditions, path = generator.condition(inputs), generator.parameterization
    config = StrucBooth({}, context).config_for(generator)
    guide = prepare(generator, conditions, inputs, config, context.observer, twin=context.observer.backends[0].twin)
    clean, weight, seen = guide.latents[2:4], torch.nn.Parameter(torch.zeros(1)), []
    select, embed = generator.select, guide.identity.twin.embed
    monkeypatch.setattr(generator, "select", lambda given, rows: seen.append(list(rows)) or select(given, rows))
    guide.identity.twin.embed = lambda frames, points: seen.append(points) or embed(frames, points)
    t, noise = torch.tensor([0.3]), torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(generator, "denoise", lambda *_: path.target(clean, noise, t) + weight)
    own = case_module.Case(generator, conditions, guide, config, 3)
    monkeypatch.setattr(own, "draw", lambda: case_module.Draw([2, 3], t, noise, [0, 1], 1))
    found = own.backward([weight])
    decoder = PatchDecoder(generator.decode, generator.latent_stride)
    with torch.no_grad():
        right = [
            gradient_loss(decoder.alone(guide.latents[frame : frame + 1], p.cells), p.guide, config.eps)
            for frame in (2, 3)
            for p in guide.patches[frame]
        ]
    assert found["gradient"] == pytest.approx(float(torch.stack(right).mean()), abs=1e-5)
    assert seen[0] == [2, 3]
    assert len(seen) == 2
    assert np.array_equal(seen[1][0], guide.identity.landmarks[3])
    assert not np.array_equal(guide.identity.landmarks[3], guide.identity.landmarks[1])


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_model_that_knows_the_answer_the_pixel_losses_see_the_pgt(kind, tiny, context, case, monkeypatch):
    generator, inputs = tiny(kind), case()
    conditions, path = generator.condition(inputs), generator.parameterization
    config = StrucBooth({"timesteps": "0.1+0.7"}, context).config_for(generator)
    guide = prepare(generator, conditions, inputs, config, context.observer, twin=context.observer.backends[0].twin)
    weight = torch.nn.Parameter(torch.zeros(1))

    def knows(noisy, t, conditions):
        alpha, sigma = path.coefficients(t)
        return path.target(guide.latents, (noisy - alpha * guide.latents) / sigma, t) + weight

    monkeypatch.setattr(generator, "denoise", knows)
    found = case_module.Case(generator, conditions, guide, config, 3).backward([weight])
    decoder = PatchDecoder(generator.decode, generator.latent_stride)
    with torch.no_grad():
        right = [gradient_loss(decoder.alone(guide.latents, p.cells), p.guide, config.eps) for p in guide.patches[0]]
        seen = guide.identity.twin.embed(generator.decode(guide.latents).clamp(-1, 1), [None])
    assert found["ldm"] == pytest.approx(0, abs=1e-6)
    assert found["gradient"] == pytest.approx(float(torch.stack(right).mean()), abs=2e-3)
    identity = 1 - float(torch.cosine_similarity(seen, guide.identity.reference))
    assert found["identity"] == pytest.approx(identity, abs=1e-3)
    assert weight.grad is not None


def test_recomputing_activations_changes_nothing_but_memory(tiny, context, case):
    generator, inputs, options = tiny(), case(), FAST | {"snapshots": 2}
    plain = weights(StrucBooth(options, context), generator, inputs, 2)
    again = weights(StrucBooth(options | {"checkpointing": True}, context), generator, inputs, 2)
    assert plain.keys() == again.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-5, atol=1e-7)
    assert not generator.denoiser.is_gradient_checkpointing


def test_half_precision_is_for_the_networks_only(tiny, context, case, monkeypatch):
    generator, inputs = tiny("v"), case()
    seen = []

    def spy(name):
        own = getattr(generator, name)
        monkeypatch.setattr(
            generator, name, lambda *a: seen.append((name, torch.is_autocast_enabled("cpu"))) or own(*a)
        )

    spy("denoise")
    spy("decode")
    twin = context.observer.backends[0].twin
    embed = twin.embed
    twin.embed = lambda frames, landmarks: seen.append(("embed", frames.dtype)) or embed(frames, landmarks)
    weights(StrucBooth(FAST | {"precision": "bf16", "snapshots": 2}, context), generator, inputs, 2)
    assert {on for name, on in seen if name == "denoise"} == {True}
    assert ("decode", True) in seen
    assert {dtype for name, dtype in seen if name == "embed"} == {torch.float32}


def test_compiling_is_asked_for_and_undone(tiny, context, case, monkeypatch):
    generator, inputs = tiny(), case()
    calls = []
    monkeypatch.setattr(torch, "compile", lambda call: calls.append(call) or call)
    weights(StrucBooth(FAST | {"compile": True, "snapshots": 2}, context), generator, inputs, 2)
    assert len(calls) == 1
    assert generator.denoiser._compiled_call_impl is None


def test_accumulated_draws_are_averaged(tiny, context, case):
    generator, inputs = tiny(), case()
    tuner = StrucBooth(FAST | {"ldm_weight": 1, "gradient_weight": 5, "identity_weight": 0}, context)
    config = tuner.config_for(generator)
    guide = prepare(generator, generator.condition(inputs), inputs, config, context.observer)
    parameter = next(generator.denoiser.parameters())

    def gradient(accumulate, draws):
        own = config.model_copy(update={"accumulate": accumulate})
        case = case_module.Case(generator, generator.condition(inputs), guide, own, 3)
        parameter.grad = None
        for _ in range(draws):
            case.backward([parameter])
        return parameter.grad

    torch.testing.assert_close(gradient(2, 2), gradient(1, 2) / 2)


def test_regions_may_be_driven_by_other_clips(tiny, context, case):
    generator, inputs = tiny(), case(frames=3)
    other = Clip(case(frames=2, seed=70).driving.frames)
    tuner = StrucBooth(FAST | {"regions": "mouth+nose"}, context)
    config, conditions = tuner.config_for(generator), generator.condition(inputs)
    own, pasted = (
        prepare(generator, conditions, inputs, config, context.observer, sources=sources)
        for sources in ({}, {"mouth": other})
    )
    for row, (mine, theirs) in enumerate(zip(own.patches, pasted.patches, strict=True)):
        assert [patch.region for patch in mine] == ["mouth", "nose"] == [patch.region for patch in theirs], row
        assert mine[0].cells == theirs[0].cells
        assert not torch.equal(mine[0].guide.gradients, theirs[0].guide.gradients)
        assert torch.equal(mine[1].guide.gradients, theirs[1].guide.gradients)
    # The clip of two frames stays at its last one.
    assert not torch.equal(pasted.patches[0][0].guide.gradients, pasted.patches[1][0].guide.gradients)
    with pytest.raises(ConfigError, match="unknown region 'chin'"):
        tuner.tune(generator, conditions, inputs, sources={"chin": other}).__enter__()
    with tuner.tune(generator, conditions, inputs, sources={"mouth": other}) as tuned:
        assert tuned.detail["patches"] == 6


def test_the_pgt_guides_itself_to_a_gradient_loss_of_almost_nothing(tiny, context, case):
    """With the output as its own driver, boxes, resampling and gradients must all fall together."""
    generator, inputs = tiny("flow"), case()
    conditions = generator.condition(inputs)
    pgt = generator.sample(conditions, seed=inputs.seed).clip
    config = StrucBooth({"identity_weight": 0, "flat": 0, "eps": 1e-6}, context).config_for(generator)
    itself = type(inputs)(inputs.case_id, inputs.identity, pgt, inputs.seed)
    guide = prepare(generator, conditions, itself, config, context.observer)
    frame = torch.tensor(pgt.frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    for patch in guide.patches[0]:
        c = patch.cells
        crop = frame[:, :, 4 * c.top : 4 * c.bottom, 4 * c.left : 4 * c.right]
        assert float(gradient_loss(crop, patch.guide, 1e-6)) < 1e-4


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


def test_the_users_options_go_before_the_generators_before_the_papers(tiny, context):
    generator = tiny()
    assert StrucBooth({}, context).config_for(generator).steps == 3
    config = StrucBooth({"steps": 7}, context).config_for(generator)
    assert (config.steps, config.learning_rate, config.gradient_weight) == (7, 1e-3, 0.1)


def test_the_defaults_are_the_papers(context):
    own = StrucBooth({}, context)._own
    paper = {"steps": 800, "learning_rate": 2e-5, "rank": 8, "ldm_weight": 1.0, "gradient_weight": 0.1}
    paper |= {"identity_weight": 0.1, "window": 10 / 25, "timesteps": (0.0, 1.0), "grow_pixels": (5.0, 25.0)}
    assert {name: getattr(own, name) for name in paper} == paper
    assert (own.decoding, own.boxes, own.weighting, own.lora_targets) == ("patch", "tight", "uniform", None)


def test_the_revision_follows_options_and_the_generators_changes(tiny, context):
    revisions = {StrucBooth(options, context).revision for options in ({}, {"steps": 800}, {"steps": 9}, {"eps": 0.1})}
    assert len(revisions) == 4  # steps=800 said by the user goes before the generator's own, so it is another job
    assert StrucBooth({}, context).revision == StrucBooth({}, context).revision
    generator = tiny()
    first = TunedMethod(generator, StrucBooth({}, context)).revision
    generator.tuner_defaults = {"strucbooth": {"steps": 4}}
    assert TunedMethod(generator, StrucBooth({}, context)).revision != first


def test_progress_is_told_with_losses(tiny, context, case):
    told = []
    context.progress = lambda *news: told.append(news)
    generator, inputs = tiny(), case()
    with StrucBooth(FAST | {"steps": 3}, context).tune(generator, generator.condition(inputs), inputs):
        pass
    assert [news[:2] for news in told] == [(1, 3), (2, 3), (3, 3)]
    assert all(set(news[2]) == {"ldm", "gradient", "identity"} for news in told)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": "mouth+ear"}, "not ear"),
        ({"timesteps": "0.9+0.1"}, "timesteps"),
        ({"snapshots": "900"}, "snapshots"),
        ({"grow_pixels": "9+3"}, "grow_pixels"),
        ({"steps": -1}, "steps"),
        ({"rang": 3}, "rang"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(context, options, message):
    with pytest.raises(ConfigError, match=message) as refused:
        StrucBooth(options, context)
    assert "\n" not in str(refused.value)


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
        """Detects, but finds no landmarks and lends no twin."""

        def __init__(self, inner):
            self.info, self.detect = inner.info, inner.detect

    class Plain(Blind):
        def __init__(self, inner):
            super().__init__(inner)
            self.landmarks = inner.landmarks

    for kind, words in ((Blind, "landmarks"), (Plain, "identity_weight=0")):
        observer = Observer([kind(BACKENDS.get("tiny")({}))])
        assert words in refused(FAST, MethodContext(lambda: observer, device="cpu", cache=tmp_path))  # noqa: B023
