"""Names that are no UTF-8, too long or begin at home; files that would be lost; results that belong to nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from portraitbench.datasets.media import write_image

TOYS = Path(__file__).parents[1] / "toys.py"
BAD = os.fsdecode(b"\xc4\xe3")


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        write_image(folder / name, np.full((40, 50, 3), 90, np.uint8))
    return folder


def test_bytes_that_are_no_text_are_refused_at_once_wherever_they_stand(refused, where, suite, tmp_path):
    bad = tmp_path / BAD
    bad.mkdir()
    for arguments in (
        ("run", "-s", suite, "-m", "toy", *where, "--out", bad / "runs"),
        ("run", "-s", suite, "-m", "toy", *where, "--cache", bad),
        ("run", "-s", suite, "--outputs", f"mine={bad}", *where),
        ("run", "-s", bad / "suite.yaml", "-m", "toy", *where),
        ("data", "build", "cross-image", "--identities", bad, "--drivings", bad, "--out", tmp_path / "s.yaml"),
    ):
        line = refused(*arguments)
        assert "no UTF-8 text" in line
        assert r"\xc4\xe3" in line
    assert not list(bad.iterdir())


@pytest.fixture
def home(tmp_path, monkeypatch, make_suite, bench):
    """A home folder with a suite, a plug-in, results made elsewhere and a run; the working folder is another one."""
    home = tmp_path / "home"
    make_suite(home / "suite", drivings=2)
    pictures(home / "faces", "a.png")
    (home / "toys.py").write_bytes(TOYS.read_bytes())
    (home / "c.yaml").write_text(
        "suites: ['~/suite/tiny.yaml']\nmethods: [toy]\nplugins: [~/toys.py]\nfaces: [pocket]\n"
        "out: ~/runs\ncache: ~/cache\n"
    )
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(home))
    assert bench("run", "-c", "~/c.yaml").code == 0
    (home / "theirs").mkdir()
    for path in (home / "runs" / "tiny" / "outputs").rglob("toy.png"):
        (home / "theirs" / f"{path.parent.name}.png").write_bytes(path.read_bytes())
    return home


BUILD = ["data", "build", "cross-image", "--faces", "none", "--size", "32", "--identities=~/faces"]
QUICK = ["-f", "pocket", "--cache=~/cache"]
MADE = {
    "suites, --out and --cache": ["run", "-s", "~/suite/tiny.yaml", "-m", "toy", "--plugin", "~/toys.py", *QUICK],
    "--outputs": ["run", "-s", "~/suite/tiny.yaml", "--outputs", "x=~/theirs", *QUICK],
    "data build": [*BUILD, "--drivings=~/faces", "--out=~/made/suite.yaml"],
    "data check": ["data", "check", "~/suite/tiny.yaml", "--deep", "--cache=~/cache"],
    "data export": ["data", "export", "~/suite/tiny.yaml", "-o", "~/made/cases", "--cache=~/cache"],
    "report": ["report", "~/runs/tiny"],
    "score": ["score", "~/runs/tiny", "--metric", "aed_lmk_px512", *QUICK],
    "compare": ["compare", "~/runs/tiny"],
    "paper": ["paper", "~/runs/tiny", "-o", "~/made/paper"],
    "runs list": ["runs", "list", "~/runs"],
    "runs show": ["runs", "show", "~/runs/tiny"],
    "why": ["why", "~/runs/tiny", "-c", "~/c.yaml"],
    "baseline": ["baseline", "save", "~/runs/tiny", "-o", "~/made.json"],
    "methods list": ["methods", "list", "--plugin", "~/toys.py"],
    "suites show": ["suites", "show", "~/suite/tiny.yaml"],
    "estimate": ["estimate", "-c", "~/c.yaml"],
    "animate": [
        *("animate", "-i", "~/faces/a.png", "-d", "~/faces/a.png", "-o", "~/made.png", "--strip", "~/made-strip.png"),
        *("--no-tune", "-b", "copy-driving", "--size", "32", "--framing", "none"),
    ],
}


@pytest.mark.parametrize("verb", MADE)
def test_a_tilde_is_the_home_folder(home, bench, verb):
    """Also where no shell has replaced it: in files, behind ``=``, quoted, from Python."""
    arguments = [*MADE[verb], "--out=~/elsewhere"] if verb in ("--outputs", "suites, --out and --cache") else MADE[verb]
    outcome = bench(*arguments)
    assert outcome.code == 0, outcome.err
    assert not list(Path.cwd().iterdir()), "nothing is made in the working folder, and no folder is called ~"
    if verb in ("--outputs", "suites, --out and --cache"):
        assert (home / "elsewhere" / "tiny" / "run.json").is_file()
    if any("~/made" in str(argument) for argument in arguments):
        assert list(home.glob("made*"))


def test_a_tilde_in_the_gate_and_in_options_of_components(home, bench, refused):
    assert bench("baseline", "save", "~/runs/tiny", "-o", "~/b.json").code == 0
    (home / "rules.yaml").write_text("rules: ['coverage>=-1%']\n")
    gate = bench("gate", "~/runs/tiny", "--against", "~/b.json", "--rules", "~/rules.yaml", "--out", "~/gate")
    assert gate.code in (0, 1)
    assert (home / "gate" / "gate.json").is_file()
    (home / "pack").mkdir()
    told = bench("doctor", "-f", "insightface:pack=~/pack", "--cache=~/cache").out
    assert f"cache: {home}/cache (" in told
    assert f"{home}/pack/det_10g.onnx" in told
    assert not list(Path.cwd().iterdir())


def test_roots_of_a_manifest_may_begin_at_home(home, bench):
    path = home / "suite" / "tiny.yaml"
    data = yaml.safe_load(path.read_text())
    data["roots"] = {"mine": "~/suite"}
    data["assets"]["i0"]["root"] = "mine"
    Path("s.yaml").write_text(yaml.safe_dump(data))
    for asset in ("d0.png", "d1.png"):
        Path(asset).write_bytes((home / "suite" / asset).read_bytes())
    assert bench("data", "check", "s.yaml", "--deep").code == 0


def test_animate_keeps_what_is_there_and_long_names_work(bench, refused, tmp_path):
    face = pictures(tmp_path, "a.png") / "a.png"
    flags = ("--no-tune", "-b", "copy-driving", "--size", "32", "--framing", "none")
    long = tmp_path / f"{'x' * 247}.png"
    assert bench("animate", "-i", face, "-d", face, "-o", long, "--strip", tmp_path / "s.png", *flags).code == 0
    before = long.read_bytes()
    line = refused("animate", "-i", face, "-d", face, "-o", long, "--strip", tmp_path / "t.png", *flags)
    assert "there already: choose another name or say --force" in line
    assert long.read_bytes() == before
    assert (
        bench("animate", "-i", face, "-d", face, "-o", long, "--strip", tmp_path / "s.png", "--force", *flags).code == 0
    )
    too_long = refused("animate", "-i", face, "-d", face, "-o", tmp_path / f"{'y' * 252}.png", *flags)
    assert "longer than 255 bytes" in too_long
    assert "longer than 255 bytes" in refused("animate", "-i", face, "-d", face, "-o", f"{'z' * 247}.png", *flags)


def test_results_of_no_case_end_the_run_before_it_begins(refused, where, suite, tmp_path):
    pictures(tmp_path / "theirs", "someone.png")
    line = refused("run", "-s", suite, "--outputs", f"x={tmp_path / 'theirs'}", *where)
    assert re.search(r"no result for any of the 3 cases: a file there is called someone\.png, and a case i0__d0", line)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("*/outputs"))


@pytest.mark.parametrize(("fit", "status"), [("", "decode"), (",fit=crop", "ok"), (",fit=pad", "ok")])
def test_another_aspect_ratio_is_refused_or_fitted_openly(bench, where, suite, tmp_path, fit, status):
    from portraitbench.reports.records_frame import tidy

    pictures(tmp_path / "theirs", "i0__d0.png", "i0__d1.png", "i0__d2.png")
    assert bench("run", "-s", suite, "--outputs", f"x={tmp_path / 'theirs'}{fit}", *where).code == 0
    frame = tidy(tmp_path / "runs" / "tiny")
    assert set(frame["status"]) <= {status, "no_face", "undefined"} | {status}
    assert status in set(frame["status"])
    if not fit:
        assert "50 x 40, another aspect ratio than the canvas of 64 x 64" in frame["reason"].iloc[0]


def test_a_report_is_written_from_any_folder(bench, make_suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_suite(tmp_path)
    assert (
        bench("run", "-s", "tiny.yaml", "-m", "copy-driving", "-f", "pocket", "--cache", tmp_path / "cache").code == 0
    )
    page = tmp_path / "runs" / "tiny" / "report" / "index.md"
    before = page.read_text()
    page.unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert bench("report", tmp_path / "runs" / "tiny").code == 0
    assert page.read_text() == before
    (tmp_path / "tiny.yaml").unlink()
    assert bench("report", tmp_path / "runs" / "tiny").code == 0
    assert page.read_text() == before, "the run folder holds what it needs"
