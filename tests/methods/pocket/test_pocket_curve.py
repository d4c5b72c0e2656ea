from __future__ import annotations

import pandas as pd
import pytest

from portraitbench.methods.pocket.training.curve import Curve


def test_a_resumed_training_drops_what_a_kill_undid_and_counts_its_seconds_on(tmp_path):
    path = tmp_path / "curve.csv"
    first = Curve(path, 0)
    first.add(50, 1200, 10.0, 4e-4, 0.5)
    first.add(100, 2400, 20.0, 4e-4, 0.4, 0.45)
    first.add(150, 3600, 30.0, 4e-4, 0.3)  # after the last checkpoint
    second = Curve(path, 100)
    second.add(150, 3600, 9.0, 2e-4, 0.25, 0.35)
    found = pd.read_csv(path)
    assert found["step"].tolist() == [50, 100, 150]
    assert found["seconds"].tolist() == [10, 20, 29]
    assert found["held_out_loss"].fillna(-1).tolist() == [-1, 0.45, 0.35]
    assert found["rate"].iloc[2] == pytest.approx(2e-4)
