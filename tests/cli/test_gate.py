"""``bench baseline`` and ``bench gate`` from end to end: results of a system of one's own, and what is done to them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import typer
import yaml
from PIL import Image

import portraitbench as pb
from portraitbench.cli.app import app

TOYS = Path(__file__).parents[1] / "toys.py"
CASES = [f"i{i}__d{d}" for i in range(3) for d in range(3)]
RULES = ["--rule", "id_sim>=-0.001", "--rule", "aed_lmk_px512<=+2%"]


@pytest.fixture
def system(bench, make_suite, tmp_path):
    """Results of a system, run and gated; what a test does to its pictures is its next version."""
    suite = make_suite(tmp_path / "suite", identities=3, drivings=3)
    results = tmp_path / "results"
    results.mkdir()
    for i in range(3):
        for d in range(3):
            paths = [next((tmp_path / "suite").glob(f"{name}.*")) for name in (f"i{i}", f"d{d}")]
            one, other = (Image.open(path).convert("RGB") for path in paths)
            Image.blend(one, other, 0.6).save(results / f"i{i}__d{d}.png")

    class System:
        baseline = tmp_path / "baseline.json"

        def path(self, case):
            return results / f"{case}.png"

        def paint(self, case, box):
            picture = np.asarray(Image.open(self.path(case))).copy()
            top, left, bottom, right = box
            picture[top:bottom, left:right] = 255 - picture[top:bottom, left:right]
            Image.fromarray(picture).save(self.path(case))

        def run(self, name, faces="toy"):
            outputs = {"name": "outputs", "label": "mine", "options": {"dir": str(results)}}
            own = {"suites": [str(suite)], "methods": [outputs], "faces": [faces], "plugins": [TOYS], "name": name}
            places = {"out": tmp_path / "runs", "cache": tmp_path / "cache"}
            return pb.run(report=False, metrics=["id_sim", "aed_lmk_px512"], **own, **places).folder

        def save(self):
            done = bench("baseline", "save", self.run("old"), "-o", self.baseline, "--note", "nine small pictures")
            assert done.code == 0, done.err

        def gate(self, folder, *flags):
            return bench("gate", folder, "--against", self.baseline, *(flags or RULES))

    return System()


def test_the_same_pictures_are_fine_and_a_painted_region_is_not(system):
    system.save()
    assert system.gate(system.run("same")).code == 0
    for case in CASES:
        system.paint(case, (36, 20, 52, 44))  # the mouth of a toy
    folder = system.run("painted")
    done = system.gate(folder)
    assert done.code == 1
    assert re.search(r"regressed tiny, mine: id_sim/1: .* \(limit 0\.001\), 9 cases, smallest change", done.out)
    report = folder / "gate"
    text = (report / "summary.md").read_text()
    assert text.startswith("❌ **Gate regressed: ")
    link = re.search(r"\(<(.*?)>\)", text)
    assert link
    assert (report / link[1]).resolve().is_file()
    data = json.loads((report / "gate.json").read_text())
    assert (data["exit_code"], data["outcome"], len(data["checks"])) == (1, "regressed", 3)
    suite = ET.parse(report / "junit.xml").getroot()[0]
    failed = [test.get("name") for test in suite if test.find("failure") is not None]
    assert failed == ["id_sim>=-0.001 [id_sim/1]"]


def test_another_face_model_ends_with_2_and_a_missing_result_with_3(system):
    system.save()
    other = system.gate(system.run("other", faces="toy:weights=other"))
    assert other.code == 2
    assert "setting faces.toy.weights: none -> other" in other.out
    system.path("i1__d1").unlink()
    gone = system.gate(system.run("gone"))
    assert gone.code == 3
    assert "missing   tiny: i1__d1 of mine: missing" in gone.out


def test_a_black_picture_is_lower_coverage(system):
    system.save()
    Image.new("RGB", (64, 64)).save(system.path("i1__d1"))
    done = system.gate(system.run("dark"))
    assert done.code == 1
    assert "regressed tiny, mine: coverage of" in done.out


def test_a_baseline_is_renewed_on_purpose_alone_and_says_why(system):
    system.save()
    before = system.baseline.read_bytes()
    for case in ("i0__d0", "i1__d1", "i2__d2"):
        system.paint(case, (8, 8, 56, 56))
    folder = system.run("new")
    assert system.gate(folder).code == 1
    assert system.gate(folder, "--update").code == 4
    assert system.baseline.read_bytes() == before
    done = system.gate(folder, *RULES, "--update", "--reason", "the new decoder is meant to differ")
    assert done.code == 0
    data = json.loads(system.baseline.read_text())
    assert data["note"] == "nine small pictures"
    assert [(one["reason"], one["verdict"][:9]) for one in data["renewals"]] == [
        ("the new decoder is meant to differ", "regressed")
    ]
    assert system.gate(folder).code == 0


def test_a_baseline_is_small_sorted_by_the_plan_and_the_same_twice(system, bench):
    system.save()
    first = system.baseline.read_text()
    system.save()
    rows = [line for line in first.splitlines() if line.startswith('  {"suite"')]
    assert [json.loads(line.strip(" ,"))["case"] for line in rows] == [
        f"i{i}__d{d}" for i in range(3) for d in range(3)
    ]
    assert system.baseline.read_text().splitlines()[-11:] == first.splitlines()[-11:]
    system.path("i1__d1").unlink()
    done = bench("baseline", "save", system.run("part"), "-o", system.baseline)
    assert done.code == 2
    assert "i1__d1 of mine is missing: run it again" in done.err


def test_rules_come_from_a_file_or_the_project(system, tmp_path, monkeypatch):
    system.save()
    folder = system.run("same")
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"rules": ["id_sim>=-0.5"]}))
    asked = ["--rules", rules, "--rule", "aed_lmk_px512<=+1"]
    brief = system.gate(folder, *asked).out
    assert re.search(r"^fine +\d+ checks? \(--verbose lists them\)$", brief, re.MULTILINE)
    assert "limit" not in brief
    done = system.gate(folder, *asked, "--verbose")
    assert done.code == 0
    assert "--verbose" not in done.out
    assert "(limit 0.5)" in done.out
    assert "(limit 1)" in done.out
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.portraitbench.gate]\nrules = ["id_sim>=-0.25"]\n')
    assert "(limit 0.25)" in system.gate(folder, "--out", tmp_path / "told", "-v").out
    assert (tmp_path / "told" / "junit.xml").is_file()
    rules.write_text("rules: 3")
    assert "needs a list of texts" in system.gate(folder, "--rules", rules).err


def test_wrong_usage_ends_with_4_and_one_line(system, tmp_path):
    system.save()
    folder = system.run("same")
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"format": 1}')
    for flags, said in (
        (["--rule", "id_sim<=+1%"], "higher is better in id_sim/1: write id_sim>=-1%"),
        (["--rule", "nonsense"], "rule 'nonsense': write SUBJECT<=LIMIT"),
        (
            ["--against", tmp_path / "none.json"],
            "none.json: No such file or directory: make one with bench baseline save",
        ),
        (["--against", damaged], "damaged.json: source: Field required"),
        (["--against", TOYS], "is not JSON"),
        (["--reason", "why"], "--reason is for --update"),
        (["--rul", "x"], "No such option"),
    ):
        done = system.gate(folder, *flags)
        assert (done.code, said in " ".join(done.err.split())) == (4, True), done.err
    assert system.gate(tmp_path).code == 4


def test_the_action_uses_its_inputs_as_data_and_flags_that_exist():
    action = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text())
    steps = action["runs"]["steps"]
    assert action["runs"]["using"] == "composite"
    assert "${{" not in "".join(step.get("run", "") for step in steps)  # a script must not be put together from inputs
    used = set(re.findall(r"inputs\.([a-z-]+)", yaml.safe_dump(steps)))
    assert used == action["inputs"].keys()
    command = typer.main.get_command(app)
    flags = {flag for option in command.commands["gate"].params for flag in option.opts}
    assert set(re.findall(r"(--[a-z]+)", steps[0]["run"])) <= flags
    assert action["outputs"]["exit-code"]["value"] == "${{ steps.gate.outputs.exit-code }}"


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("code", [0, 3])
def test_the_action_keeps_the_exit_code_and_the_summary(tmp_path, code):
    steps = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text())["runs"]["steps"]
    stub = tmp_path / "bench"
    told = 'printf "%s\\n" "$@" >args; mkdir -p "$2/gate"; echo verdict >"$2/gate/summary.md"'
    stub.write_text(f"#!/bin/sh\n{told}\nexit {code}\n")
    stub.chmod(0o755)
    given = {"RUN": "a run; rm x", "BASELINE": "b.json", "RULES": "", "BENCH": str(stub)}
    places = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary", "PATH": os.environ["PATH"]}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
    done = subprocess.run([*shell, steps[0]["run"]], cwd=tmp_path, env=given | places, check=False)
    assert done.returncode == 0
    assert (tmp_path / "args").read_text().splitlines() == ["gate", "a run; rm x", "--against", "b.json"]
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert (tmp_path / "summary").read_text() == "verdict\n"
    assert subprocess.run([*shell, steps[-1]["run"]], env=places | {"CODE": str(code)}, check=False).returncode == code
