"""Outputs of one method in one suite, in the baseline and in the run, paired by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.errors import Status
from ...datasets.manifest import SuiteKind
from ..statistics import Estimate, Floats, per_clip, two_way
from .baseline import Baseline, Row
from .verdict import WorstCase

Rows = Mapping[tuple[str, str, str], Row]
SHOWN = 3
"""Worst cases that a check names."""


@dataclass(frozen=True)
class Pairs:
    """One method in one suite.

    Attributes:
        crossed: Whether every identity meets every driving.
        reference: What the method is compared with in its own run; "" for none.
        rows: Baseline's and run's row of each case that both have, finished or failed.
        pictures: By case: the run's output.
    """

    suite: str
    method: str
    crossed: bool
    reference: str
    rows: tuple[tuple[Row, Row], ...]
    metrics: tuple[str, ...]
    pictures: Mapping[str, str]

    @classmethod
    def groups(
        cls, before: Baseline, old: Rows, new: Rows, pictures: Mapping[tuple[str, str, str], str]
    ) -> list[Pairs]:
        """One for each method and suite of the baseline, in its order."""
        made = []
        for suite, method in dict.fromkeys((row.suite, row.method) for row in before.rows):
            own = {key: row for key, row in old.items() if key[:2] == (suite, method)}
            both = [(row, new[key]) for key, row in own.items() if key in new]
            made.append(
                cls(
                    suite,
                    method,
                    before.kinds[suite] != SuiteKind.SELF_VIDEO,
                    before.references.get(method, ""),
                    tuple(pair for pair in both if Status.MISSING not in (pair[0].status, pair[1].status)),
                    tuple(dict.fromkeys(metric for row in own.values() for metric in row.values)),
                    {case: path for (one, other, case), path in pictures.items() if (one, other) == (suite, method)},
                )
            )
        return made

    def valued(self, metric: str) -> list[tuple[Row, Row]]:
        """The pairs in which both have a value."""
        return [pair for pair in self.rows if all(row.values.get(metric) is not None for row in pair)]

    def estimate(self, losses: Floats, pairs: list[tuple[Row, Row]]) -> Estimate:
        """The mean loss with its interval: two-way clustered in a crossed suite."""
        if not self.crossed:
            return per_clip(losses)
        return two_way(losses, [old.identity for old, _ in pairs], [old.driving for old, _ in pairs])

    def worst(self, losses: Floats, before: Floats, after: Floats, cases: list[str]) -> tuple[WorstCase, ...]:
        """The cases that lost most; those that lost nothing are not named."""
        order = [index for index in np.argsort(-losses, kind="stable") if losses[index] > 0]
        return tuple(
            WorstCase(cases[index], float(before[index]), float(after[index]), self.pictures.get(cases[index], ""))
            for index in order[:SHOWN]
        )
