"""The forms of a gate's report: JUnit by its structure, the summary's length and hostile names."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from portraitbench.core.errors import Status
from portraitbench.reports.gate.baseline import load_baseline, save_baseline
from portraitbench.reports.gate.judge import judge
from portraitbench.reports.gate.junit import junit
from portraitbench.reports.gate.rules import parse_rule
from portraitbench.reports.gate.summary import LONGEST, MARKER, as_json, lines, summary

from .conftest import changed, noisy_run


def crowded(before, after, reason="why"):
    """One of everything: a regression, an undecided check, a failed, a missing and a new case."""
    worse = changed(after, lambda row: {"values": row.values | {"aed/1": row.values["aed/1"] + 1}})
    failing = {"status": Status.CRASH, "reason": reason, "values": {}}
    rows = [
        row.model_copy(update=failing) if row.case == "i0__d0" else row for row in worse.rows if row.case != "i1__d1"
    ]
    new = rows[0].model_copy(update={"case": "i9__d9", "status": Status.OK, "reason": ""})
    report_rows = worse.model_copy(update={"rows": [*rows, new]})
    rules = [parse_rule(text) for text in ("aed<=+2% sig", "sim>=-0.000001 sig", "time<=1.5x")]
    return judge(before, report_rows, rules, {("s", "ours", "i2__d2"): "outputs/x.png"}, "b.json")


def check_junit(text):
    """What readers of JUnit files rely on: names, counts that agree with the tests, at most one outcome per test."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    for node in (root, *root):
        tests = list(node.iter("testcase"))
        assert int(node.attrib["tests"]) == len(tests)
        assert int(node.attrib["failures"]) == sum(test.find("failure") is not None for test in tests)
        assert int(node.attrib["errors"]) == sum(test.find("error") is not None for test in tests)
    for test in root.iter("testcase"):
        assert test.attrib.keys() == {"classname", "name", "time"}
        assert test.attrib["name"]
        assert len(test) == 1
        assert test[0].tag in ("failure", "error", "system-out")
        assert test[0].tag == "system-out" or test[0].attrib.keys() == {"type", "message"}
    return root


def test_junit_has_a_test_per_check_and_per_case_that_is_gone(before, after):
    report = crowded(before, after)
    root = check_junit(junit(report))
    kinds = {
        outcome: [test for test in root.iter("testcase") if test[0].get("type") == outcome]
        for outcome in ("regressed", "undecided", "incomplete")
    }
    assert len(list(root.iter("testcase"))) == len(report.checks) + len(report.failed) + len(report.missing)
    assert {test.attrib["name"] for test in kinds["incomplete"]} == {"i1__d1"}
    assert {test.attrib["name"] for test in kinds["regressed"]} >= {"aed<=+2% sig [aed/1]", "i0__d0"}
    assert kinds["undecided"]
    settings = after.model_copy(update={"settings": after.settings | {"seed": 4}})
    only = check_junit(junit(judge(before, settings, [parse_rule("aed<=+2%")])))
    assert [(test.get("name"), test[0].get("type")) for test in only.iter("testcase")] == [("seed", "not comparable")]


def test_a_hostile_reason_stays_text(before, after):
    reason = "</failure><script>\x00\x1b[31m`|\n# title \ud800"
    report = crowded(before, after, reason)
    check_junit(junit(report))
    text = summary(report)
    assert "\n# title" not in text
    assert text.count("`") % 2 == 0
    assert all(line.isprintable() for line in lines(report))
    text.encode()


def test_the_summary_begins_with_the_verdict_and_names_everything(before, after):
    report = crowded(before, after)
    text = summary(report, "..")
    first, _, marker = text.splitlines()[:3]
    assert first == f"❌ **Gate {report.sentence}**"
    assert marker == MARKER
    for said in ("i0__d0", "i1__d1", "i9__d9", "new outputs, not judged", "(<../outputs/x.png>)"):
        assert said in text
    assert json.loads(as_json(report))["checks"][0]["rule"]["text"] == "aed<=+2% sig"


def test_a_summary_fits_a_comment():
    before, after = (noisy_run(seed, noise=0.1, identities=2, drivings=3) for seed in (0, 1))
    many = {f"metric{index}/1": index / 7 for index in range(600)}
    facts = dict.fromkeys(many, before.metrics["aed/1"])
    runs = [
        run.model_copy(update={"metrics": facts, "rows": [row.model_copy(update={"values": many}) for row in run.rows]})
        for run in (before, after)
    ]
    text = summary(judge(*runs, [parse_rule("loss(*)<=1%")]))
    assert 50_000 < len(text) < LONGEST + 100
    assert text.endswith("(cut; all of it is in gate.json)\n")


def test_a_baseline_is_read_back_as_it_was_written(before, tmp_path):
    path = tmp_path / "b.json"
    save_baseline(before, path)
    assert load_baseline(path) == before
    json.loads(path.read_text())


@pytest.mark.parametrize("text", ["", "[]", "3", '{"format": 2}', "\x00", '{"format": 1, "rows": 3}', "[" * 100_000])
def test_a_file_that_is_no_baseline_is_one_line(text, tmp_path):
    from portraitbench.core.errors import ConfigError

    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"^baseline .*b\.json: [^\n]+$"):
        load_baseline(path)
