"""A package that is installed brings its method, metric, face backend and suite along, without a line of setup."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PACKAGE = Path(__file__).with_name("package")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of a process in which the plug-in package is installed, by pip, without a network."""
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("plugin")
    # A copy, so that the build leaves nothing in the checkout.
    source = shutil.copytree(PACKAGE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    flags = ["--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    done = subprocess.run([*pip, *flags, str(source)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return os.environ | {"PYTHONPATH": str(folder / "site"), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}


@pytest.fixture
def bench(bench_process, environment, tmp_path):
    """The command in a process that has the package."""

    def run(*arguments: object) -> str:
        outcome = bench_process(*arguments, env=environment, cwd=tmp_path)
        assert outcome.code == 0, outcome.err
        return outcome.out

    return run


def line_of(listing: str, name: str) -> str:
    return next(line for line in listing.splitlines() if name in line)


def test_lists_show_what_is_installed_and_where_from(bench):
    method = line_of(bench("methods", "list"), "tint")
    assert "portraitbench-toyplug 1.2.3" in method
    assert "Gives the driving frames the identity's mean colour." in method
    assert "gray level" in line_of(bench("metrics", "list"), "brightness_shift/1")


def test_the_suite_is_drawn_when_it_is_asked_for(bench):
    lines = bench("suites", "show", "stripes").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["wide__medium", "wide__narrow"]


def test_doctor_shows_the_face_backend(bench):
    assert "plugface 1.2.3" in bench("doctor")


def test_a_run_gives_the_numbers_of_the_plugin(bench, tmp_path):
    flags = ["--cache", "cache", "--out", "runs", "--faces", "plugface"]
    bench("run", "-s", "stripes", "-m", "tint", "-m", "copy-driving", *flags)
    table = pd.read_csv(tmp_path / "runs" / "stripes" / "report" / "stripes.csv").set_index(["method", "metric"])
    assert set(table.index.get_level_values("metric")) == {
        "brightness_shift/1",
        "aed_coeff_l1[plug]/1",
        "aed_coeff_l2[plug]/1",
    }
    assert (table.loc["copy-driving"]["mean"] == 0).all()
    assert set(table["coverage"]) == {1.0}
    # Stripes of equal width average to half their height: identity 80 + 50, drivings 40 + 50 and 20 + 50.
    shifts = [abs(0.5 * (130 - driving)) for driving in (90, 70)]
    assert np.isclose(table["mean"]["tint", "brightness_shift/1"], np.mean(shifts), atol=0.5)
    assert np.isclose(table["mean"]["tint", "aed_coeff_l1[plug]/1"], np.mean(shifts) / 255, atol=0.003)
    assert np.isclose(table["mean"]["tint", "aed_coeff_l2[plug]/1"], np.mean(shifts) / 255 * 12**0.5, atol=0.01)


def test_workers_find_it_too(bench, tmp_path):
    flags = ["--cache", "cache", "--out", "runs", "--faces", "plugface", "--workers", "2", "--fail-on-error"]
    assert "4 outputs" in bench("run", "-s", "stripes", "-m", "tint", "-m", "tint:share=1,as=flat", *flags)


def test_without_the_package_its_names_are_unknown(bench_process, tmp_path):
    outcome = bench_process("run", "-s", "stripes", cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.err.startswith("bench: unknown suite 'stripes'")
