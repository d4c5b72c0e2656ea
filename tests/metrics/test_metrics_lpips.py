"""LPIPS against a reference written by hand from the publication, and the published implementation where installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.data import astronaut

from portraitbench.core.errors import ConfigError, Status, WeightsError
from portraitbench.datasets.clip import Clip
from portraitbench.faces.base import Observation
from portraitbench.metrics.base import View
from portraitbench.metrics.lpips_networks import BACKBONES, load_lpips
from portraitbench.metrics.resolve import resolve

CHANNELS = {"alex": (64, 192, 384, 256, 256), "squeeze": (64, 128, 256, 384, 384, 512, 512)}
FIRE = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192)}
FIRE |= {10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}


def random_state(backbone):
    """Keys and shapes as in the publishers' files, written out by hand."""
    draw = torch.Generator().manual_seed(3)
    if backbone == "alex":
        shapes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
        shapes = {f"features.{index}": shape for index, shape in shapes.items()}
    else:
        shapes = {"features.0": (64, 3, 3)}
        for index, (inputs, squeezed, expanded) in FIRE.items():
            shapes[f"features.{index}.squeeze"] = (squeezed, inputs, 1)
            shapes[f"features.{index}.expand1x1"] = (expanded, squeezed, 1)
            shapes[f"features.{index}.expand3x3"] = (expanded, squeezed, 3)
    state = {}
    for name, (outputs, inputs, side) in shapes.items():
        weight = torch.randn(outputs, inputs, side, side, generator=draw)
        state[f"{name}.weight"] = weight * (2 / (inputs * side**2)) ** 0.5
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=draw)
    classifier = "classifier.1.weight"
    state[classifier] = torch.randn(7, 5, generator=draw)  # is in the files and must be ignored
    heads = {
        f"lin{row}.model.1.weight": torch.rand(1, width, 1, 1, generator=draw)
        for row, width in enumerate(CHANNELS[backbone])
    }
    return state, heads


def by_hand(backbone, state, heads, one, other):
    """LPIPS with functional convolutions and NumPy."""

    def conv(x, name, **how):
        return F.relu(F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **how))

    def fire(x, index):
        small = conv(x, f"features.{index}.squeeze")
        wide = conv(small, f"features.{index}.expand3x3", padding=1)
        return torch.cat([conv(small, f"features.{index}.expand1x1"), wide], 1)

    def taps(x):
        x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(
            1, 3, 1, 1
        )
        if backbone == "alex":
            first = conv(x, "features.0", stride=4, padding=2)
            second = conv(F.max_pool2d(first, 3, 2), "features.3", padding=2)
            third = conv(F.max_pool2d(second, 3, 2), "features.6", padding=1)
            fourth = conv(third, "features.8", padding=1)
            return [first, second, third, fourth, conv(fourth, "features.10", padding=1)]
        pool = lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)  # noqa: E731
        found = [conv(x, "features.0", stride=2)]
        found.append(fire(fire(pool(found[-1]), 3), 4))
        found.append(fire(fire(pool(found[-1]), 6), 7))
        found.append(fire(pool(found[-1]), 9))
        for index in (10, 11, 12):
            found.append(fire(found[-1], index))
        return found

    total = 0.0
    for row, (a, b) in enumerate(zip(taps(one), taps(other), strict=True)):
        a, b = (x[0].double().numpy() for x in (a, b))
        a, b = (x / (np.sqrt((x**2).sum(axis=0)) + 1e-10) for x in (a, b))
        weights = heads[f"lin{row}.model.1.weight"].double().numpy().ravel()
        total += np.einsum("chw,c->hw", (a - b) ** 2, weights).mean()
    return total


def files(folder, backbone, state=None, heads=None):
    own = random_state(backbone)
    torch.save(own[0] if state is None else state, folder / "features.pth")
    torch.save(own[1] if heads is None else heads, folder / "heads.pth")
    return {"features": str(folder / "features.pth"), "heads": str(folder / "heads.pth")}


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(astronaut()[20:180, 140:291])  # odd sizes show a wrong pooling


