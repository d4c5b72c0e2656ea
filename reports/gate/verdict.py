"""What a gate found: plain data that every form of the report prints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from ..statistics import Estimate
from .rules import Rule


class Outcome(StrEnum):
    """How a check, or a whole gate, ended."""

    FINE = "fine"
    REGRESSED = "regressed"
    UNDECIDED = "undecided"
    INCOMPARABLE = "not comparable"
    INCOMPLETE = "incomplete"


EXIT_CODES = {
    Outcome.FINE: 0,
    Outcome.REGRESSED: 1,
    Outcome.INCOMPARABLE: 2,
    Outcome.INCOMPLETE: 3,
    Outcome.UNDECIDED: 3,
}
USAGE = 4
"""Exit code where the gate was asked for something that does not fit."""


@dataclass(frozen=True)
class WorstCase:
    """A case that lost much.

    Attributes:
        before: Its value in the baseline; NaN where it has none.
        after: Its value in the run.
        picture: Its output, relative to the run folder; "" where there is none.
    """

    case: str
    before: float
    after: float
    picture: str = ""


@dataclass(frozen=True)
class Check:
    """One rule on one metric or cost of one method in one suite.

    Attributes:
        rule: The rule.
        subject: Metric id, "coverage", "time" or "memory".
        outcome: Fine, regressed or undecided.
        before: The baseline's mean, or ratio.
        after: The run's.
        loss: How much worse, in ``unit``; negative for a gain. Of costs: the multiple of the baseline's ratio.
        limit: How much worse is allowed, likewise.
        unit: Of the metric; "" for ratios.
        estimate: The mean loss with its interval; None for coverage and costs.
        largest: The largest loss of a single case; NaN where that does not matter.
        smallest: The smallest change that could have been seen (80 % power, after correction); NaN without interval.
        pairs: Paired cases.
        message: Why it is undecided; "" otherwise.
        worst: The cases that lost most, the worst first.
    """

    rule: Rule
    suite: str
    method: str
    subject: str
    outcome: Outcome
    before: float
    after: float
    loss: float
    limit: float
    unit: str = ""
    estimate: Estimate | None = None
    largest: float = math.nan
    smallest: float = math.nan
    pairs: int = 0
    message: str = ""
    worst: tuple[WorstCase, ...] = ()


@dataclass(frozen=True)
class CaseNote:
    """A case that is new, missing or failed."""

    suite: str
    method: str
    case: str
    status: str
    reason: str = ""

    def __str__(self) -> str:
        what = f"{self.suite}: {self.case} of {self.method}: {self.status}"
        text = f"{what} ({self.reason})" if self.reason else what
        return "".join(sign if sign.isprintable() else " " for sign in text)  # a reason may hold anything


@dataclass(frozen=True)
class GateReport:
    """Everything that a gate says.

    Attributes:
        run: The run's name.
        baseline: The baseline file, with the beginning of its sha256.
        differences: Settings that differ, each as "field: baseline -> run"; then nothing was judged.
        checks: In the order of the rules.
        missing: Cases of the baseline without a finished result.
        failed: Cases that had an output and now fail.
        new: Cases and methods that the baseline does not know; they are not judged.
    """

    run: str
    baseline: str
    differences: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    missing: tuple[CaseNote, ...] = ()
    failed: tuple[CaseNote, ...] = ()
    new: tuple[CaseNote, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        """What is worst: another setting forbids any verdict, and a regression that was seen is one."""
        found = {check.outcome for check in self.checks}
        if self.differences:
            return Outcome.INCOMPARABLE
        if self.failed or Outcome.REGRESSED in found:
            return Outcome.REGRESSED
        if self.missing:
            return Outcome.INCOMPLETE
        return Outcome.UNDECIDED if Outcome.UNDECIDED in found else Outcome.FINE

    @property
    def exit_code(self) -> int:
        """0 fine, 1 regressed, 2 not comparable, 3 incomplete or undecided."""
        return EXIT_CODES[self.outcome]

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        worse = [check for check in self.checks if check.outcome is Outcome.REGRESSED]
        parts = {
            Outcome.INCOMPARABLE: f"{self.differences[0] if self.differences else ''}",
            Outcome.REGRESSED: "; ".join(
                [f"{len(worse)} of {len(self.checks)} checks"] * bool(worse)
                + [f"{len(self.failed)} cases that now fail"] * bool(self.failed)
            ),
            Outcome.INCOMPLETE: f"{len(self.missing)} cases of the baseline have no finished result",
            Outcome.UNDECIDED: f"{sum(check.outcome is Outcome.UNDECIDED for check in self.checks)} of "
            f"{len(self.checks)} checks cannot be decided with these cases",
            Outcome.FINE: f"{len(self.checks)} checks",
        }
        return f"{self.outcome}: {parts[self.outcome]}"
