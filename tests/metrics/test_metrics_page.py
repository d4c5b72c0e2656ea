"""The committed page of metrics is the one the definitions make."""

from __future__ import annotations

from pathlib import Path

import pytest

from portraitbench.metrics import METRICS
from portraitbench.metrics.page import REWARDS, metrics_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_committed_page_is_current():
    if not (DOCS / "metrics_measured.md").is_file():
        pytest.skip("needs the checkout's docs")
    measured = [(DOCS / name).read_text() for name in ("metrics_calibration.md", "metrics_measured.md")]
    expected = metrics_page("\n".join(measured))
    assert (DOCS / "metrics.md").read_text() == expected, "run: invoke docs"


def test_every_built_in_metric_has_a_line_and_no_line_is_left_over():
    assert {name for name in METRICS if name in REWARDS} == set(REWARDS)
    page = metrics_page("## Measured")
    assert all(f"### `{name}" in page for name in REWARDS)
    assert page.endswith("## Measured")
