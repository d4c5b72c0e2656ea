"""A command is told to stop once: what comes on top of it does not cut short what the first signal began."""

from __future__ import annotations

import signal

import pytest

from portraitbench.cli import app
from portraitbench.cli.app import Settings


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(app.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(("number", "terminated"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_the_first_signal_alone_is_answered(clock, number, terminated):
    settings = Settings()
    with pytest.raises(KeyboardInterrupt):
        settings.stop(number, None)
    for again in (signal.SIGINT, signal.SIGTERM):
        clock[0] += app.PATIENCE / 4
        settings.stop(again, None)
    assert settings.terminated is terminated


def test_a_command_that_hangs_although_it_was_told_to_stop_can_be_told_again(clock):
    settings = Settings()
    with pytest.raises(KeyboardInterrupt):
        settings.stop(signal.SIGINT, None)
    clock[0] += app.PATIENCE
    with pytest.raises(KeyboardInterrupt):
        settings.stop(signal.SIGINT, None)


@pytest.mark.parametrize(("before", "answered"), [(signal.default_int_handler, True), (signal.SIG_IGN, False)])
def test_control_c_that_the_parent_had_ignored_stays_ignored(before, answered):
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    settings = Settings()
    try:
        signal.signal(signal.SIGINT, before)
        settings.listen()
        assert (signal.getsignal(signal.SIGINT) == settings.stop) is answered
        assert signal.getsignal(signal.SIGTERM) == settings.stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
