"""A plug-in that upsets the process it works in touches no other case's result."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitbench.harness.isolation import isolated
from portraitbench.harness.store import Store
from portraitbench.reports.records_frame import tidy

HOSTILE = '''
import os, random, sys
import numpy as np, torch
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator
from portraitbench.datasets.clip import Clip


def upset(*frames):
    for one in frames:
        torch.from_numpy(one).zero_()  # writes through read-only arrays too
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_num_threads(3)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    np.seterr(all="raise")
    os.chdir("/")
    print("noise on standard output")


class Hostile(Generator):
    name = "hostile"
    def animate(self, inputs):
        frames = inputs.driving.frames.copy()
        upset(inputs.identity.frames, inputs.driving.frames)
        return Animation(Clip(frames, inputs.driving.fps))


class Draws(Generator):
    """Draws from the global streams, and tells what it finds."""
    name = "draws"
    def animate(self, inputs):
        noise = np.random.randint(0, 9, inputs.driving.frames.shape) + random.randrange(9) + int(torch.randint(9, (1,)))
        frames = np.clip(inputs.driving.frames.astype(int) + noise, 0, 255).astype(np.uint8)
        found = {"dtype": str(torch.zeros(1).dtype), "grad": int(torch.is_grad_enabled()),
                 "threads": torch.get_num_threads(), "folder": os.getcwd()}
        return Animation(Clip(frames, inputs.driving.fps), detail=found)


METHODS.add("hostile", Hostile)
METHODS.add("draws", Draws)
'''


def rows(folder: Path, method: str) -> list[dict[str, object]]:
    store = Store(folder)
    store.load()
    for record in store.records.values():
        (record.get("output") or {}).pop("modified", None)  # when it was written
    return [
        {name: record[name] for name in ("case", "status", "reason", "output", "detail")}
        for (stage, _), record in sorted(store.records.items())
        if stage == "generate" and record["method"] == method
    ]


def values(folder: Path, method: str):
    frame = tidy(folder)
    return frame[frame["method"] == method].set_index(["case", "metric", "frame"])["value"].sort_index()


@pytest.fixture
def hostile(tmp_path) -> str:
    path = tmp_path / "hostile.py"
    path.write_text(HOSTILE)
    return str(path)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hostile_method_changes_no_other_case(perform, make_suite, tmp_path, hostile, capfd, workers):
    """Its neighbours' files and values are those of a run without it; its own are those of an honest copy."""
    suite = make_suite(tmp_path / "suite", "self-video", drivings=2)
    folder, before = Path.cwd(), torch.get_num_threads()
    honest = ["draws", "toy:noise=true", "copy-driving"]
    alone, _ = perform(suite, methods=honest, plugins=[hostile], name="alone")
    capfd.readouterr()
    both, summary = perform(
        suite, methods=["hostile", *honest], plugins=[hostile], name="both", workers=workers, out=tmp_path / "both"
    )
    assert not summary.failures
    for method in ("draws", "toy"):
        assert rows(both.config.folder, method) == rows(alone.config.folder, method)
        assert values(both.config.folder, method).equals(values(alone.config.folder, method))
    assert values(both.config.folder, "hostile").equals(values(alone.config.folder, "copy-driving"))
    found = rows(both.config.folder, "draws")[0]["detail"]
    assert found == {"dtype": "torch.float32", "grad": 1, "threads": 1, "folder": str(folder)}
    assert (Path.cwd(), torch.get_num_threads(), torch.get_default_dtype()) == (folder, before, torch.float32)
    printed = capfd.readouterr()
    assert "noise" not in printed.out
    assert printed.err.count("noise on standard output") == 2


def test_a_metric_that_writes_into_its_frames_changes_no_other(perform, make_suite, tmp_path, hostile, monkeypatch):
    suite = make_suite(tmp_path / "suite", "self-video", drivings=2)
    fields = {"methods": ["toy"], "metrics": ["psnr_mask", "ssim_mask", "emo_sim"], "plugins": [hostile]}
    honest, _ = perform(suite, **fields, name="honest")
    from portraitbench.metrics.pixels import PsnrMask

    plugin = sys.modules[next(name for name in sys.modules if name.startswith("portraitbench_plugin_hostile"))]
    real = PsnrMask.__call__

    def spoil(self, scene):
        scores = real(self, scene)
        plugin.upset(scene.generated.clip.frames, scene.driving.clip.frames, scene.target.clip.frames)
        return scores

    monkeypatch.setattr(PsnrMask, "__call__", spoil)
    session, summary = perform(suite, **fields, name="upset")
    assert not summary.failures
    assert values(session.config.folder, "toy").equals(values(honest.config.folder, "toy"))


