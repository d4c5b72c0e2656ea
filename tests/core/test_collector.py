"""The collector is held back inside, and is what it was outside, whatever happens."""

from __future__ import annotations

import gc

import pytest

from portraitbench.core.collector import collector_paused


@pytest.mark.parametrize("enabled", [True, False])
def test_it_is_what_it_was_before(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with collector_paused():
            with collector_paused():
                assert not gc.isenabled()
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
        with pytest.raises(KeyError), collector_paused():
            raise KeyError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
