"""The plan: which work there is, and that its keys change with what decides a result and with nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from portraitbench.core.digest import canonical_json, digest, file_sha256
from portraitbench.core.errors import ConfigError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output
from portraitbench.harness.plan import PlanItem, in_shard, make_plan, plan_lines, spread

METHODS = ["copy-driving", "warp", "toy"]


def keys(session) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str, str], str]]:
    """Keys of the outputs by case and method, and bases of the scores by case, method and metric."""
    plan = make_plan(session)
    outputs = {(item.case, item.method): item.key for item in plan}
    scores = {(item.case, item.method, part.id): part.base for item in plan for part in item.metrics}
    return outputs, scores


def changed(before, after) -> list[set[object]]:
    """Which outputs and which scores have other keys."""
    return [{name for name in old if old[name] != new[name]} for old, new in zip(before, after, strict=True)]


@given(count=st.integers(2, 400), data=st.data())
def test_spread_chooses_distinct_rows_in_order(count, data):
    limit = data.draw(st.integers(1, count))
    rows = spread(count, limit)
    assert rows == sorted(set(rows))
    assert len(rows) == limit
    assert 0 <= rows[0] <= rows[-1] < count


def test_a_part_of_the_papers_crossed_suite_covers_identities_and_drivings():
    for limit in (20, 40):
        identities, drivings = zip(*(divmod(row, 20) for row in spread(200, limit)), strict=True)
        assert len(set(identities)) == 10
        assert len(set(drivings)) >= 13


@given(cases=st.integers(1, 30), methods=st.integers(1, 3), count=st.integers(1, 8))
def test_shards_are_a_partition_into_whole_cases(cases, methods, count):
    plan = [
        PlanItem("s", f"c{case}", "i", "d", f"m{method}", "", f"{case}/{method}", ())
        for case in range(cases)
        for method in range(methods)
    ]
    shards = [list(in_shard(plan, index, count)) for index in range(count)]
    assert sorted((item for shard in shards for item in shard), key=plan.index) == plan
    owners = [{item.case for item in shard} for shard in shards]
    assert sum(map(len, owners)) == cases
    assert max(map(len, owners)) - min(map(len, owners)) <= 1


def test_items_survive_the_plan_file(make_session):
    plan = make_plan(make_session(methods=METHODS, baseline="copy-identity"))
    assert [PlanItem.from_record(item.as_record()) for item in plan] == plan
    assert plan_lines(plan) == [canonical_json(item.as_record()) + "\n" for item in plan]
    assert [item.key for item in plan] == [digest(item.fingerprint) for item in plan]
    assert all(part.base == digest(part.fingerprint) for item in plan for part in item.metrics)
    assert [item.baseline for item in plan[:4]] == ["", *["copy-identity"] * 3]


def test_keys_are_the_same_in_another_process_of_thought(make_session):
    assert keys(make_session(methods=METHODS)) == keys(make_session(methods=METHODS))


@pytest.mark.parametrize(
    "fields",
    [
        {"workers": 3},
        {"name": "other"},
        {"out": "elsewhere"},
        {"shard": "2/2"},
        {"retry_failed": True},
        {"fail_on_error": True},
        {"case_timeout": 5.0},
        {"cache": "other-cache"},
    ],
    ids=str,
)
def test_what_does_not_decide_a_result_changes_no_key(make_session, tmp_path, monkeypatch, fields):
    monkeypatch.chdir(tmp_path)
    assert keys(make_session(methods=METHODS, **fields)) == keys(make_session(methods=METHODS))


def test_a_label_changes_no_key(make_session):
    plain, labelled = make_plan(make_session(methods=["toy"])), make_plan(make_session(methods=["toy:as=mine"]))
    assert [item.key for item in plain] == [item.key for item in labelled]
    assert [item.metrics for item in plain] == [item.metrics for item in labelled]


@pytest.mark.parametrize("fields", [{"seed": 1}, {"threads": 2}, {"device": "cuda"}], ids=str)
def test_what_decides_every_output_changes_every_output_key(make_session, fields):
    before, after = keys(make_session(methods=METHODS)), keys(make_session(methods=METHODS, **fields))
    outputs, scores = changed(before, after)
    assert outputs == set(before[0])
    # The seed reaches a score through the output alone; threads and device also change what the metrics see.
    assert scores == (set() if "seed" in fields else set(before[1]))


def test_an_option_changes_the_outputs_of_its_method(make_session):
    before = keys(make_session(methods=METHODS))
    outputs, scores = changed(before, keys(make_session(methods=["copy-driving", "warp", "toy:mix=0.25"])))
    assert {method for _, method in outputs} == {"toy"}
    assert not scores


def test_the_face_models_change_the_scores_and_the_methods_that_ask_them(make_session):
    before = keys(make_session(methods=METHODS))
    outputs, scores = changed(before, keys(make_session(methods=METHODS, faces=["toy:weights=other"])))
    assert {method for _, method in outputs} == {"warp"}
    assert scores == set(before[1])


def test_a_metric_option_changes_the_scores_of_that_metric(make_session, make_suite, tmp_path):
    suite = make_suite(tmp_path / "self", "self-video", name="self")
    sessions = [make_session(suite, metrics=[f"psnr_mask:mask={mask}", "ssim_mask"]) for mask in ("box", "hull")]
    outputs, scores = changed(*map(keys, sessions))
    assert not outputs
    assert {metric for _, _, metric in scores} == {"psnr_mask/1"}


def test_the_content_of_an_asset_changes_its_own_cases(make_session, make_suite, tmp_path):
    manifest = make_suite(tmp_path / "suite")
    before = keys(make_session(methods=METHODS))
    path = write_output(tmp_path / "suite" / "d1", Clip.from_image(np.full((64, 64, 3), 128, np.uint8)))
    data = yaml.safe_load(manifest.read_text())
    data["assets"]["d1"] |= {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    manifest.write_text(yaml.safe_dump(data))
    outputs, scores = changed(before, keys(make_session(methods=METHODS)))
    assert {case for case, _ in outputs} == {"i0__d1"}
    assert len(outputs) == len(METHODS)
    assert {case for case, _, _ in scores} == {"i0__d1"}


@pytest.mark.parametrize("change", [{"size": 96}, {"drivings": [{"id": "d0", "asset": "d1"}]}], ids=["size", "window"])
def test_framing_and_window_change_the_keys(make_session, make_suite, tmp_path, change):
    before = keys(make_session(make_suite(tmp_path / "a", drivings=2), methods=METHODS))
    other = make_suite(tmp_path / "b", drivings=2, edit=lambda data: data.update(change))
    after = keys(make_session(other, methods=METHODS))
    assert not set(before[0].values()) & set(after[0].values())


def test_a_result_made_elsewhere_changes_the_key_of_its_own_case(make_session, tmp_path):
    session = make_session()
    folder = tmp_path / "theirs"
    for case in ("i0__d0", "i0__d1"):
        write_output(folder / case, Clip.from_image(np.full((64, 64, 3), 90, np.uint8)))
    method = {"name": "outputs", "label": "theirs", "options": {"dir": str(folder)}}
    before = keys(make_session(methods=[method]))
    write_output(folder / "i0__d1", Clip.from_image(np.full((64, 64, 3), 91, np.uint8)))
    write_output(folder / "i0__d2", Clip.from_image(np.full((64, 64, 3), 92, np.uint8)))
    outputs, _ = changed(before, keys(make_session(methods=[method])))
    assert {case for case, _ in outputs} == {"i0__d1", "i0__d2"}
    assert session.config.methods


def test_cases_are_chosen_by_pattern_and_limit(make_session, make_suite, tmp_path):
    suite = make_suite(tmp_path / "suite", identities=3, drivings=4)

    def chosen(**fields: object) -> list[str]:
        return [item.case for item in make_plan(make_session(suite, methods=["toy"], **fields))]

    assert len(chosen()) == 12
    assert chosen(cases=["i1__*", "i0__d0"]) == ["i0__d0", "i1__d0", "i1__d1", "i1__d2", "i1__d3"]
    assert len(chosen(limit=4)) == 4
    assert len(chosen(limit=99)) == 12
    with pytest.raises(ConfigError, match=r"nothing matches 'i7__\*'.*bench suites show"):
        chosen(cases=["i0__d0", "i7__*"])


def test_metrics_of_the_true_frame_apply_where_it_is_known(make_session, make_suite, tmp_path):
    def metrics(kind: str) -> set[str]:
        plan = make_plan(make_session(make_suite(tmp_path / kind, kind, name=kind), methods=["toy"]))
        return {part.id.partition("/")[0] for item in plan for part in item.metrics}

    pixel = {"psnr_mask", "ssim_mask", "psnr_black", "ssim_black"}
    assert pixel <= metrics("self-video")
    assert not pixel & (metrics("cross-image") | metrics("cross-video"))


def test_metrics_that_nobody_can_compute_are_named(make_session):
    with pytest.raises(ConfigError, match=r"metric id_dlib_l2: needs identity/dlib128.*\[toy\].*--faces"):
        make_plan(make_session(metrics=["id_dlib_l2"]))