def test_a_face_model_that_writes_into_its_frames_changes_nothing(perform, make_suite, tmp_path, monkeypatch):
    suite = make_suite(tmp_path / "suite", "cross-video", drivings=2)
    honest, _ = perform(suite, methods=["toy"], name="honest", cache=tmp_path / "honest-cache")
    from portraitbench.faces import BACKENDS

    toy = BACKENDS.get("toy")

    def spoiling(read):
        def spoil(self, frames, *faces):
            answer = read(self, frames, *faces)
            for frame in frames:
                torch.from_numpy(frame).zero_()
            for face in faces[0] if faces else ():
                face.box[:] = 0
            return answer

        return spoil

    for name in ("detect", "landmarks", "embed", "emotion", "coefficients"):
        monkeypatch.setattr(toy, name, spoiling(getattr(toy, name)))
    session, _ = perform(suite, methods=["toy"], name="spoiling", cache=tmp_path / "other-cache")
    assert values(session.config.folder, "toy").equals(values(honest.config.folder, "toy"))


@pytest.mark.parametrize(
    ("feature", "answer", "reason"),
    [
        (
            "landmarks",
            lambda frames: np.zeros((len(frames), 5, 2)),
            r"landmarks: a row of shape \(5, 2\) where \(68, 2\)",
        ),
        ("landmarks", lambda frames: np.full((len(frames), 68, 2), np.inf), "landmarks: an infinite number"),
        ("landmarks", lambda frames: np.zeros((len(frames) + 1, 68, 2)), r"zip\(\) argument 2 is longer"),
        ("embed", lambda frames: [1.0] * len(frames), r"a row of shape \(\) where"),
        ("detect", lambda frames: [[]] * (len(frames) + 1), r"zip\(\) argument 2 is longer"),
    ],
)
def test_what_a_face_model_says_wrongly_is_never_kept(perform, monkeypatch, feature, answer, reason):
    session, _ = perform(methods=["copy-driving"], metrics=["id_sim", "aed_lmk_px512"], name="right")
    from portraitbench.faces import BACKENDS

    right = tidy(session.config.folder)
    toy = BACKENDS.get("toy")
    with monkeypatch.context() as patch:
        patch.setattr(toy, feature, lambda self, frames, *faces: answer(frames))
        fields = {"methods": ["copy-driving"], "metrics": ["id_sim", "aed_lmk_px512"], "faces": ["toy:weights=other"]}
        wrong, _ = perform(**fields, name="wrong")
    frame = tidy(wrong.config.folder)
    assert "crash" in set(frame["status"])
    assert frame[frame["status"] == "crash"]["reason"].str.contains(reason).all()
    mended, _ = perform(**fields, name="mended")
    assert set(tidy(mended.config.folder)["status"]) == set(right["status"]) == {"ok"}


def test_a_metric_with_a_wrong_number_of_values_is_a_row_of_its_own(perform, monkeypatch):
    from portraitbench.metrics.base import Scores
    from portraitbench.metrics.identity import IdSim

    real = IdSim.__call__

    def twice(self, scene):
        scores = real(self, scene)
        return Scores(np.tile(scores.values, 2), list(scores.status) * 2)

    monkeypatch.setattr(IdSim, "__call__", twice)
    session, _ = perform(methods=["copy-driving"], metrics=["id_sim", "aed_lmk_px512"])
    frame = tidy(session.config.folder).set_index("metric")
    assert set(frame.loc["id_sim/1", "reason"]) == {"ValueError: the metric gave 2 values where 1 belong"}
    assert set(frame.loc["aed_lmk_px512/1", "status"]) == {"ok"}


def test_streams_depend_on_the_job_alone_and_are_given_back():
    def draw(*names: str) -> tuple[float, float, float]:
        with isolated(0, *names):
            return random.random(), float(np.random.rand()), float(torch.rand(1))

    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    expected = random.random(), float(np.random.rand()), float(torch.rand(1))
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    first = draw("a")
    assert draw("b") != first
    assert draw("a") == first
    assert (random.random(), float(np.random.rand()), float(torch.rand(1))) == expected


def torch_settings() -> list[object]:
    """Read by torch's own functions, none of which may complain that settings contradict each other."""
    backends = torch.backends
    precisions = [
        backends, backends.cudnn, backends.mkldnn, backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn
    ]  # fmt: skip
    return [
        torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_float32_matmul_precision(), backends.cudnn.benchmark, backends.cudnn.enabled,
        backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32, *(one.fp32_precision for one in precisions),
    ]  # fmt: skip


def upset_precision_as_a_whole():
    torch.backends.fp32_precision = "tf32"


def upset_precision_in_part():
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "ieee"


def upset_precision_the_old_way():
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = False


def upset_all_else():
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    raise KeyError


@pytest.mark.parametrize(
    "upset",
    [upset_precision_as_a_whole, upset_precision_in_part, upset_precision_the_old_way, upset_all_else],
)
def test_torch_settings_are_put_back_whatever_happens(upset):
    before = torch_settings()
    with contextlib.suppress(KeyError), isolated(0):
        upset()
    assert torch_settings() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_still_ends_by_exit():
    real = os._exit
    with isolated(0):
        child = os.fork()
        if child == 0:
            os._exit(3)
        _, status = os.waitpid(child, 0)
        with pytest.raises(SystemExit, match=r"os\._exit\(4\) was called"):
            os._exit(4)
    assert os.waitstatus_to_exitcode(status) == 3
    assert os._exit is real


def test_a_working_folder_that_is_gone_is_no_failure(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with isolated(0):
        pass
    os.chdir(tmp_path)
