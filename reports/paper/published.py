"""The numbers that StrucBooth's paper prints, for a block of their own; they are never mixed with measured ones."""

from __future__ import annotations

import math

from .table import Cell, Column, PaperTable, Row

NOTE = (
    "Copied from the paper, not measured here. Definitions of AED differ (landmark network, normalisation and unit are "
    "not stated there), and so do face models, suites and weights: compare signs and sizes of differences, never the "
    "numbers themselves."
)
_CHART = "of the StrucBooth paper, a chart whose points carry no numbers"
CHARTS = {
    "decoding": f"Published, Table 2(b) {_CHART}: with the gradient loss alone on single frames, patch-wise and global "
    "decoding have similar AED; patch-wise takes less memory and is about 22 % faster.",
    "steps": f"Published, Table 2(c) {_CHART}: with more steps AED falls and ID declines slightly; 400 to 600 steps "
    "are said to be enough.",
}
"""What the paper says of ablations that it draws and does not print."""
_NONE = math.nan
_TABLE_1 = (
    ("HelloMeme", (0.494, 0.2572, 6.37, 18.89, 0.78, 0.721, 1.16)),
    ("+ StrucBooth", (0.505, 0.3185, 5.72, 19.99, 0.79, 0.669, 1.05)),
    ("vs. Base", (0.011, 0.0613, -0.65, 1.10, 0.01, -0.052, -0.11)),
    ("HunyuanPortrait", (0.594, 0.2886, 6.66, 21.54, 0.83, _NONE, _NONE)),
    ("+ StrucBooth", (0.599, 0.3265, 6.55, 21.83, 0.84, _NONE, _NONE)),
    ("vs. Base", (0.005, 0.0379, -0.11, 0.29, 0.01, _NONE, _NONE)),
)
_DIGITS_1 = (3, 4, 2, 2, 2, 3, 2)
_COLUMNS_1 = (
    Column("Cross-Video", "ID", True),
    Column("Cross-Video", "EXP_SIM", True),
    Column("Cross-Video", "AED", False),
    Column("Self-Video", "PSNR", True),
    Column("Self-Video", "SSIM", True),
    Column("Cross-Image", "ID", True),
    Column("Cross-Image", "AED", False),
)
_TABLE_2A = (
    ("① Base", (0.721, 1.16)),
    ("② ① + PGT", (0.703, 1.14)),
    ("③ ② + grad", (0.611, 1.01)),
    ("④ ③ + id", (0.669, 1.05)),
)
"""The paper's text names rows by the signs; a second sign in a row is the row that it adds to."""


def table_1() -> PaperTable:
    """Table 1 as printed; EXP_SIM is what is called EMO-SIM here."""
    rows = []
    for label, values in _TABLE_1:
        signed = label == "vs. Base"
        cells = [Cell(value, digits, signed) for value, digits in zip(values, _DIGITS_1, strict=True)]
        rows.append(Row(label, cells, new_block=label == "HunyuanPortrait"))
    return PaperTable(
        "table1_published", "", "Published: Table 1 of the StrucBooth paper", "Method", _COLUMNS_1, rows, (NOTE,)
    )


def table_2a() -> PaperTable:
    """Table 2(a) as printed: HelloMeme on Cross-Image."""
    rows = [Row(label, [Cell(first, 3), Cell(second, 2)]) for label, (first, second) in _TABLE_2A]
    columns = (Column("Cross-Image", "ID", True), Column("Cross-Image", "AED", False))
    return PaperTable(
        "table2a_published", "", "Published: Table 2(a), HelloMeme on Cross-Image", "Row", columns, rows, (NOTE,)
    )
