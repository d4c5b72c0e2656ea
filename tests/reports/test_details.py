"""Mask fractions and capped frames, which ``bench metrics explain`` promises, in the tables and the parquet file."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from portraitbench.reports.details import score_details
from portraitbench.reports.report import write_report


@pytest.fixture
def made(perform, make_suite, tmp_path):
    suite = make_suite(tmp_path / "self", "self-video", drivings=2)
    session, _ = perform(suite, methods=["ideal", "toy"], metrics=["psnr_mask", "ssim_mask"])
    return session.config.folder


def test_masks_and_caps_are_in_the_parquet_the_page_and_the_terminal(made, bench):
    model = write_report(made)
    frame = pd.read_parquet(made / "records.parquet")
    detail = {(row.case, row.method, row.metric): row.detail for row in frame.itertuples()}
    for (_, method, metric), text in detail.items():
        told = json.loads(text) if text else {}
        if metric == "psnr_mask/1":
            assert told["capped"] == (4 if method == "ideal" else 0)
        assert "mask_fraction" in told
    # The toy's landmarks fill a fixed box of 64 x 64 pixels; the mask adds half its height above.
    share = {json.loads(text)["mask_fraction"] for text in detail.values() if "mask_fraction" in text}
    assert all(0.3 < value < 0.8 for value in share)
    rows = model.details.set_index(["method", "metric"])
    assert rows.loc[("ideal", "psnr_mask/1"), ["capped", "frames"]].tolist() == [8, 8]
    assert rows.loc[("toy", "psnr_mask/1"), "capped"] == 0
    assert np.isnan(rows.loc[("toy", "ssim_mask/1"), "capped"])
    assert rows.loc[("toy", "ssim_mask/1"), "mask_fraction"] == pytest.approx(
        np.mean(
            [json.loads(text)["mask_fraction"] for key, text in detail.items() if key[1:] == ("toy", "ssim_mask/1")]
        )
    )
    page = (made / "report" / "index.md").read_text()
    assert "## Masks and capped frames" in page
    assert "| 8 of 8 |" in page
    shown = bench("report", made).out
    assert "psnr_mask/1: box mask, " in shown
    assert "frames at the cap: ideal 8" in shown


def test_nothing_is_made_up_where_nothing_is_said():
    frame = pd.DataFrame(
        {"suite": ["s", "s"], "method": ["a", "a"], "metric": ["m/1", "n/1"], "case": ["c", "c"], "value": [1.0, 2.0]}
    )
    assert score_details(frame.assign(detail="")).empty
    assert score_details(frame.assign(detail=['{"terms":3}', ""])).empty
