"""The run does what is missing and nothing else, and shows each frame to each face model once."""

from __future__ import annotations

import gc
import weakref
from collections import Counter

import numpy as np
import pytest

from portraitbench.core.errors import AssetError, ConfigError, StoreError
from portraitbench.datasets.media import read_output, write_image
from portraitbench.harness.plan import make_plan, replan_metrics
from portraitbench.harness.run_file import load_plan, load_run
from portraitbench.harness.runner import Runner
from portraitbench.harness.stages.jobs import Source
from portraitbench.harness.store import Store, read_lines
from portraitbench.reports.records_frame import tidy

METHODS = ["copy-identity", "copy-driving", "toy"]


class Tally:
    """Progress that counts what each stage did."""

    def __init__(self) -> None:
        self.performed: Counter[str] = Counter()
        self._stage = ""

    def begin(self, device, *, found):
        assert device == "cpu"

    def stage(self, name, total, reused):
        self._stage = name

    def step(self, done, total, figures):
        raise AssertionError("no method here has steps")

    def done(self, records):
        self.performed[self._stage] += 1


@pytest.fixture
def run(make_session):
    """Run with these fields; returns the session and what each stage did."""

    def carry_out(**fields):
        session, tally = make_session(**fields), Tally()
        summary = Runner(session, tally).run()
        assert summary.performed == sum(tally.performed.values())
        return session, tally.performed

    return carry_out


def records(session) -> dict[tuple[str, str], dict[str, object]]:
    store = Store(session.config.folder)
    store.load()
    return store.records


def test_every_output_is_made_looked_at_and_scored(run):
    session, performed = run(methods=METHODS)
    # Three drivings and one identity image; the copies are frames that were seen before, but files of their own.
    assert performed == {"observe inputs": 4, "generate": 9, "observe outputs": 7, "score": 9}
    frame = tidy(session.config.folder)
    assert set(frame["status"]) == {"ok"}
    assert len(frame) == sum(len(item.metrics) for item in make_plan(session))


def test_the_second_time_there_is_nothing_to_do(run, perform):
    run(methods=METHODS)
    session, summary = perform(methods=METHODS)
    lines = len(list(read_lines(session.config.folder / "records" / "1-of-1.jsonl")))
    assert summary.performed == 0
    assert summary.reused == 4 + 9 + 7 + 9
    assert not summary.calls
    perform(methods=METHODS)
    assert len(list(read_lines(session.config.folder / "records" / "1-of-1.jsonl"))) == lines


@pytest.mark.parametrize("damage", ["deleted", "truncated", "changed"])
def test_a_lost_output_is_made_again_and_no_other(run, damage):
    session, _ = run(methods=METHODS)
    folder = session.config.folder / "outputs" / "tiny" / "i0__d1"
    path = folder / "toy.png"
    data = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "truncated" else data[:-1] + b"\0")
    times = {other: other.stat().st_mtime_ns for other in folder.parent.rglob("*.png") if other != path}
    _, performed = run(methods=METHODS)
    assert performed == {"generate": 1}
    assert path.read_bytes() == data
    assert times == {other: other.stat().st_mtime_ns for other in times}


def test_a_lost_canvas_is_made_again(run):
    session, _ = run(methods=["toy:canvas=true"])
    (session.config.folder / "outputs" / "tiny" / "i0__d1" / "toy.canvas.png").unlink()
    assert run(methods=["toy:canvas=true"])[1] == {"generate": 1}


def test_another_method_costs_its_own_work_only(run):
    run(methods=["copy-identity"])
    assert run(methods=["copy-identity", "toy"])[1] == {"generate": 3, "observe outputs": 3, "score": 3}


def test_more_metrics_are_computed_without_looking_again(run):
    # id_sim needs an embedding that aed_lmk did not: the clips are shown again, for that model only.
    run(methods=["toy"], metrics=["aed_lmk_px512"])
    session, performed = run(methods=["toy"], metrics=["aed_lmk_px512", "aed_lmk_iod"])
    assert performed == {"score": 3}
    frame = tidy(session.config.folder)
    assert set(frame["metric"]) == {"aed_lmk_px512/1", "aed_lmk_iod/1"}
    assert set(frame["status"]) == {"ok"}


