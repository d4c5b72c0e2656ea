"""What every metric in the registry must hold to, built in or installed."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from portraitbench.core.digest import digest
from portraitbench.core.errors import ConfigError, Status
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.faces.base import Observation
from portraitbench.metrics import METRICS
from portraitbench.metrics.base import Metric, Scene, Scores, View
from portraitbench.metrics.lpips_networks import Lpips

LENGTH, SIDE = 12, 64


@pytest.fixture(scope="module")
def lpips_weights(tmp_path_factory):
    """Options with random weights of each backbone."""
    options = {}
    for backbone in ("alex", "squeeze"):
        torch.manual_seed(0)
        network, folder = Lpips(backbone), tmp_path_factory.mktemp(backbone)
        torch.save({f"features.{key}": part for key, part in network.features.state_dict().items()}, folder / "f.pth")
        torch.save({key: part.abs() for key, part in network.heads.state_dict().items()}, folder / "h.pth")
        options[backbone] = {"features": str(folder / "f.pth"), "heads": str(folder / "h.pth")}
    return options


@pytest.fixture(params=list(METRICS))
def metric(request, lpips_weights) -> Metric:
    options = lpips_weights[request.param.partition("_")[2]] if "lp" in request.param.partition("_")[0] else {}
    return METRICS.get(request.param)(options)


class ToyFace:
    """A clip with a face whose features and pixels are ``damage`` away from one and the same moving face."""

    def __init__(self, damage: float, length: int = LENGTH, missing: tuple[int, ...] = ()) -> None:
        truth, noise = np.random.default_rng(0), np.random.default_rng(1)
        self.damage, self.length, self.missing = damage, length, list(missing)
        self.reads: set[str] = set()
        self._points = self._mix(truth.uniform(15, 50, (68, 2)) + truth.normal(0, 1, (LENGTH, 1, 2)), noise, 6)
        self._emotion = self._mix(np.cumsum(truth.normal(0, 0.2, (LENGTH, 2)), axis=0), noise, 0.5)
        self._vector = self._mix(np.repeat(truth.normal(size=(1, 128)), LENGTH, axis=0), noise, 1)
        self._scores = self._mix(self._blinking(truth), noise, 0.5)
        turns = Rotation.from_euler("YXZ", self._mix(truth.uniform(-30, 30, (LENGTH, 3)), noise, 8), degrees=True)
        self._turned = turns.as_matrix()
        self._gaze = self._mix(truth.uniform(-20, 20, (LENGTH, 2)), noise, 8)
        self._pixels = self._mix(truth.uniform(0, 255, (LENGTH, SIDE, SIDE, 3)), noise, 40)

    def _mix(self, true: Any, noise: np.random.Generator, scale: float) -> Any:
        return (true + self.damage * scale * noise.normal(size=true.shape))[: self.length]

    def _blinking(self, truth: np.random.Generator) -> Any:
        """52 series, the eyes' with a blink in the middle and one near the end."""
        scores = truth.uniform(0, 0.4, (LENGTH, 52))
        scores[[5, 9], 9], scores[[5, 9], 10] = 0.9, 0.8
        return scores

    def view(self, needs: tuple[str, ...]) -> View:
        return View(self._load, lambda: self._observe(needs))

    def _load(self) -> Clip:
        self.reads.add("pixels")
        return Clip(np.clip(self._pixels, 0, 255).astype(np.uint8))

    def _observe(self, needs: tuple[str, ...]) -> Observation:
        self.reads.add("features")
        known = {"landmarks": self._points, "emotion": self._emotion, "blendshapes": self._scores}
        known |= {"emotion/MODEL": self._emotion, "head_rotation": self._turned, "gaze": self._gaze}
        features = {name: known.get(name, self._vector).copy() for name in needs}
        counts = np.ones(self.length, np.int64)
        counts[self.missing] = 0
        for values in features.values():
            values[self.missing] = np.nan
        return Observation(SIDE, SIDE, counts, np.zeros((self.length, 4)), features)


