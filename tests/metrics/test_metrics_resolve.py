"""Ids, versions, cited names, defaults and explanations."""

from __future__ import annotations

import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.metrics import METRICS
from portraitbench.metrics.resolve import all_metrics, default_metrics, explain, resolve

DLIB = {"landmarks", "identity/dlib128"}


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("aed_lmk_px512", "aed_lmk_px512/1"),
        ("aed_lmk_px512/1", "aed_lmk_px512/1"),
        ("aed_coeff_l1[smirk]", "aed_coeff_l1[smirk]/1"),
        ("aed_coeff_l2[deep3d64]/1", "aed_coeff_l2[deep3d64]/1"),
        ("emo_sim", "emo_sim/1"),
        ("id_sim", "id_sim/1"),
    ],
)
def test_ids(written, made):
    assert resolve(written).spec.id == made


@pytest.mark.parametrize("metric_id", list(METRICS))
def test_every_id_resolves_to_itself(metric_id):
    made = METRICS.get(metric_id)({}).spec.id.replace("MODEL", "smirk")
    assert resolve(made).spec.id == made


@pytest.mark.parametrize(
    ("cited", "ids"),
    [
        ("aed", ["aed_lmk_px512/1", "aed_lmk_iod/1", "aed_coeff_l1[MODEL]/1", "aed_coeff_l2[MODEL]/1"]),
        ("AED", ["aed_lmk_target_px512/1"]),
        ("AED/1", ["aed_lmk_px512/1"]),
        ("exp_sim", ["emo_sim/1"]),
        ("EXP-SIM", ["emo_sim/1"]),
        ("EMO-SIM", ["emo_sim/1"]),
        ("csim", ["id_sim/1"]),
        ("ID-SIM", ["id_sim/1"]),
        ("akd", ["akd_l1_px256/1"]),
        ("PSNR", ["psnr_mask/1", "psnr_black/1"]),
        ("ssim", ["ssim_mask/1", "ssim_black/1"]),
    ],
)
def test_cited_names_never_resolve(cited, ids):
    with pytest.raises(ConfigError) as caught:
        resolve(cited)
    assert all(metric_id in str(caught.value) for metric_id in ids)


def test_dlib_is_never_offered_as_id_sim():
    with pytest.raises(ConfigError) as caught:
        resolve("ID-SIM")
    assert "dlib" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("aed_lmk_px512/2", "the version here is 1: write aed_lmk_px512/1"),
        ("aed_lmk_px512/", "the version here is 1"),
        ("aed_lmk_512", "did you mean aed_lmk_px512"),
        ("aed_coeff_l1", r"name the model, as in aed_coeff_l1\[smirk\]"),
        ("id_sim[smirk]", "no forms per face model"),
        ("aed_coeff_l1[a b]", "metric aed_coeff_l1: option 'model'"),
        ("", "write a name"),
        ("aed_coeff_l1[smirk", "write a name"),
    ],
)
def test_mistakes_are_explained(written, message):
    with pytest.raises(ConfigError, match=message):
        resolve(written)


def test_unknown_options_are_refused():
    with pytest.raises(ConfigError, match="metric id_sim: option 'pack'"):
        resolve("id_sim", {"pack": "buffalo_l"})


def test_a_face_model_may_be_named_in_either_place_but_not_two():
    named = resolve("aed_coeff_l1[smirk]")
    assert resolve("aed_coeff_l1", {"model": "smirk"}).spec == named.spec
    assert resolve("aed_coeff_l1[smirk]", named.options).spec == named.spec
    with pytest.raises(ConfigError, match="option 'model' says 'deca'"):
        resolve("aed_coeff_l1[smirk]", {"model": "deca"})


def test_a_plugin_cannot_take_a_cited_name(monkeypatch):
    monkeypatch.setitem(METRICS._added, "aed", METRICS.get("id_sim"))
    with pytest.raises(ConfigError, match="papers cite"):
        resolve("aed")


def names(kind, features, **options):
    return {metric.spec.id for metric in default_metrics(kind, features, **options)}


def test_defaults_follow_the_benchmark():
    assert names(SuiteKind.CROSS_IMAGE, DLIB, targets=False) == {
        "id_dlib_l2/1",
        "leak_dlib_l2/1",
        "aed_lmk_px512/1",
        "aed_lmk_iod/1",
        "akd_l1_px256/1",
        "sharpness_ratio/1",
    }
    self_video = names(SuiteKind.SELF_VIDEO, DLIB | {"emotion", "identity/arcface"})
    assert {"psnr_mask/1", "ssim_mask/1", "psnr_black/1", "ssim_black/1", "emo_sim/1"} <= self_video
    assert not {"id_sim/1", "id_dlib_l2/1", "aed_lmk_target_px512/1"} & self_video
    assert "emo_sim/1" not in names(SuiteKind.CROSS_IMAGE, DLIB | {"emotion"})
    assert names(SuiteKind.CROSS_VIDEO, set()) == set()


def test_defaults_take_every_face_model_at_hand():
    found = names(SuiteKind.CROSS_VIDEO, {"coefficients/smirk", "coefficients/deep3d64"})
    expected = {f"aed_coeff_{norm}[{model}]/1" for norm in ("l1", "l2") for model in ("smirk", "deep3d64")}
    assert found == expected


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.spec.id)
def test_explanations_say_it_all(metric):
    text = explain(metric)
    assert text.startswith(metric.spec.id)
    words = " ".join(text.split())
    assert " ".join(metric.spec.definition.split())[:60] in words
    assert metric.spec.unit in words
    assert ("better higher" in words) == metric.spec.higher_is_better
    assert all(alias in words for alias in metric.spec.aliases)
    assert max(map(len, text.splitlines())) <= 120
