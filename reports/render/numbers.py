"""Numbers and names as text, the same in every rendering."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ...methods.base import MethodRole

if TYPE_CHECKING:
    import pandas as pd

Row: TypeAlias = "Mapping[Any, Any] | pd.Series[Any]"
"""A row of a table of the report model, as a dict or a pandas Series."""
MISSING = "-"


def number(value: float, digits: int = 3) -> str:
    """A value with some decimals, or with none where it is large.

    >>> number(0.12345), number(23.4567), number(1234.5), number(float("nan"))
    ('0.123', '23.457', '1234', '-')
    """
    if math.isnan(value):
        return MISSING
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent; "-" where it is missing.

    >>> percent(0.425), percent(0.9996, 1), percent(float("nan"))
    ('42%', '100.0%', '-')
    """
    return MISSING if math.isnan(share) else f"{share:.{digits}%}"


def mean_text(row: Row) -> str:
    """A summary row as "mean", with the coverage behind it where it is under 100 %."""
    text = number(float(row["mean"]))
    return text if row["coverage"] > 1 - 1e-12 else f"{text} ({percent(row['coverage'], 1)})"


def delta_text(row: Row, prefix: str = "") -> str:
    """The delta of a row, with its sign; "-" where no case has both values.

    Args:
        row: A row of a comparison.
        prefix: "worst_" for the worst case.
    """
    delta = float(row[f"{prefix}delta"])
    return MISSING if math.isnan(delta) else f"{delta:+.{_digits(row, prefix)}f}"


def interval_text(row: Row, prefix: str = "") -> str:
    """The interval of a row in brackets, or why there is none."""
    low, high = float(row[f"{prefix}low"]), float(row[f"{prefix}high"])
    if math.isnan(low):
        return f"({row['interval']})"
    digits = _digits(row, prefix)
    return f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def count_text(some: int, of: int) -> str:
    """A count, with what it is a part of where it is not all.

    >>> count_text(20, 20), count_text(18, 20)
    ('20', '18/20')
    """
    return str(of) if some == of else f"{some}/{of}"


def duration(seconds: float) -> str:
    """A time span as people say it.

    >>> duration(4.25), duration(75), duration(7300)
    ('4.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def method_text(row: Row) -> str:
    """The name of a row's method, with what it is behind it: a reference line, or no measurement."""
    reference = row.get("method_role", MethodRole.COMPETITOR) != MethodRole.COMPETITOR
    grade = row["method_grade"]
    stamps = ", ".join(filter(None, ["reference" if reference else "", "" if grade == "real" else grade]))
    return f"{row['method']} ({stamps})" if stamps else str(row["method"])


def metric_text(row: Row) -> str:
    """A metric with its direction."""
    return f"{row['metric']} {'↑' if row['higher_is_better'] else '↓'}"


def stamped_metric(row: Row) -> str:
    """A metric with its direction, and with the grade of its face models where they measure nothing real."""
    stamp = "" if row["grade"] == "real" else f" ({row['grade']})"
    return f"{metric_text(row)}{stamp}"


def settings_text(options: Mapping[str, Any]) -> str:
    """Options as "key=value, key=value"; "-" for none."""
    return ", ".join(f"{key}={value}" for key, value in sorted(options.items())) or MISSING


def _digits(row: Row, prefix: str) -> int:
    """Decimals for a delta and its interval: three, more where all are small, none where they are large."""
    return _decimals(abs(float(row[f"{prefix}{name}"])) for name in ("delta", "low", "high"))


def _decimals(sizes: Iterable[float]) -> int:
    largest = max((value for value in sizes if value > 0), default=1.0)
    return 0 if largest >= 1000 else min(9, max(3, 2 - math.floor(math.log10(largest))))