def clip_view(frames):
    seen = Observation(*frames.shape[1:3], np.ones(len(frames), np.int64), np.zeros((len(frames), 4)), {})
    return View(lambda: Clip(frames), lambda: seen)


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_the_number_is_the_one_by_hand(backbone, tmp_path, make_scene, photo):
    other = np.roll(photo, 3, 1)
    metric = resolve(f"lpips_{backbone}", files(tmp_path, backbone))
    scores = metric(make_scene(clip_view(photo[None]), target=clip_view(other[None])))
    one, two = (torch.from_numpy(x.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None] for x in (photo, other))
    assert scores.values[0] == pytest.approx(by_hand(backbone, *random_state(backbone), one, two), rel=1e-5)


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_the_published_implementation_gives_the_same(backbone, tmp_path, monkeypatch, photo):
    """The package lpips without torchvision: its backbone is ours, its scaling, heads and averages are its own."""
    if importlib.util.find_spec("lpips") is None:
        pytest.skip("needs the package lpips (pip install --no-deps lpips)")
    stand_in = types.ModuleType("torchvision")
    stand_in.models = types.SimpleNamespace(
        alexnet=lambda **_: types.SimpleNamespace(features=BACKBONES["alex"][0]()),
        squeezenet1_1=lambda **_: types.SimpleNamespace(features=BACKBONES["squeeze"][0]()),
    )
    monkeypatch.setitem(sys.modules, "torchvision", stand_in)
    lpips = importlib.import_module("lpips")
    reference = lpips.LPIPS(net=backbone, verbose=False).eval()  # with the published heads that it carries
    heads = {key: value for key, value in reference.state_dict().items() if key.startswith("lin") and "." in key}
    heads = {key: value for key, value in heads.items() if not key.startswith("lins")}
    state, _ = random_state(backbone)
    own = files(tmp_path, backbone, state, heads)
    slices = [part for name, part in reference.net.named_children() if name.startswith("slice")]
    for part in slices:
        for index, layer in part.named_children():
            prefix = f"features.{index}."
            layer.load_state_dict(
                {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            )
    network = load_lpips(backbone, *map(Path, own.values()))
    one = torch.from_numpy(photo.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    other = one.roll(5, 3) * 0.9
    with torch.no_grad():
        assert float(network(one, other)) == pytest.approx(float(reference(one, other)), rel=1e-5)


def test_more_blur_is_farther_and_equal_frames_are_at_zero(tmp_path, make_scene, photo):
    metric = resolve("lpips_alex", files(tmp_path, "alex"))
    noise = np.random.default_rng(0).normal(size=photo.shape)
    frames = np.stack([np.clip(photo + a * noise, 0, 255).astype(np.uint8) for a in (0, 5, 20, 60)])
    values = metric(make_scene(clip_view(frames), target=clip_view(np.stack([photo] * 4)))).values
    assert values[0] == 0
    assert list(values) == sorted(values)


def test_tlp_is_the_difference_of_steps(tmp_path, make_scene, photo):
    options = files(tmp_path, "alex")
    own, truth = (np.stack([np.roll(photo, step * t, 1) for t in range(4)]) for step in (3, 1))
    lpips = resolve("lpips_alex", options)
    steps = [[lpips.distances(clip[t : t + 1], clip[t - 1 : t])[0] for t in (1, 2, 3)] for clip in (own, truth)]
    metric = resolve("tlp_alex", options)
    value = metric(make_scene(clip_view(own), target=clip_view(truth))).values[0]
    assert value == pytest.approx(np.mean([abs(a - b) for a, b in zip(*steps, strict=True)]), abs=1e-6)
    assert metric(make_scene(clip_view(truth), target=clip_view(truth))).values[0] == 0
    single = metric(make_scene(clip_view(own[:1]), target=clip_view(truth[:1])))
    assert list(single.status) == [Status.UNDEFINED]


def test_weights_that_are_missing_changed_or_of_another_network(tmp_path, make_scene, photo):
    scene = make_scene(clip_view(photo[None]), target=clip_view(photo[None]))
    with pytest.raises(WeightsError, match="options features and heads"):
        resolve("lpips_alex")(scene)
    options = files(tmp_path, "alex")
    with pytest.raises(ConfigError, match="give both"):
        resolve("lpips_alex", {"features": options["features"]})
    with pytest.raises(WeightsError, match="is of another network"):
        resolve("lpips_squeeze", options)(scene)
    with pytest.raises(WeightsError, match="does not exist"):
        resolve("lpips_alex", {**options, "heads": str(tmp_path / "none.pth")})
    known = resolve("lpips_alex", options).options
    torch.save({}, tmp_path / "heads.pth")
    with pytest.raises(WeightsError, match="have changed"):
        resolve("lpips_alex", known)
