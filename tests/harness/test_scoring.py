"""What scoring a crossed suite touches: each driving clip is decoded once for all cases, methods and metrics."""

from __future__ import annotations

from collections import Counter

import pytest

from portraitbench.harness import media
from portraitbench.harness.media import SuiteMedia
from portraitbench.harness.runner import Runner, Silent


class Stages(Silent):
    """Knows which stage a run is in."""

    name = ""

    def stage(self, name, total, reused):
        self.name = name


@pytest.fixture
def decoded(monkeypatch):
    """How often each window was decoded, by stage and asset."""
    counts: Counter[tuple[str, str]] = Counter()
    stages = Stages()
    plain = SuiteMedia._decode_window

    def counting(self, suite, window):
        counts[stages.name, window.asset] += 1
        return plain(self, suite, window)

    monkeypatch.setattr(SuiteMedia, "_decode_window", counting)
    monkeypatch.setattr(media, "KEPT_BYTES", 4 * 6 * 64 * 64 * 3)
    return counts, stages


def test_each_driving_clip_is_decoded_once_while_a_crossed_suite_is_scored(decoded, make_suite, make_session, tmp_path):
    """More identities and drivings than clips are kept in memory."""
    counts, stages = decoded
    suite = make_suite(tmp_path / "crossed", "cross-video", identities=6, drivings=7)
    summary = Runner(make_session(suite, methods=["toy", "toy:mix=0.2,as=other"]), stages).run()
    assert not summary.failures
    assert {name: counts["score", name] for name in (f"d{row}" for row in range(7))} == dict.fromkeys(
        (f"d{row}" for row in range(7)), 1
    )
