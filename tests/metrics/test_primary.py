"""Primary metrics: those of the benchmarks exist and apply, a run records them, and a configuration may name others."""

from __future__ import annotations

import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.harness.run_file import load_run
from portraitbench.metrics.primary import PRIMARY, primary_ids, unmeasured
from portraitbench.metrics.resolve import explain, left_out, resolve


@pytest.mark.parametrize("kind", list(SuiteKind))
def test_every_choice_is_a_metric_of_its_benchmark(kind):
    for column in PRIMARY[kind]:
        for name in column.choices:
            assert kind in resolve(name).spec.kinds, name


def test_the_columns_are_those_of_the_papers_table():
    assert {kind: [column.title for column in columns] for kind, columns in PRIMARY.items()} == {
        "cross-image": ["ID-SIM", "AED"],
        "cross-video": ["ID-SIM", "EMO-SIM", "AED"],
        "self-video": ["PSNR", "SSIM"],
    }


def test_a_column_without_a_metric_is_told():
    measured = ["id_dlib_l2/1", "leak_dlib_l2/1", "aed_lmk_px512/1"]
    assert primary_ids(SuiteKind.CROSS_VIDEO, measured) == ["id_dlib_l2/1", "aed_lmk_px512/1"]
    assert [column.title for column in unmeasured(SuiteKind.CROSS_VIDEO, measured)] == ["EMO-SIM"]
    assert primary_ids(SuiteKind.CROSS_VIDEO, measured, ["leak_dlib_l2", "no_such"]) == ["leak_dlib_l2/1"]


def test_what_is_left_out_has_a_reason():
    measured, features = ["aed_lmk_px512/1", "aed_coeff_l1[smirk]/1"], ["landmarks", "coefficients/smirk"]
    reasons = left_out(SuiteKind.CROSS_VIDEO, measured, features, targets=False)
    assert reasons["emo_sim/1"] == "needs emotion, which none of the run's face backends gives"
    assert reasons["aed_lmk_target_px512/1"] == "needs targets, and the suite knows none"
    assert reasons["aed_lmk_iod/1"] == "not asked for"
    assert not {"aed_lmk_px512/1", "aed_coeff_l1[MODEL]/1"} & reasons.keys()


def test_explain_tells_where_a_metric_is_primary():
    assert "cross-image (as ID-SIM, without id_sim), cross-video (as ID-SIM" in explain(resolve("id_dlib_l2"))
    assert "primary in  no benchmark" in explain(resolve("aed_lmk_iod"))
    assert "self-video (as PSNR)" in explain(resolve("psnr_mask"))


def test_a_run_records_its_primary_metrics_and_what_was_left_out(perform, bench):
    session, _ = perform(methods=["copy-driving", "toy"])
    run = load_run(session.config.folder)
    assert run.primary == {"tiny": ["id_sim/1", "aed_lmk_px512/1"]}
    assert run.method_roles == {"copy-driving": "control", "toy": "competitor"}
    assert run.left_out["tiny"]["id_dlib_l2/1"].startswith("needs identity/dlib128")
    assert bench("report", session.config.folder).code == 0
    page = (session.config.folder / "report" / "index.md").read_text()
    assert "| tiny | id_dlib_l2/1 | needs identity/dlib128, which none" in page


def test_a_configuration_names_its_own_primary_metrics(perform):
    session, _ = perform(methods=["toy"], primary=["akd_l1_px256"])
    assert load_run(session.config.folder).primary == {"tiny": ["akd_l1_px256/1"]}
    with pytest.raises(ConfigError, match=r"^primary: 'emo_sim' is not measured in this run: name one of .*akd_l1"):
        perform(methods=["toy"], primary=["emo_sim"], name="other")
