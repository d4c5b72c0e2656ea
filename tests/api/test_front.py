"""``import portraitbench``: what it brings, what it costs, and that its calls do what the command does."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import portraitbench as pb
from portraitbench import animating, running, scoring
from portraitbench.core.errors import ConfigError, StoreError
from portraitbench.harness.config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
TOYS = ROOT / "tests" / "toys.py"
TINY = ROOT / "tests" / "methods" / "strucbooth" / "tiny_generators.py"


def test_importing_it_loads_nothing_else():
    program = (
        "import sys; before = set(sys.modules); import portraitbench as pb; pb.__version__; "
        "print(*(n for n in set(sys.modules) - before if n.partition('.')[0] in "
        "('torch', 'numpy', 'pandas', 'pydantic') or n.startswith('portraitbench.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_name_is_there_and_type_checkers_see_the_same_ones():
    tree = ast.parse(Path(pb.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: (node.module, alias.asname)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen.keys() | {"__version__"} == set(pb.__all__)
    for name, (module, exported_as) in seen.items():
        assert exported_as == name, "else it is not exported to strict type checkers"
        assert getattr(pb, name) is getattr(sys.modules[f"portraitbench.{module}"], name)
    assert set(pb.__all__) <= set(dir(pb))
    with pytest.raises(AttributeError, match="no attribute 'ruin'"):
        _ = pb.ruin


MADE_BY_ABLATE = {"ablation_left_out"}
"""Fields that no caller gives."""


def test_keyword_arguments_are_the_fields():
    assert get_type_hints(running.RunFields).keys() == RunConfig.model_fields.keys() - MADE_BY_ABLATE | {"weights"}
    assert get_type_hints(scoring.ScoreFields).keys() < RunConfig.model_fields.keys()
    assert get_type_hints(animating.AnimateFields).keys() == animating.AnimateConfig.model_fields.keys()


@pytest.fixture
def fields(tmp_path, make_suite, fresh_registries):
    """Fields of a run of three cases with toys, below ``tmp_path``."""
    suite = make_suite(tmp_path / "suite")
    folders = {"out": tmp_path / "runs", "cache": str(tmp_path / "cache")}
    return {"suites": [str(suite)], "plugins": [TOYS], "faces": ["toy"], **folders}


@pytest.fixture
def carried(fields):
    return pb.run(**fields, methods=["toy:mix=0.25"], baseline="copy-identity", metrics=["id_sim"], name="mine")


def test_a_run_is_a_folder_that_can_be_read_back(carried, tmp_path):
    assert carried.folder == tmp_path / "runs" / "mine"
    assert (carried.outcome.items, dict(carried.outcome.failures)) == (6, {})
    assert carried.page.is_file()
    loaded = pb.load(str(carried.folder))
    frame = loaded.frame()
    assert len(frame) == 6
    assert set(frame["run"]) == {"mine"}
    # Means worked out here from the rows.
    means = frame.groupby("method")["value"].mean()
    summary = loaded.summary().set_index("method")["mean"]
    assert summary.to_dict() == pytest.approx(means.to_dict())
    (row,) = loaded.comparison().to_dict("records")
    assert row["delta"] == pytest.approx(means["toy"] - means["copy-identity"])
    carried.page.unlink()
    assert len(loaded.report().summary) == 2
    assert carried.page.is_file()
    assert loaded.outcome is None


def test_what_the_command_makes_is_the_same(carried, fields, bench, tmp_path):
    file = tmp_path / "run.yaml"
    written = {name: value if isinstance(value, list) else str(value) for name, value in fields.items()}
    file.write_text(json.dumps(written | {"plugins": [str(TOYS)], "metrics": ["id_sim"], "baseline": "copy-identity"}))
    done = bench("run", "-c", file, "-m", "toy:mix=0.25", "--name", "theirs")
    assert done.code == 0, done.err
    columns = ["case", "method", "metric", "value", "status"]
    assert pb.load(tmp_path / "runs" / "theirs").frame()[columns].equals(carried.frame()[columns])
    assert pb.run(file, methods=["toy:mix=0.25"], name="theirs").outcome.performed == 0


def test_scoring_again_generates_nothing(carried):
    before = {path: path.stat().st_mtime_ns for path in carried.folder.glob("outputs/**/*.png")}
    again = pb.score(carried, metrics=["aed_lmk_px512"], only=True)
    assert set(again.frame()["metric"]) == {"aed_lmk_px512/1"}
    assert {path: path.stat().st_mtime_ns for path in carried.folder.glob("outputs/**/*.png")} == before
    assert set(pb.score(carried.folder, faces=["toy"]).summary()["metric"]) > {"id_sim/1", "aed_lmk_px512/1"}


def test_a_plan_writes_nothing(fields, tmp_path):
    planned = running.plan(**fields, methods=["toy"])
    assert (planned.methods, len(planned.items), planned.folder.exists()) == (["toy"], 3, False)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pb.load("nowhere"), StoreError, "no run.json there"),
        (lambda: pb.run(sead=1), ConfigError, "config: sead: unknown field: did you mean seed?"),
        (lambda: pb.run("nowhere.yaml"), ConfigError, "nowhere.yaml"),
        (lambda: pb.ablate("losses", methods=["warp"]), ConfigError, "name the tuner only"),
        (lambda: pb.ablate("loses"), ConfigError, "did you mean losses?"),
        (lambda: pb.animate("a.png", "b.png", size=3), ConfigError, "animate: size: "),
        (lambda: pb.animate("a.png", "b.png", colour=3), ConfigError, "animate: colour: "),
        (lambda: pb.animate("a.png", "b.png", out="c.gif"), ConfigError, "c.gif: must end in"),
        (lambda: pb.component("warp:kind"), ConfigError, "'kind' is not key=value"),
    ],
)
def test_what_does_not_fit_is_one_line(call, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_one_case_without_files(tmp_path, make_suite, fresh_registries):
    make_suite(tmp_path / "suite")
    case = (tmp_path / "suite" / "i0.png", tmp_path / "suite" / "d0.png")
    options = "strucbooth:steps=1,lora_targets=.*to_q,regions=mouth"
    shared = {"baseline": "tiny-v", "faces": ["tiny"], "size": 64, "cache": tmp_path / "cache", "plugins": [TINY]}
    done = pb.animate(*case, method=options, out=tmp_path / "o.png", **shared)
    assert done.clip.frames.shape == (1, 64, 64, 3)
    assert done.detail["tuned_steps"] == 1
    assert done.face_grades == ["test, not a measurement"]
    plain = pb.animate(*case, method=None, **shared)
    assert plain.tuned is None
    assert (plain.clip.frames == done.base.clip.frames).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "o.png", "suite"]


def test_every_public_call_is_documented():
    for name in ("run", "load", "score", "compare", "animate", "ablate", "Run", "component"):
        assert len(inspect.getdoc(getattr(pb, name)) or "") > 40


def test_the_example_runs(tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, str(ROOT / "examples" / "notebook.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    run = pb.load(tmp_path / "runs" / "pocket-image")
    # The last cell scored again: its metrics are those of the run now.
    assert set(run.frame()["metric"]) == {"contrast_gap/1", "aed_lmk_iod/1"}
    assert set(run.frame()["status"]) == {"ok"}
    assert "id_pocket_cos/1" in done.stdout
    assert "embedded" in done.stdout
