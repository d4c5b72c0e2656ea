"""A gate's report as JUnit XML, which continuous integration services show as tests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from .summary import figures
from .verdict import CaseNote, Check, GateReport, Outcome

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not have; a reason may hold any."""


def junit(report: GateReport) -> str:
    """One test per check, per missing and per failed case, and per setting that differs.

    What is regressed is a failure; what cannot be judged (other settings, missing cases, too little power) is an error.
    """
    suite = ET.Element("testsuite", name=f"portraitbench gate {report.run}".strip(), time="0")
    for line in report.differences:
        _test(suite, "settings", line.partition(":")[0], "error", Outcome.INCOMPARABLE, line)
    for check in report.checks:
        kind = {Outcome.REGRESSED: "failure", Outcome.UNDECIDED: "error"}.get(check.outcome, "")
        name = f"{check.rule.text} [{check.subject}]"
        _test(suite, f"{check.suite}.{check.method}", name, kind, check.outcome, _text(check))
    _cases(suite, report.failed, "failure", Outcome.REGRESSED)
    _cases(suite, report.missing, "error", Outcome.INCOMPLETE)
    count = {kind: sum(test.find(kind) is not None for test in suite) for kind in ("failure", "error")}
    counts = {"tests": str(len(suite)), "failures": str(count["failure"]), "errors": str(count["error"])}
    for name, value in counts.items():
        suite.set(name, value)
    root = ET.Element("testsuites", counts)
    root.append(suite)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(suite: ET.Element, notes: Iterable[CaseNote], kind: str, outcome: Outcome) -> None:
    for note in notes:
        _test(suite, f"{note.suite}.{note.method}", note.case, kind, outcome, str(note))


def _test(suite: ET.Element, class_name: str, name: str, kind: str, outcome: Outcome, text: str) -> None:
    test = ET.SubElement(suite, "testcase", {"classname": _legal(class_name), "name": _legal(name), "time": "0"})
    where = ET.SubElement(test, kind, {"type": str(outcome), "message": _legal(text)}) if kind else None
    if where is None:
        where = ET.SubElement(test, "system-out")
    where.text = _legal(text)


def _text(check: Check) -> str:
    worst = "".join(f"\n{case.case}: {case.before:g} -> {case.after:g} {case.picture}" for case in check.worst)
    return f"{check.outcome}: {figures(check)}{worst}"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
