"""Names that are no UTF-8, too long or begin at home; files that would be lost; results that belong to nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from portraitbench.datasets.media import write_image

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


def test_a_tilde_is_the_home_folder(bench, suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    pictures(tmp_path / "home" / "faces", "a.png")
    build = ("data", "build", "cross-image", "--faces", "none", "--size", "32", "--identities=~/faces")
    assert bench(*build, "--drivings=~/faces", "--out=~/suite.yaml").code == 0
    config = tmp_path / "c.yaml"
    config.write_text(
        "suites: ['~/suite.yaml']\nmethods: [copy-driving]\nfaces: [pocket]\nout: ~/runs\ncache: ~/cache\n"
    )
    assert bench("run", "-c", config).code == 0
    assert (tmp_path / "home" / "runs" / "suite" / "run.json").is_file()
    assert not (tmp_path / "~").exists()


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