def test_a_metric_option_rescores_that_metric_only(run, make_suite, tmp_path):
    suite = make_suite(tmp_path / "self", "self-video")
    run(suite=suite, methods=["toy"], metrics=["psnr_mask", "emo_sim"])
    session, performed = run(suite=suite, methods=["toy"], metrics=["psnr_mask:mask=hull", "emo_sim"])
    assert performed == {"score": 3}
    scored = [record["metric"] for (stage, _), record in records(session).items() if stage == "score"]
    assert Counter(scored) == {"psnr_mask/1": 6, "emo_sim/1": 3}


def test_other_weights_look_and_score_again_but_do_not_generate(run):
    run(methods=METHODS)
    _, performed = run(methods=METHODS, faces=["toy:weights=other"])
    assert performed == {"observe inputs": 4, "observe outputs": 7, "score": 9}


def test_scoring_alone_generates_nothing_and_leaves_lost_outputs_for_later(run, make_session):
    session, _ = run(methods=METHODS, metrics=["id_sim"])
    (session.config.folder / "outputs" / "tiny" / "i0__d1" / "toy.png").unlink()
    again = make_session(methods=METHODS, metrics=["aed_lmk_px512"])
    plan = replan_metrics(again, load_plan(session.config.folder, load_run(session.config.folder)))
    summary = Runner(again, plan=plan).run()
    assert summary.failures == {"missing": 1}
    frame = tidy(session.config.folder)
    bad = frame[frame["status"] != "ok"]
    assert list(zip(bad["case"], bad["method"], bad["status"], strict=True)) == [("i0__d1", "toy", "missing")]
    run(methods=METHODS, metrics=["aed_lmk_px512"])
    assert set(tidy(session.config.folder)["status"]) == {"ok"}


@pytest.mark.parametrize("workers", [1, 2])
def test_each_frame_is_shown_to_each_model_once(make_suite, tmp_path, perform, workers):
    """Counted in the model itself: over inputs, outputs, cases, methods, and the method that asks for landmarks."""
    log = tmp_path / "log"
    suite = make_suite(tmp_path / "suite", "cross-video", identities=2, drivings=2)
    fields = {"suite": suite, "methods": [*METHODS, "warp"], "faces": [f"toy:log={log}"]}
    session, summary = perform(**fields)
    inputs, outputs = set(), set()
    for case in session.media.suites[0].suite.cases():
        for window in (case.identity, case.driving):
            inputs.update(session.media.load("tiny", window).frame_digests)
    for (stage, _), record in records(session).items():
        if stage == "generate":
            digests = read_output(session.config.folder / record["output"]["path"]).frame_digests
            assert not record["method"].startswith("copy-") or inputs.issuperset(digests)
            outputs.update(digests)
    frames = inputs | outputs
    seen = Counter(log.read_text().splitlines())
    assert {line.split()[1] for line in seen} == frames
    for model in ("detect", "landmarks", "embed", "emotion", "coefficients"):
        assert sum(count for line, count in seen.items() if line.startswith(f"{model} ")) == len(frames)
    assert summary.calls["toy.detect"] == len(frames)
    size = log.stat().st_size
    assert not perform(**fields)[1].calls
    assert log.stat().st_size == size


def test_another_run_with_the_same_cache_is_shown_nothing_again(perform):
    perform(methods=METHODS, name="first")
    _, summary = perform(methods=METHODS, name="second")
    assert summary.performed == 4 + 9 + 7 + 9
    assert not summary.calls


def test_retry_failed_does_crashes_again_and_nothing_else(run, perform):
    methods = ["bad:how=raise,only=i0__d1", "bad:how=face,only=i0__d1,as=faceless", "toy"]
    _, summary = perform(methods=methods)
    assert summary.failures == {"crash": 1, "no_face": 1}
    assert run(methods=methods)[1] == {}
    assert run(methods=methods, retry_failed=True)[1] == {"generate": 1}


