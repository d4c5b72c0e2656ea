"""Rules of the gate: a small grammar, read with errors that say what to write.

A rule is ``SUBJECT OPERATOR LIMIT [CLAUSE ...]``:

=========================================  =========================================================================
``aed_lmk_px512<=+2% sig``                 a metric of which lower is better may rise by 2 % of the baseline's mean
``id_sim>=-0.01``                          one of which higher is better may fall by 0.01, in its own unit
``loss(primary)<=2% sig``                  the direction comes from the metric; ``primary``: the suite's primary metrics
``loss(aed_*)<=0.5``                       ``*`` stands for anything, in metrics, suites and methods
``coverage>=-1%``                          percentage points; without such a rule coverage may not drop at all
``time<=1.3x``, ``memory<=1.2x vs pocket``  cost divided by a reference's in the same run may rise to that multiple
=========================================  =========================================================================

Clauses, in any order: ``sig`` (worse than the limit *and* significantly worse than before), ``in SUITE``,
``for METHOD``, and for costs ``vs METHOD`` (the reference; without it the baseline that the method is compared with).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from ...core.errors import ConfigError


class Subject(StrEnum):
    """What a rule is about."""

    METRIC = "metric"
    COVERAGE = "coverage"
    TIME = "time"
    MEMORY = "memory"


PRIMARY: Final = "primary"
"""Stands for the primary metrics of each suite, within ``loss(...)``."""
COSTS: Final = (Subject.TIME, Subject.MEMORY)
DEFAULTS: Final = ("loss(primary)<=2% sig",)
"""What holds where nobody has written rules."""

_SHAPE = re.compile(r"\s*(?P<subject>[^\s<>]+?)\s*(?P<op><=|>=)\s*(?P<limit>\S+)(?P<rest>.*)", re.DOTALL)
_LIMIT = re.compile(r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)(?P<unit>[%x]?)")
_LOSS = re.compile(r"loss\((?P<metric>[^()\s]+)\)")
_CLAUSES = {"in": "suite", "for": "method", "vs": "reference"}
_ANYTHING = {"in": "*", "for": "*", "vs": ""}
_EXAMPLE = "like 'aed_lmk_px512<=+2% sig', 'id_sim>=-0.01', 'loss(primary)<=2%', 'coverage>=-1%' or 'time<=1.3x'"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        subject: What it is about.
        metric: Pattern of metric ids, with or without version; "" unless it is about metrics.
        limit: How much worse is allowed, never negative; of a cost the multiple.
        relative: Whether ``limit`` is in per cent: of the baseline's mean, of coverage in points.
        significant: Whether only significant losses count.
        rises: Whether the rule bounds a rise (``<=``): True, False, or None where the direction is the metric's.
        suite: Pattern of suites.
        method: Pattern of methods.
        reference: The method that costs are divided by; "" for the one compared with.
        text: As it was written.
    """

    subject: Subject
    metric: str
    limit: float
    relative: bool = False
    significant: bool = False
    rises: bool | None = None
    suite: str = "*"
    method: str = "*"
    reference: str = ""
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        """The rule in the grammar, so that reading it gives the rule again."""
        amount = repr(self.limit)
        if self.subject in COSTS:
            head = f"{self.subject}<={amount}x"
        elif self.subject is Subject.COVERAGE:
            head = f"coverage>=-{amount}%"
        else:
            unit = "%" if self.relative else ""
            ways = {None: f"loss({self.metric})<={amount}", True: f"{self.metric}<=+{amount}"}
            head = ways.get(self.rises, f"{self.metric}>=-{amount}") + unit
        told = {word: getattr(self, name) for word, name in _CLAUSES.items()}
        kept = [f"{word} {name}" for word, name in told.items() if name != _ANYTHING[word]]
        return " ".join([head, *(["sig"] if self.significant else []), *kept])


