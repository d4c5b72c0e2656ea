"""The verdict of a report in one sentence, and what stands behind its intervals."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..model import ReportModel
from ..statistics import MIN_DF

_PHRASES = {
    "better": "better, clear after correction, in",
    "worse": "worse, clear after correction, in",
    "unclear": "no clear difference in",
    "too few": "too few clusters for a verdict in",
}

_NAMED = 3


def verdict(model: ReportModel) -> str:
    """What the primary metrics say, suite by suite and method by method, in one sentence."""
    return " ".join(verdict_parts(model))


def verdict_parts(model: ReportModel) -> list[str]:
    """The verdict in parts that may stand on lines of their own: one per suite and outcome."""
    if model.comparison.empty:
        return ["No verdict: the run has no method to compare with a baseline (--baseline)."]
    groups = [(key, part) for key, part in model.comparison.groupby(["suite", "method"], sort=False)]
    # Suites of a few clips, which no verdict can be about, are named together at the end.
    short = [key for key, part in groups if set(part.loc[part["primary"], "verdict"]) == {"too few"}]
    if len(short) == len(groups):
        short = []
    alike: dict[tuple[str, str], list[str]] = {}
    for (suite, method), part in groups:
        if (suite, method) not in short:
            alike.setdefault((_against(str(suite), part), _outcome(part)), []).append(str(method))
    found = [f"{_listed(methods)} {against}: {outcome}" for (against, outcome), methods in alike.items()]
    if short:
        found.append(f"too few clusters for a verdict on {', '.join(dict.fromkeys(str(suite) for suite, _ in short))}")
    found[0] = f"Verdict: {found[0]}"
    return [*(f"{part};" for part in found[:-1]), f"{found[-1]}."]


def interval_notes(part: pd.DataFrame) -> list[str]:
    """How the intervals of some rows of a comparison came about: clusters, degrees of freedom, small-sample factors.

    Each begins with "intervals: ", or with "no interval: " where there is none.
    """
    notes = []
    for row in part.drop_duplicates(["interval", "df", "scaling"]).to_dict("records"):
        if not row["df"]:
            notes.append(str(row["interval"]))
            continue
        few = f"; a verdict needs {MIN_DF}" if row["df"] < MIN_DF else ""
        degrees = f"{row['df']} degree{'s' if row['df'] > 1 else ''} of freedom{few}"
        notes.append(f"intervals: {row['interval']}: t with {degrees}, variances times {row['scaling']}")
    return notes


def primary_gaps(model: ReportModel, suite: str) -> list[str]:
    """The primary metrics of a suite's benchmark that were not measured, with the reason, a sentence each."""
    left = model.run.left_out.get(suite, {})
    by_name = {name.partition("/")[0]: reason for name, reason in left.items()}
    gaps = []
    for title, choices in model.unmeasured[suite].items():
        reasons = "; ".join(f"{name} {by_name[name]}" for name in choices if name in by_name)
        gaps.append(f"{title} was not measured: {reasons or 'none of ' + ', '.join(choices)}")
    return gaps


def _listed(methods: Sequence[str]) -> str:
    """Methods of one outcome; of many, as the rows of an ablation, the first and how many more."""
    if len(methods) > _NAMED:
        return f"{methods[0]} and {len(methods) - 1} more rows"
    return " and ".join(filter(None, [", ".join(methods[:-1]), methods[-1]]))


def _against(suite: str, part: pd.DataFrame) -> str:
    first = part.iloc[0]
    grades = sorted({*part["grade"], first["method_grade"]} - {"real"})
    stamp = f" ({', '.join(grades)})" if grades else ""
    return f"against {first['baseline']} on {suite}{stamp}"


def _outcome(part: pd.DataFrame) -> str:
    own = part[part["primary"]]
    if own.empty:
        return "no primary metric was measured"
    names = own["metric"].str.partition("/")[0]
    return ", ".join(
        f"{words} {', '.join(names[own['verdict'] == key])}"
        for key, words in _PHRASES.items()
        if key in set(own["verdict"])
    )
