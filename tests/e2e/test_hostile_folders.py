"""Run folders that were tampered with or are in use: one line that names the file, and the fix."""

from __future__ import annotations

import json
import re

import pytest

from portraitbench.harness.store import Store


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "5", "{}", '{"config": []}', '{"config": {}}', "[" * 100_000, b"\xff"], ids=str
)
def test_a_damaged_run_file_is_named_and_the_run_command_mends_it(finished, refused, bench, text):
    folder, arguments = finished
    (folder / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    for verb in ("report", "score"):
        assert re.search(r"run .*run\.json is (not JSON|damaged)", refused(verb, folder))
    outcome = bench(*arguments)
    assert outcome.code == 0
    assert ", 0 done" in outcome.out
    assert bench("report", folder).code == 0


def drop_field(path, *names: str) -> None:
    data = json.loads(path.read_text())
    part = data
    for name in names[:-1]:
        part = part[name] if isinstance(part, dict) else part[int(name)]
    del part[names[-1]]
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    "names",
    [("suites",), ("backends", "0", "grade"), ("metrics", "id_sim/1"), ("provenance",), ("suites", "tiny")],
    ids=".".join,
)
def test_a_run_file_that_lacks_something_is_named(finished, refused, names):
    folder, _ = finished
    drop_field(folder / "run.json", *names)
    assert re.search(r"run .*run\.json (is damaged|and plan\.jsonl are of different)", refused("report", folder))


@pytest.mark.parametrize("line", ["nonsense", "5", "{}", '{"suite": "tiny"}', '{"metrics": [{"spec": 5}]}'])
def test_a_damaged_plan_is_named_and_the_run_command_mends_it(finished, refused, bench, line):
    folder, arguments = finished
    with (folder / "plan.jsonl").open("a") as file:
        file.write(line + "\n")
    for verb in ("report", "score"):
        assert re.search(r"plan\.jsonl: ", refused(verb, folder))
    assert bench(*arguments).code == 0
    assert bench("report", folder).code == 0


def test_a_plan_that_is_gone_is_named(finished, refused):
    folder, _ = finished
    (folder / "plan.jsonl").unlink()
    for verb in ("report", "score"):
        assert "no plan.jsonl there" in refused(verb, folder)


def test_a_plan_of_another_suite_is_named(finished, refused):
    folder, _ = finished
    plan = folder / "plan.jsonl"
    plan.write_text(plan.read_text().replace('"suite":"tiny"', '"suite":"huge"'))
    for verb in ("report", "score"):
        assert re.search(r"suite 'huge'|different commands", refused(verb, folder))


@pytest.mark.parametrize("line", ["garbage", "{}", '{"stage": "generate", "key": "k", "status": "ok", "reason": ""}'])
def test_records_edited_by_hand_are_named(finished, refused, line):
    folder, arguments = finished
    path = folder / "records" / "1-of-1.jsonl"
    before = path.read_text()
    path.write_text(before + line + "\n")
    for command in (arguments, ["report", folder], ["score", folder]):
        assert re.search(r"1-of-1\.jsonl: line \d+: .*edited by hand", refused(*command))
    assert path.read_text() == before + line + "\n"


def test_a_record_cut_in_two_is_work_done_again(finished, bench):
    folder, arguments = finished
    path = folder / "records" / "1-of-1.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert ", 1 done" in bench(*arguments).out


def test_a_record_that_points_out_of_the_run_folder_is_refused(finished, refused):
    folder, arguments = finished
    path = folder / "records" / "1-of-1.jsonl"
    path.write_text(path.read_text().replace('"outputs/tiny/i0__d1/toy.png"', '"../../../suite/d1.png"'))
    assert "leaves the run folder" in refused(*arguments)


def test_a_run_folder_in_use_is_named(finished, refused):
    folder, arguments = finished
    with Store(folder).writing():
        assert re.search(r"run .*tiny: another process is writing 1-of-1\.jsonl", refused(*arguments))
