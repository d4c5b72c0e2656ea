from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers")

from portraitbench.faces.backends.pocket import PocketBackend
from portraitbench.methods.pocket import unet
from portraitbench.methods.pocket.training.evaluate import FIRST, aed, evaluate, measure, summary, table, write_cases
from portraitbench.methods.pocket.training.evaluation_cases import Sampler, render_cases
from portraitbench.methods.pocket.training.suites import Cast, Studio
from portraitbench.metrics.expression import aligned_distance


@pytest.fixture(scope="module")
def cases(kit):
    from portraitbench.methods.pocket.training.renderer import Renderer

    cast = Cast(FIRST)
    return render_cases(Studio(Renderer(kit, 128), cast, Path()), cast, 2)


@pytest.fixture(scope="module")
def readers():
    return {"pocket": PocketBackend({})}


def test_the_distance_is_the_metrics_one():
    made, target = np.random.default_rng(0).uniform(20, 100, (2, 68, 2))
    assert aed(made, target) == pytest.approx(4 * aligned_distance(made[None], target[None])[0])


def test_the_ideal_output_is_perfect_and_blurring_is_seen(cases, readers):
    from scipy.ndimage import uniform_filter

    same = summary(measure([case.ideal for case in cases], cases, readers))
    assert same.pop("aed pocket") == pytest.approx(0, abs=1e-9)
    assert same.pop("psnr") > 70
    assert same == pytest.approx(dict.fromkeys(same, 1.0))
    blurred = summary(measure([uniform_filter(case.ideal, (3, 3, 1)) for case in cases], cases, readers))
    assert all(blurred[name] < 0.8 for name in same)
    assert blurred["psnr"] < 40


def test_the_shipped_denoiser_lies_between_a_perfect_generator_and_the_identity_image(cases, readers, tmp_path):
    results = evaluate(cases, [unet.WEIGHTS], Sampler(cases, "cpu"), readers, "cpu")
    means = {name: summary(rows) for name, rows in results.items()}
    drawn = means[str(unet.WEIGHTS)]
    assert drawn["aed pocket"] < means["identity image"]["aed pocket"]
    assert drawn["psnr"] > means["identity image"]["psnr"]
    assert means["ideal through the autoencoder"]["psnr"] > means["perfect generator, same code"]["psnr"]
    write_cases(tmp_path / "cases.csv", results)
    with (tmp_path / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(results)
    assert float(rows[0]["psnr"]) == results["perfect generator, same code"][0]["psnr"]
    assert table(results).count("\n") == len(results) + 1


def test_a_picture_without_a_face_has_no_distance_and_is_left_out_of_the_mean(cases, readers):
    blank = np.zeros_like(cases[0].ideal)
    rows = measure([blank, cases[1].ideal], cases, readers)
    assert np.isnan(rows[0]["aed pocket"])
    assert summary([{"aed pocket": np.nan, "psnr": 1.0}, {"aed pocket": 2.0, "psnr": 3.0}]) == {
        "aed pocket": 2.0,
        "psnr": 2.0,
    }
