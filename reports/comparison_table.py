"""A comparison as Markdown, and its numbers as text."""

from __future__ import annotations

import math

import pandas as pd

from .tables import header, markdown, stamped

LEGEND = (
    "Comparisons: a delta is method minus baseline, the mean over the cases where both have a value, with its 95 % "
    "interval: clustered by identity and by driving clip in crossed suites, per clip in self suites. It is bold where "
    "it still excludes zero after Holm's correction over the metrics of the row's method. Win rate: the share of those "
    "cases where the method is strictly better, a tie counting half. Coverage: baseline, then method. Worst case: the "
    "delta over all cases with every missing value, of both, at the worst that any method of the table has; it stands "
    "where coverage differs. Gap closed: (baseline - method) / (baseline - ideal output), where the ideal output is "
    "better than the baseline.\n"
)
"""What the columns of a comparison mean; printed once per page."""


def comparison_table(comparison: pd.DataFrame, suite: str) -> str:
    """One suite's comparison as a Markdown section: a row per method and metric.

    Returns:
        The section with its heading; "" where the suite has nothing to compare.
    """
    part = comparison[comparison["suite"] == suite]
    if part.empty:
        return ""
    headers = ["method", "metric", "delta [95 % interval]", "win rate", "pairs", "coverage", "worst case", "gap closed"]
    rows = [_cells(row) for _, row in part.iterrows()]
    shown = [index for index in range(len(headers)) if any(cells[index] != "-" for cells in rows)]
    table = markdown([headers[index] for index in shown], [[cells[index] for index in shown] for cells in rows])
    return f"### vs. {part['baseline'].iloc[0]}\n\n{table}"


def delta_text(row: pd.Series, prefix: str = "") -> str:
    """The delta of a row, with its sign; "-" where no case has both values.

    Args:
        row: A row of a comparison.
        prefix: "worst_" for the worst case.
    """
    delta = row[f"{prefix}delta"]
    return "-" if math.isnan(delta) else f"{delta:+.{_digits(row, prefix)}f}"


def interval_text(row: pd.Series, prefix: str = "") -> str:
    """The interval of a row in brackets, or why there is none."""
    low, high = row[f"{prefix}low"], row[f"{prefix}high"]
    if math.isnan(low):
        return f"({row['interval']})"
    digits = _digits(row, prefix)
    return f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent; "-" where it is missing.

    >>> percent(0.425), percent(0.9996, 1), percent(float("nan"))
    ('42%', '100.0%', '-')
    """
    return "-" if math.isnan(share) else f"{share:.{digits}%}"


def _cells(row: pd.Series) -> list[str]:
    delta = f"{delta_text(row)} {interval_text(row)}"
    worst = "-" if math.isnan(row["worst_delta"]) else f"{delta_text(row, 'worst_')} {interval_text(row, 'worst_')}"
    return [
        stamped(row),
        header(row),
        delta if row["verdict"] == "unclear" else f"**{delta}**",
        percent(row["win_rate"]),
        f"{row['pairs']}/{row['cases']}" if row["pairs"] < row["cases"] else str(row["pairs"]),
        f"{percent(row['baseline_coverage'], 1)}, {percent(row['coverage'], 1)}",
        worst,
        percent(row["gap_closed"]),
    ]


def _digits(row: pd.Series, prefix: str) -> int:
    """Decimals for a delta and its interval: three, more where all are small, none where they are large."""
    numbers = (abs(float(row[f"{prefix}{name}"])) for name in ("delta", "low", "high"))
    largest = max((value for value in numbers if value > 0), default=1.0)
    return 0 if largest >= 1000 else min(9, max(3, 2 - math.floor(math.log10(largest))))