def parse_rule(text: str) -> Rule:
    """Read a rule.

    Raises:
        ConfigError: In one line that quotes the rule and says what to write.

    >>> str(parse_rule("aed_lmk_px512 <= +2% sig in pocket-*"))
    'aed_lmk_px512<=+2.0% sig in pocket-*'
    """
    try:
        return _parsed(text)
    except ValueError as error:
        raise ConfigError(f"rule {text!r}: {error}") from error


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern, in which ``*`` stands for anything and all else for itself.

    >>> matches("aed_*", "aed_lmk_px512"), matches("psnr_mask[mask=hull]", "psnr_mask[mask=hull]")
    (True, True)
    """
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def matches_metric(pattern: str, metric: str) -> bool:
    """Whether a metric's full id fits a pattern, which may leave the version out."""
    return matches(pattern, metric) or matches(pattern, metric.rpartition("/")[0])


def _parsed(text: str) -> Rule:
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError(f"write SUBJECT<=LIMIT or SUBJECT>=LIMIT, {_EXAMPLE}")
    limit = _LIMIT.fullmatch(shape["limit"])
    if limit is None or not math.isfinite(float(limit["number"])):
        raise ValueError(f"{shape['limit']!r} is no limit: a number, alone or with % or x, {_EXAMPLE}")
    clauses = _clauses(shape["rest"].split())
    make = {"coverage": _coverage, "time": _cost, "memory": _cost}.get(shape["subject"], _metric)
    rule = make(shape["subject"], shape["op"], float(limit["number"]), limit["unit"])
    if rule.subject is not Subject.METRIC and "significant" in clauses:
        raise ValueError(f"sig is for metrics, not for {rule.subject}")
    if rule.subject not in COSTS and "reference" in clauses:
        raise ValueError("vs is for time and memory alone")
    return Rule(**(vars(rule) | clauses | {"text": text.strip()}))


def _metric(subject: str, operator: str, number: float, unit: str) -> Rule:
    if unit == "x":
        raise ValueError("a multiple (x) is for time and memory; of a metric write a number or a percentage")
    loss = _LOSS.fullmatch(subject)
    metric = loss["metric"] if loss else subject
    if not loss and re.search(r"[()]", subject):
        raise ValueError(f"{subject!r} is no subject: a metric, loss(METRIC), coverage, time or memory")
    if metric == PRIMARY and not loss:
        raise ValueError("write loss(primary): primary metrics differ in direction")
    if loss and operator == ">=":
        raise ValueError(f"a loss is bounded from above: write {subject}<={abs(number):g}{unit}")
    if (number < 0) if operator == "<=" else (number > 0):
        sign = "+" if operator == "<=" else "-"
        right = f"{subject}{operator}{sign}{abs(number):g}{unit}"
        raise ValueError(f"it asks for an improvement, and a gate bounds losses: write {right}")
    return Rule(Subject.METRIC, metric, abs(number), unit == "%", rises=None if loss else operator == "<=")


def _coverage(subject: str, operator: str, number: float, unit: str) -> Rule:
    if operator != ">=" or number > 0 or unit == "x" or (unit == "" and number):
        raise ValueError("coverage falls by percentage points: write coverage>=-1%")
    return Rule(Subject(subject), "", abs(number), relative=True, rises=False)


def _cost(subject: str, operator: str, number: float, unit: str) -> Rule:
    if operator != "<=" or unit != "x" or number < 1:
        raise ValueError(f"{subject} may rise to a multiple of at least 1: write {subject}<=1.3x")
    return Rule(Subject(subject), "", number, rises=True)


def _clauses(words: list[str]) -> dict[str, str | bool]:
    found: dict[str, str | bool] = {}
    rest = iter(words)
    for word in rest:
        name = "significant" if word == "sig" else _CLAUSES.get(word, "")
        if not name:
            near = get_close_matches(word, ["sig", *_CLAUSES], n=1)
            raise ValueError(f"{word!r} is no clause{f': did you mean {near[0]}?' if near else ''} (sig, in, for, vs)")
        if name in found:
            raise ValueError(f"{word} stands twice")
        value = True if name == "significant" else next(rest, "")
        if not value:
            raise ValueError(f"a name must follow {word!r}")
        found[name] = value
    return found
