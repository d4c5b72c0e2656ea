"""Tables of the report model as CSV."""

from __future__ import annotations

import pandas as pd

from ...core.text import visible


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV, numbers with nine significant digits; control characters in texts are spelled out."""
    shown = table.map(lambda value: visible(value) if isinstance(value, str) else value)
    return shown.to_csv(index=False, float_format="%.9g", lineterminator="\n")
