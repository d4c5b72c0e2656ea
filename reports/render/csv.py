"""Tables of the report model as CSV."""

from __future__ import annotations

import pandas as pd


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV, numbers with nine significant digits."""
    return table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
