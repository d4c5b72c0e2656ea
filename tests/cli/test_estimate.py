"""``bench estimate``: from records where there are any, else from a probe, and which of the two is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from portraitbench.cli import estimate as command
from portraitbench.harness import estimate as estimating
from portraitbench.harness import plan
from portraitbench.harness.estimate import estimate, probe
from portraitbench.harness.plan import make_plan

METHODS = [{"name": "toy", "label": "slow"}, {"name": "copy-driving"}]


def retold(folder, change):
    """Write the records of a run again, changed."""
    path = next((folder / "records").glob("*.jsonl"))
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(record | change(record)) + "\n" for record in records))


@pytest.fixture
def earlier(perform):
    """A run of one of three cases, in which each look took no time and each output of the slow method ten seconds."""
    session, _ = perform(methods=METHODS, cases=["i0__d0"], metrics=["id_sim"], name="earlier")
    folder = session.config.folder
    retold(
        folder,
        lambda record: {
            "seconds": 10.0 if record.get("method") == "slow" and record["stage"] == "generate" else 0.0,
            "peak_bytes": 7 * 2**20,
        },
    )
    return folder


def test_records_of_the_same_method_are_taken_per_output(make_session, earlier):
    session = make_session(methods=METHODS, metrics=["id_sim"], name="whole")
    slow, copy = estimate(session, make_plan(session))
    assert (slow.method, slow.outputs, slow.seconds, slow.peak_bytes) == ("slow", 3, 30.0, 7 * 2**20)
    assert slow.source == "1 output of earlier"
    size = (earlier / "outputs" / "tiny" / "i0__d0" / "slow.png").stat().st_size
    assert slow.disk_bytes == 3 * size
    assert (copy.outputs, copy.seconds) == (3, 0.0)


def test_what_is_done_is_not_counted(make_session, earlier):
    session = make_session(methods=METHODS, metrics=["id_sim"], name="earlier")
    assert [cost.outputs for cost in estimate(session, make_plan(session))] == [2, 2]


def test_other_numbers_of_frames_are_scaled(make_session, earlier):
    session = make_session(methods=METHODS, metrics=["id_sim"], name="long")
    items = make_plan(session)
    driving = {"driving": {**items[0].fingerprint["driving"], "frames": 6}}
    longer = [replace(item, key=f"{item.key}x", fingerprint={**item.fingerprint, **driving}) for item in items]
    assert estimate(session, longer)[0].seconds == pytest.approx(180)


@pytest.mark.parametrize("changes", [{"methods": [METHODS[0] | {"options": {"mix": 0.6}}]}, {"threads": 2}])
def test_other_options_or_threads_are_another_method(make_session, earlier, changes):
    session = make_session(**{"methods": METHODS[:1], "metrics": ["id_sim"], "name": "other", **changes})
    assert estimate(session, make_plan(session))[0].seconds is None


def test_records_of_another_machine_say_nothing(make_session, earlier):
    path = earlier / "run.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"provenance": data["provenance"] | {"system": "another"}}))
    session = make_session(methods=METHODS, metrics=["id_sim"], name="whole")
    assert {cost.seconds for cost in estimate(session, make_plan(session))} == {None}


def test_the_loading_of_networks_counts_once_for_each_process_not_for_each_output(make_session, perform):
    session, _ = perform(methods=METHODS, metrics=["id_sim"], name="three")
    seconds = iter([50.0, 2.0, 3.0])
    retold(
        session.config.folder,
        lambda record: {
            "seconds": next(seconds) if record["stage"] == "generate" and record["method"] == "slow" else 0.0
        },
    )
    other = make_session(methods=METHODS, metrics=["id_sim"], name="other", seed=1)
    assert estimate(other, make_plan(other))[0].seconds == pytest.approx(3 * 2.0)


def test_an_output_bears_its_own_scores_and_its_share_of_the_looks(make_session, perform):
    session, _ = perform(methods=METHODS[:1], cases=["i0__d0"], metrics=["id_sim"], name="one")
    retold(
        session.config.folder,
        lambda record: {"seconds": {"generate": 5.0, "observe": 1.0, "score": 0.25}[record["stage"]]},
    )
    records = [json.loads(line) for line in next((session.config.folder / "records").glob("*.jsonl")).open()]
    looks, scores = (sum(record["stage"] == stage for record in records) for stage in ("observe", "score"))
    other = make_session(methods=METHODS[:1], metrics=["id_sim"], name="other", seed=1)
    assert estimate(other, make_plan(other))[0].seconds == pytest.approx(3 * (5.0 + looks + 0.25 * scores))


@pytest.mark.parametrize(
    ("cases", "workers", "chosen"),
    [
        ("a1", 1, "a1"),
        ("a1 a2 a3", 1, "a1"),
        ("a1 a2 a3 a4", 1, "a1 a2"),
        ("a1 a2 a3 a4 a5 a6 a7", 2, "a1 a2 a3"),
        ("a1 a2 a3 a4 b1 b2 c1", 1, "a1 a2 b1 c1"),
        ("a1 b1 b2 b3 b4", 1, "a1 b1"),
    ],
)
def test_the_first_cases_are_one_of_each_suite_and_more_of_the_first(cases, workers, chosen):
    named = [(name[0], name) for name in cases.split()]
    assert sorted(name for _, name in estimating._sample(named, workers)) == chosen.split()


def test_a_probe_makes_one_case_and_leaves_nothing(make_session, tmp_path):
    session = make_session(methods=METHODS, metrics=["id_sim"], name="new", limit=2)
    costs = probe(session, make_plan(session), ["slow"])
    assert [(cost.method, cost.outputs) for cost in costs] == [("slow", 2), ("copy-driving", 2)]
    assert all(cost.seconds > 0 and cost.source == "a probe of case i0__d0" for cost in costs)
    assert not (tmp_path / "runs").exists()


def test_the_command_says_which_and_a_long_run_says_it_before(bench, make_suite, tmp_path, monkeypatch):
    suite = make_suite(tmp_path / "suite")
    flags = ["-s", suite, "-m", "copy-driving", "-f", "toy", "--plugin", Path(__file__).parents[1] / "toys.py"]
    flags += ["--metric", "id_sim", "--out", tmp_path / "runs", "--cache", tmp_path / "cache"]
    first = bench("estimate", *flags)
    assert first.code == 0, first.err
    assert "no records of copy-driving here: a few cases are made as a probe" in first.out
    assert re.search(r"copy-driving: 3 outputs, [\d.]+ s, .* \(from a probe of case i0__d0\)", first.out)
    assert "in all" in first.out
    assert "in all" not in bench("run", *flags, "--name", "one").out
    monkeypatch.setattr(command, "MANY", 3)
    other = bench("run", *flags, "--name", "other", "--threads", "2").out
    assert "no records of copy-driving here: bench estimate" in other
    retold(tmp_path / "runs" / "one", lambda _: {"seconds": 250.0})
    second = bench("run", *flags, "--name", "two", "--seed", "1")
    assert second.code == 0, second.err
    assert re.search(r"copy-driving: 3 outputs, .* \(from 3 outputs of one\)\nin all \d+ min", second.out)
    monkeypatch.setattr(command, "LONG_SECONDS", 10**9)
    assert "in all" not in bench("run", *flags, "--name", "three", "--seed", "2").out


TOYS, FACES = (Path(__file__).parents[1] / name for name in ("toy_diffusion.py", "toys.py"))


QUICK = ["--set", "lora_targets=.*to_q", "--set", "regions=mouth"]


@pytest.fixture
def few(make_suite, tmp_path):
    """Flags of a run of three cases with a method that denoises."""
    suite = make_suite(tmp_path / "suite")
    flags = ["-s", suite, "-b", "toy-diffusion", "-f", "toy", "--plugin", TOYS, "--plugin", FACES, "--metric", "id_sim"]
    return [*flags, "--out", tmp_path / "runs", "--cache", tmp_path / "cache"]


def generated(folder):
    lines = [json.loads(line) for path in (folder / "records").glob("*.jsonl") for line in path.open()]
    return [(line["case"], line["method"]) for line in lines if line["stage"] == "generate"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_few_cases_of_an_unknown_tuner_begin_with_one_that_tells_the_time(bench, few, tmp_path, workers):
    flags = [*few, "-m", "toy-tuner", "--workers", workers]
    first = bench("run", *flags, "--name", "first")
    assert first.code == 0, first.err
    assert "no records of toy-diffusion, toy-diffusion+toy-tuner here: makes case i0__d0 first" in first.out
    source = "at most, that is: the time of case i0__d0 includes the loading of networks"
    assert re.search(r"in all [\d.]+ s on . workers?, .*\n" + source, first.out)
    assert first.out.index("in all") < first.out.index("generate: 4 to do, 2 reused")
    made = generated(tmp_path / "runs" / "first")
    assert len(made) == len(set(made)) == 6
    second = bench("run", *flags, "--name", "second", "--seed", "1")
    assert second.code == 0, second.err
    assert "to know how long" not in second.out
    assert "to know how long" not in bench("run", *flags, "--name", "first").out


def test_the_first_case_is_one_that_is_left_and_a_single_one_needs_none(bench, few, make_session, tmp_path):
    tuned = [*few, "-m", "toy-tuner:how=no-face,only=i0__d0"]
    single = bench("run", *tuned, "--case", "i0__d0", "--name", "one")
    assert "to know how long" not in single.out
    rest = bench("run", *tuned, "--name", "one")
    assert rest.code in (0, 1), rest.err
    assert "toy-tuner here: makes case i0__d1 first" in rest.out
    assert "in all" in rest.out
    sharded = bench("run", *few, "-m", "toy-tuner", "--shard", "1/2", "--name", "half", "--threads", "2")
    assert "to know how long" not in sharded.out


def test_a_long_ablation_tells_it_row_by_row(bench, few, monkeypatch):
    monkeypatch.setattr(command, "LONG_SECONDS", 0)
    few[few.index("toy-diffusion")] = "tiny-v"
    few[few.index("toy")] = "tiny"
    few[few.index(TOYS)] = TOYS.parent / "methods" / "strucbooth" / "tiny_generators.py"
    done = bench("ablate", "steps", *few, "--values", "1,2,3", *QUICK)
    assert done.code == 0, done.err
    assert "no records of tiny-v, tiny-v+steps=1, tiny-v+steps=2, 1 more here: makes case i0__d0 first" in done.out
    assert re.search(r"tiny-v\+steps=3: 2 outputs, .* \(from case i0__d0 of this run\)\nin all", done.out)


def test_results_made_elsewhere_are_alike_whatever_is_in_them(make_session, perform, tmp_path):
    perform(methods=["copy-driving"], cases=["i0__d0"], metrics=["id_sim"], name="made")
    results = tmp_path / "results"
    results.mkdir()
    for case in ("i0__d0", "i0__d1"):
        picture = (tmp_path / "runs" / "made" / "outputs" / "tiny" / "i0__d0" / "copy-driving.png").read_bytes()
        (results / f"{case}.png").write_bytes(picture)
    own = {"methods": [{"name": "outputs", "options": {"dir": str(results)}}], "metrics": ["id_sim"]}
    perform(**own, cases=["i0__d0"], name="scored")
    session = make_session(**own, name="more", cases=["i0__d0", "i0__d1"])
    assert estimate(session, make_plan(session))[0].seconds is not None


def test_a_folder_that_cannot_be_read_is_left_to_the_run(make_session, earlier):
    next((earlier / "records").glob("*.jsonl")).write_text("nonsense\n")
    session = make_session(methods=METHODS, metrics=["id_sim"], name="earlier")
    assert [cost.outputs for cost in estimate(session, make_plan(session))] == [3, 3]


def test_a_run_forms_its_plan_once_and_a_finished_one_reads_no_other_folder(bench, few, monkeypatch):
    formed, read = [], []
    items, load_run = plan._items, estimating.load_run
    monkeypatch.setattr(plan, "_items", lambda *given: formed.append(given[-1].id) or items(*given))
    monkeypatch.setattr(estimating, "load_run", lambda folder: read.append(folder.name) or load_run(folder))
    flags = [few[0], few[1], *few[4:], "-m", "copy-driving", "--name", "one", "--no-report"]
    assert bench("run", *flags).code == 0
    assert len(formed) == len(set(formed)) == 3
    assert read
    formed.clear(), read.clear()
    assert "score: 0 to do" in bench("run", *flags).out
    assert (len(formed), read) == (3, [])