def score(metric: Metric, generated: ToyFace, kind: SuiteKind | None = None) -> tuple[Scores, dict[str, ToyFace]]:
    """The metric's answer where identity, driving and target show the true face."""
    length = generated.length
    others = {"identity": ToyFace(0, 1), "driving": ToyFace(0, length), "target": ToyFace(0, length)}
    views = {role: face.view(metric.spec.needs) for role, face in others.items()}
    return metric(Scene(kind or metric.spec.kinds[0], generated.view(metric.spec.needs), **views)), others


def test_the_spec_is_complete(metric):
    spec = metric.spec
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\[[A-Za-z0-9._-]+\])?/[1-9][0-9]*", spec.id)
    assert spec.name.partition("[")[0] in METRICS
    assert spec.title
    assert spec.unit
    assert spec.level in ("frame", "clip")
    assert spec.roles
    assert spec.kinds
    assert len(set(spec.kinds)) == len(spec.kinds)
    assert 250 <= len(spec.definition) <= 2000
    assert "\n" not in spec.definition
    assert spec.definition.endswith(".")
    assert not {alias.casefold() for alias in spec.aliases} & {name.casefold() for name in METRICS if name != spec.name}


def test_the_name_is_the_registered_one():
    assert [METRICS.get(name)({}).spec.name.partition("[")[0] for name in METRICS] == list(METRICS)


def test_options_are_plain_data(metric):
    assert digest(dict(metric.options))
    assert json.loads(json.dumps(dict(metric.options))) == dict(metric.options)


def test_its_own_options_make_the_same_metric(metric):
    again = METRICS.get(metric.spec.name.partition("[")[0])(metric.options)
    assert asdict(again.spec) == asdict(metric.spec)
    assert again.options == metric.options


def test_unknown_options_are_refused(metric):
    with pytest.raises(ConfigError, match="no_such_option"):
        METRICS.get(metric.spec.name.partition("[")[0])({"no_such_option": 1})


def test_the_true_face_beats_a_damaged_one_and_that_a_worse_one(metric):
    perfect, bad, worse = (score(metric, ToyFace(damage))[0].values.mean() for damage in (0, 0.5, 2))
    rises = metric.spec.higher_is_better
    if metric.spec.name.startswith("leak_"):
        rises = not rises  # the driver's own face is what an output should not show
    ordered = perfect > bad > worse if rises else perfect < bad < worse
    assert ordered, (perfect, bad, worse)


def test_there_is_one_value_per_frame_or_clip(metric):
    for length in (5, LENGTH):
        scores, _ = score(metric, ToyFace(0.5, length))
        assert scores.values.shape == ((length,) if metric.spec.level == "frame" else (1,))
        assert scores.values.dtype == np.float64
        assert list(scores.status) == [Status.OK] * len(scores.values)


def test_detail_is_plain_data(metric):
    for missing in ((), (1, 2), tuple(range(LENGTH))):
        scores, _ = score(metric, ToyFace(0.5, missing=missing))
        assert json.loads(json.dumps(dict(scores.detail), allow_nan=False)) == dict(scores.detail)


def test_it_reads_only_what_its_spec_names(metric):
    generated = ToyFace(0.5)
    _, others = score(metric, generated)
    assert generated.reads
    assert {role for role, face in others.items() if face.reads} == set(metric.spec.roles)


def test_frames_without_a_face_never_get_a_number_from_features(metric):
    generated = ToyFace(0.5, missing=(0, 3))
    scores, _ = score(metric, generated)
    if metric.spec.level == "clip":
        assert scores.detail["frames_used"] == LENGTH - (2 if "features" in generated.reads else 0)
        return
    # A metric of pixels alone looks for the face in the target only, and there it is.
    missing = [0, 3] if "features" in generated.reads else []
    assert [row for row, status in enumerate(scores.status) if status is Status.NO_FACE] == missing


def test_it_gives_the_same_answer_twice_and_in_every_kind(metric):
    first = score(metric, ToyFace(0.5))[0].values
    for kind in metric.spec.kinds:
        assert np.array_equal(score(metric, ToyFace(0.5), kind)[0].values, first)
