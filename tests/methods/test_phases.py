"""What phases took."""

from __future__ import annotations

import numpy as np
import pytest

from portraitbench.core.peak_memory import PeakMemory
from portraitbench.methods import phases as phases_module
from portraitbench.methods.phases import COSTS, Phases


def test_a_phase_that_comes_again_adds_its_time_and_steps_and_keeps_its_highest_peak(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 11.0, 20.0, 24.0])
    monkeypatch.setattr(phases_module.time, "perf_counter", lambda: next(clock))
    phases = Phases()
    with PeakMemory():
        with phases.measure("tune"):
            np.ones(200_000_000, np.uint8)
            phases.count("tune", 5)
        with phases.measure("tune"):
            phases.count("tune", 1)
        with phases.measure("pgt"):
            pass
    detail = phases.detail
    assert (detail["seconds_tune"], detail["seconds_pgt"], detail["per_second_tune"]) == (3.0, 4.0, 2.0)
    assert "per_second_pgt" not in detail
    assert detail["peak_bytes_tune"] > 200_000_000
    assert all(name.startswith(COSTS) for name in detail)


def test_outside_a_job_no_peak_is_told_and_a_phase_that_fails_is():
    phases = Phases()

    def fail():
        with phases.measure("tune"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(phases.detail) == ["seconds_tune"]