def test_a_failed_case_that_succeeds_later_is_scored(run, monkeypatch):
    methods = ["bad:how=raise,only=i0__d1"]
    session, _ = run(methods=methods)
    monkeypatch.setattr(type(session.method("bad")), "_raise", lambda self, inputs: self._slow(inputs))
    _, performed = run(methods=methods, retry_failed=True)
    assert performed == {"generate": 1, "observe outputs": 1, "score": 1}
    assert set(tidy(session.config.folder)["status"]) == {"ok"}


def test_shards_together_are_the_whole_run(run, make_session):
    whole, _ = run(methods=METHODS, name="whole")
    for shard in ("2/3", "1/3", "3/3"):
        part, _ = run(methods=METHODS, name="parts", shard=shard)
    columns = ["suite", "case", "method", "metric", "frame", "value", "status"]
    left, right = tidy(whole.config.folder)[columns], tidy(part.config.folder)[columns]
    assert left.equals(right)
    assert len(list((part.config.folder / "records").iterdir())) == 3


def test_results_do_not_depend_on_the_order_of_cases(run):
    whole, _ = run(methods=["toy:noise=true"], name="whole")
    for case in ("i0__d2", "i0__d0", "i0__d1"):
        part, _ = run(methods=["toy:noise=true"], name="parts", cases=[case])
    by_key = {key: record["output"]["sha256"] for key, record in records(whole).items() if key[0] == "generate"}
    parts = {key: record["output"]["sha256"] for key, record in records(part).items() if key[0] == "generate"}
    assert by_key == parts
    assert len(set(by_key.values())) == 3


def test_two_rows_of_one_method_share_the_work(run):
    session, performed = run(methods=["toy", "toy:as=again"])
    assert performed == {"observe inputs": 4, "generate": 3, "observe outputs": 3, "score": 3}
    frame = tidy(session.config.folder)
    first, second = (frame[frame["method"] == label]["value"].to_numpy() for label in ("toy", "again"))
    assert np.array_equal(first, second)


def test_two_suites_of_one_name_are_refused(make_session, make_suite, tmp_path):
    suites = [str(make_suite(tmp_path / folder)) for folder in ("a", "b")]
    with pytest.raises(ConfigError, match="two manifests are called 'tiny'"):
        make_plan(make_session(suites=suites))


def test_a_run_that_another_process_writes_is_left_alone(make_session, perform):
    session, _ = perform(methods=["toy"])
    before = (session.config.folder / "run.json").read_bytes()
    with Store(session.config.folder).writing(), pytest.raises(StoreError, match="another process"):
        Runner(make_session(methods=["toy:mix=0.9"])).run()
    assert (session.config.folder / "run.json").read_bytes() == before


def test_a_changed_input_that_the_manifest_does_not_know_stops_the_run(make_session, make_suite, tmp_path):
    suite = make_suite(tmp_path / "suite")
    write_image(tmp_path / "suite" / "d1.png", np.full((64, 64, 3), 5, np.uint8))
    with pytest.raises(AssetError, match=r"asset d1: .*has changed"):
        Runner(make_session(suite)).run()


def test_frames_of_a_scored_case_are_free_at_once_not_when_the_garbage_collector_comes(run, monkeypatch):
    """It counts objects, and not that each of these is the gigabytes of a long clip."""
    loaded, alive_at_load = [], []
    load = Source.load

    def watched(source, session):
        alive_at_load.append(sum(clip() is not None for clip in loaded))
        clip = load(source, session)
        if source.path is not None:  # those of assets are kept on purpose, a few of them
            loaded.append(weakref.ref(clip))
        return clip

    monkeypatch.setattr(Source, "load", watched)
    gc.collect()
    gc.disable()
    try:
        run(methods=METHODS)
    finally:
        gc.enable()
    assert len(loaded) >= len(METHODS)
    assert max(alive_at_load) <= 1
    assert not any(clip() for clip in loaded)
