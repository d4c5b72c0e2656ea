"""A run against its baseline: paired deltas with intervals, from the tidy frame to one row per method and metric."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..datasets.manifest import SuiteKind
from ..harness.run_file import RunFile
from ..methods.base import MethodRole
from .records_frame import case_values
from .statistics import LEVEL, MIN_DF, Estimate, gap_closed, holm, per_clip, two_way, win_rate

COLUMNS = [
    "suite",
    "method",
    "baseline",
    "metric",
    "unit",
    "higher_is_better",
    "delta",
    "low",
    "high",
    "p",
    "p_holm",
    "verdict",
    "win_rate",
    "gap_closed",
    "pairs",
    "cases",
    "coverage",
    "baseline_coverage",
    "worst_delta",
    "worst_low",
    "worst_high",
    "interval",
    "df",
    "scaling",
    "primary",
    "backend",
    "grade",
    "method_grade",
]
"""Columns of a comparison. ``delta`` is method minus baseline; the ``worst_`` columns are missing where both cover
the same; ``interval`` says how the interval came about, or why there is none; ``df`` and ``scaling`` are the degrees of
freedom and small-sample factors behind it. ``verdict`` is one of :data:`VERDICTS`."""
VERDICTS = ("better", "worse", "unclear", "too few", "exploratory")
"""Primary metrics are better or worse where the corrected p value is clear, else unclear, and "too few" where there are
fewer than ``MIN_DF`` degrees of freedom. All other metrics are exploratory."""


def compare(frame: pd.DataFrame, run: RunFile, ideal: str = "ideal") -> pd.DataFrame:
    """Compare every competitor of a run with its baseline; controls are reference lines and have no rows here.

    A delta is the mean over the cases where both have a value. Where the two differ in coverage, a worst-case delta
    stands beside it: over all planned cases, every frame without a value counted, on both sides, as the worst case
    value that any method of the table has for this metric. A case without an output so is the worst of all, a case
    with a value on half of its frames half way to it. Holm's correction is over the primary metrics of one method in
    one suite: adding a method or an exploratory metric to a run does not change the verdict on another.

    Args:
        frame: The tidy frame of :func:`reports.records_frame.tidy`.
        run: The run's ``run.json``.
        ideal: Row label of the method whose outputs are the cases' targets, for ``gap_closed``, where no method of the
            run has that role.

    Returns:
        One row per suite, method with a baseline and metric, in plan order, with :data:`COLUMNS`; empty without a
        baseline.
    """
    ideal = next((name for name, role in run.method_roles.items() if role == MethodRole.TARGET), ideal)
    by_case = case_values(frame).reset_index()
    rows: list[dict[str, Any]] = []
    for (suite, metric), part in by_case.groupby(["suite", "metric"], sort=False, observed=True):
        about = run.metrics[str(metric)]
        scores = _Scores.of(part, run.suites[str(suite)].kind, about.higher_is_better)
        names = {"suite": suite, "metric": metric, "unit": about.unit, "higher_is_better": about.higher_is_better}
        names["primary"] = metric in run.primary.get(str(suite), [])
        for method, own in part[part["baseline"] != ""].groupby("method", sort=False, observed=True):
            if run.is_control(str(method)):
                continue
            first = own.iloc[0]
            kept = {name: first[name] for name in ("baseline", "backend", "grade")}
            kept["method_grade"] = run.method_grades.get(str(method), "real")
            rows.append(names | kept | {"method": method} | scores.row(str(method), str(first["baseline"]), ideal))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return _judged(_ordered(table, list(by_case["suite"].unique()), list(by_case["method"].unique())))


@dataclass(frozen=True)
class _Scores:
    """One metric in one suite: tables of cases (rows) and methods (columns).

    Attributes:
        values: Case values; NaN where there is none.
        covered: Share of frames with a value.
        clusters: Identity and driving of each case.
        crossed: Whether every identity meets every driving.
        higher_is_better: Direction.
    """

    values: pd.DataFrame
    covered: pd.DataFrame
    clusters: pd.DataFrame
    crossed: bool
    higher_is_better: bool

    @classmethod
    def of(cls, part: pd.DataFrame, kind: str, higher_is_better: bool) -> _Scores:
        values = part.pivot(index="case", columns="method", values="value")
        covered = part.pivot(index="case", columns="method", values="coverage").fillna(0.0)
        clusters = part.drop_duplicates("case").set_index("case")[["identity", "driving"]]
        return cls(values, covered, clusters, kind != SuiteKind.SELF_VIDEO, higher_is_better)

    def row(self, method: str, baseline: str, ideal: str) -> dict[str, Any]:
        own, base = self.values[method], self.values[baseline]
        deltas = (own - base).dropna()
        estimate = self._estimate(deltas)
        worst = self._worst_case(method, baseline)
        return {
            "delta": estimate.mean,
            "low": estimate.low,
            "high": estimate.high,
            "p": estimate.p,
            "win_rate": win_rate(deltas, self.higher_is_better),
            "gap_closed": self._gap_closed(own, base, ideal),
            "pairs": estimate.n,
            "cases": len(self.values),
            "coverage": float(self.covered[method].mean()),
            "baseline_coverage": float(self.covered[baseline].mean()),
            "worst_delta": worst.mean if worst else math.nan,
            "worst_low": worst.low if worst else math.nan,
            "worst_high": worst.high if worst else math.nan,
            "interval": estimate.note,
            "df": estimate.df,
            "scaling": estimate.scaling,
        }

    def _estimate(self, deltas: pd.Series) -> Estimate:
        if not self.crossed:
            return per_clip(deltas)
        own = self.clusters.loc[deltas.index]
        return two_way(deltas, list(own["identity"]), list(own["driving"]))

    def _worst_case(self, method: str, baseline: str) -> Estimate | None:
        pair = [method, baseline]
        covered = self.covered[pair]
        if (covered[method] == covered[baseline]).all() or self.values.isna().all(axis=None):
            return None
        worst = np.nanmin(self.values) if self.higher_is_better else np.nanmax(self.values)
        filled = covered * self.values[pair].fillna(worst) + (1 - covered) * worst
        return self._estimate(filled[method] - filled[baseline])

    def _gap_closed(self, own: pd.Series, base: pd.Series, ideal: str) -> float:
        if ideal not in self.values:
            return math.nan
        whole = pd.concat([base, own, self.values[ideal]], axis=1).dropna().to_numpy()
        return gap_closed(whole[:, 0], whole[:, 1], whole[:, 2], self.higher_is_better)


def _ordered(table: pd.DataFrame, suites: list[str], methods: list[str]) -> pd.DataFrame:
    order = table.assign(suite=table["suite"].map(suites.index), method=table["method"].map(methods.index))
    return table.loc[order.sort_values(["suite", "method"], kind="stable").index].reset_index(drop=True)


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """Correct the p values of the primary metrics and pass the verdicts."""
    primary = table["primary"].astype(bool)
    judged = primary & (table["df"] >= MIN_DF)
    p = table["p"].where(judged)
    corrected = p.groupby([table["suite"], table["method"]], sort=False).transform(holm).astype("float64")
    gains = table["delta"].where(table["higher_is_better"].astype(bool), -table["delta"])
    clear = corrected < 1 - LEVEL
    choices = [~primary, primary & ~judged, clear & (gains > 0), clear]
    verdict = np.select(choices, ["exploratory", "too few", "better", "worse"], "unclear")
    return table.assign(p_holm=corrected, verdict=verdict)
