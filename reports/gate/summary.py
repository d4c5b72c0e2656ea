"""A gate's report for people: a comment for a pull request, lines for a terminal, and the same numbers as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from ..render.escaping import Link, plain
from ..render.markdown import markdown
from ..render.numbers import MISSING
from .verdict import CaseNote, Check, GateReport, Outcome

MARKER = "<!-- portraitbench-gate -->"
"""Stands in each summary, so that a bot finds its own comment and writes it anew."""
LONGEST = 60_000
"""Characters; services cut comments at 65,536."""
_SIGNS = {Outcome.FINE: "✅", Outcome.REGRESSED: "❌"}
_SHOWN = 20


def summary(report: GateReport, folder: str = "") -> str:
    """Markdown: the verdict, what is not fine with its worst cases, the rest folded.

    Args:
        report: The gate's.
        folder: The run folder as seen from where the summary lies or will be shown; pictures are linked below it.
    """
    parts = [f"{_SIGNS.get(report.outcome, '⚠️')} **Gate {report.sentence}**\n\n{MARKER}"]
    parts.append(f"Run `{_code(report.run)}` against `{_code(report.baseline)}`.")
    if report.differences:
        parts.append("These settings must be equal (baseline -> run):\n")
        parts.append("\n".join(f"- `{_code(line)}`" for line in report.differences))
    bad = [check for check in report.checks if check.outcome is not Outcome.FINE]
    fine = [check for check in report.checks if check.outcome is Outcome.FINE]
    if bad:
        parts += [_table(bad), *_worst(bad, folder)]
    parts += _notes("Cases that now fail", report.failed) + _notes("Missing cases", report.missing)
    if report.new:
        parts.append(_folded(f"{len(report.new)} new outputs, not judged", _list(report.new)))
    if fine:
        parts.append(_folded(f"{len(fine)} checks are fine", _table(fine)))
    text = "\n\n".join(parts) + "\n"
    return (
        text if len(text) <= LONGEST else text[:LONGEST].rpartition("\n")[0] + "\n\n(cut; all of it is in gate.json)\n"
    )


def lines(report: GateReport, *, verbose: bool = False) -> list[str]:
    """The report for a terminal or a log.

    Args:
        report: The gate's.
        verbose: Whether checks that are fine have a line each; else they are counted.
    """
    told = [f"setting {line}" for line in report.differences]
    fine = sum(check.outcome is Outcome.FINE for check in report.checks)
    for check in report.checks:
        if check.outcome is Outcome.FINE and not verbose:
            continue
        told.append(f"{check.outcome:9} {check.suite}, {check.method}: {check.subject}: {figures(check)}")
        if check.outcome is Outcome.REGRESSED:
            told += [f"          {one.case}: {one.before:g} -> {one.after:g} {one.picture}" for one in check.worst]
    if fine and not verbose:
        told.append(f"{Outcome.FINE:9} {fine} check{'s' * (fine != 1)} (--verbose lists them)")
    groups = {"fails": report.failed, "missing": report.missing, "new": report.new}
    for what, notes in groups.items():
        told += [f"{what:9} {note}" for note in notes[:_SHOWN]]
        told += [f"{what:9} and {len(notes) - _SHOWN} more"] * (len(notes) > _SHOWN)
    return [*told, f"gate: {report.sentence}"]


def as_json(report: GateReport) -> str:
    """All numbers, for programs; missing ones are null."""
    data = dataclasses.asdict(report, dict_factory=_plain)
    data |= {"outcome": report.outcome, "exit_code": report.exit_code, "sentence": report.sentence}
    return json.dumps(data, indent=1) + "\n"


def figures(check: Check) -> str:
    """A check's numbers in a line: before, after, loss with interval, limit, and what could have been seen."""
    text = f"{_number(check.before)} -> {_number(check.after)}"
    if check.unit == "x":
        text += f", {_number(check.loss)} times the old ratio (limit {_number(check.limit)}), {check.pairs} cases"
    else:
        text += f", worse by {_interval(check)} (limit {_number(check.limit)}), {check.pairs} cases"
    if not math.isnan(check.smallest):
        text += f", smallest change that could be seen {_number(check.smallest)}"
    return f"{text}: {check.message}" if check.message else text


def _table(checks: list[Check]) -> str:
    head = ["outcome", "suite", "method", "what", "baseline", "run", "worse by", "limit", "could be seen", "cases"]
    rows = [
        [
            str(check.outcome),
            check.suite,
            check.method,
            check.subject,
            _number(check.before),
            _number(check.after),
            f"x {_number(check.loss)}" if check.unit == "x" else _interval(check),
            f"x {_number(check.limit)}" if check.unit == "x" else _number(check.limit),
            _number(check.smallest),
            str(check.pairs),
        ]
        for check in checks
    ]
    told = "\n".join(
        "- " + plain(f"{check.method}: {check.subject}: {check.message}") for check in checks if check.message
    )
    return markdown(head, rows) + (f"\n{told}" if told else "")


def _worst(checks: list[Check], folder: str) -> list[str]:
    rows = []
    for check in checks:
        for case in check.worst if check.outcome is Outcome.REGRESSED else ():
            path = f"{folder}/{case.picture}".lstrip("/") if case.picture else ""
            picture = Link(case.picture, path) if path else MISSING
            change = f"{_number(case.before)} -> {_number(case.after)}"
            rows.append([check.method, check.subject, case.case, change, picture])
    head = ["method", "what", "worst cases", "baseline -> run", "output"]
    return [markdown(head, rows[:_SHOWN])] if rows else []


def _notes(title: str, notes: tuple[CaseNote, ...]) -> list[str]:
    return [f"{title}:\n\n{_list(notes)}"] if notes else []


def _list(notes: tuple[CaseNote, ...]) -> str:
    more = [f"- and {len(notes) - _SHOWN} more"] * (len(notes) > _SHOWN)
    return "\n".join([*(f"- `{_code(str(note))}`" for note in notes[:_SHOWN]), *more])


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _code(text: str) -> str:
    """Text that cannot end the code span or the line that it stands in."""
    return " ".join(text.replace("`", "'").split())


def _interval(check: Check) -> str:
    found = check.estimate
    if found is None or math.isnan(found.low):
        return _number(check.loss)
    return f"{_number(check.loss)} [{_number(found.low)}, {_number(found.high)}]"


def _number(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:.4g}"


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dataclass as plain data: numbers that JSON does not know become null."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in pairs}
